//! What every series store must compute alike: buckets, matches, cursors. Pure.

use core::fmt;
use core::str::FromStr;

use argosy_proto::message::DataValue;

use super::{
    EventFilter, MAX_POINTS, PortError, PortErrorKind, PortResult, RangePoint, RangeQuery, SalesBucket,
    SalesQuery, SeriesRange, TimeSpan,
};
use crate::Timestamp;
use crate::model::Event;

/// Where a page of events or samples begins: after the row with this time and number. For samples the number counts the rows of
/// this very millisecond that were already given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesCursor {
    /// The time of the last row given.
    pub at: i64,
    /// Its number.
    pub number: i64,
}

impl fmt::Display for SeriesCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.at, self.number)
    }
}

impl FromStr for SeriesCursor {
    type Err = PortError;

    fn from_str(text: &str) -> PortResult<Self> {
        text.split_once(':')
            .and_then(|(at, number)| Some(Self { at: at.parse().ok()?, number: number.parse().ok()? }))
            .ok_or(PortError::reference("read series cursor", "page.after"))
    }
}

/// Folds A to Z.
pub fn folded(text: &str) -> String {
    text.to_ascii_lowercase()
}

fn holds(text: &str, folded_needle: &str) -> bool {
    folded_needle.is_empty() || folded(text).contains(folded_needle)
}

impl EventFilter {
    /// Whether the event's own fields hold (kind, deployment, key, word, text); device and time are the caller's to check.
    pub fn matches(&self, event: &Event) -> bool {
        if event.kind() != self.kind {
            return false;
        }
        let word = |found: &str| self.word.as_deref().is_none_or(|word| word == found);
        let needle = self.text.as_deref().map(folded).unwrap_or_default();
        if self.deployment.is_some() && !matches!(event, Event::Download { .. }) {
            return false;
        }
        if self.key.is_some() && !matches!(event, Event::DeadLetter { .. }) {
            return false;
        }
        match event {
            Event::Log { tag, text } => word(tag) && (holds(text, &needle) || holds(tag, &needle)),
            Event::Sale { item, .. } => word(item) && needle.is_empty(),
            Event::Download { deployment, step, message, .. } => {
                self.deployment.is_none_or(|id| id == *deployment)
                    && word(step.as_str())
                    && holds(message.as_deref().unwrap_or_default(), &needle)
            }
            Event::Presence { online } => word(presence_word(*online)) && needle.is_empty(),
            Event::Note { topic, text, .. } => word(topic.as_str()) && holds(text, &needle),
            Event::DeadLetter { key, topic, reason, .. } => {
                self.key.as_ref().is_none_or(|k| k == key)
                    && self.word.is_none()
                    && (holds(topic, &needle) || holds(reason, &needle))
            }
        }
    }
}

/// The word of a presence event.
pub const fn presence_word(online: bool) -> &'static str {
    if online { "online" } else { "offline" }
}

impl RangeQuery {
    /// Checks the query and gives its empty answer.
    ///
    /// # Errors
    /// A span without an end or with nothing in it, no or too many metrics, no or too many points.
    pub fn empty_answer(&self) -> PortResult<SeriesRange> {
        const OPERATION: &str = "read series range";
        let wrong = |what| Err(PortError::reference(OPERATION, what));
        let width = i128::from(self.span.to.0) - i128::from(self.span.from.0);
        if width <= 0 || width > i128::from(i64::MAX / 4) {
            return wrong("range.span");
        }
        if self.metrics.is_empty() || self.metrics.len() > 16 {
            return wrong("range.metrics");
        }
        if self.points == 0 || self.points > MAX_POINTS {
            return wrong("range.points");
        }
        let width = i64::try_from(width).map_err(|_| PortError::new(OPERATION, PortErrorKind::Internal))?;
        let step_ms = (width - 1) / i64::from(self.points) + 1;
        let buckets = usize::try_from((width - 1) / step_ms + 1).unwrap_or(0);
        Ok(SeriesRange {
            from: self.span.from,
            step_ms,
            curves: vec![vec![None; buckets]; self.metrics.len()],
        })
    }
}

impl SeriesRange {
    /// Adds one value to the bucket of `at`; what is outside of the span is ignored.
    pub fn add(&mut self, curve: usize, at: Timestamp, value: f64) {
        let Some(offset) = at.0.checked_sub(self.from.0).filter(|offset| *offset >= 0) else { return };
        let bucket = usize::try_from(offset / self.step_ms).unwrap_or(usize::MAX);
        let Some(slot) = self.curves.get_mut(curve).and_then(|points| points.get_mut(bucket)) else { return };
        match slot {
            // The mean while it grows, so that no sum can overflow.
            Some(point) => {
                point.count += 1;
                point.avg += (value - point.avg) / point.count as f64;
                point.min = point.min.min(value);
                point.max = point.max.max(value);
            }
            None => *slot = Some(RangePoint { min: value, avg: value, max: value, count: 1 }),
        }
    }
}

/// The number that a curve draws for a value; texts are not drawn.
pub fn drawn(value: &DataValue) -> Option<f64> {
    match value {
        DataValue::Int(whole) => Some(*whole as f64),
        DataValue::Float(number) => Some(*number),
        DataValue::Bool(flag) => Some(f64::from(u8::from(*flag))),
        DataValue::Text(_) => None,
    }
}

impl SalesBucket {
    /// Milliseconds of a bucket; `None` for the whole span.
    pub const fn width_ms(self) -> Option<i64> {
        match self {
            Self::Whole => None,
            Self::Hour => Some(3_600_000),
            Self::Day => Some(86_400_000),
        }
    }
}

impl SalesQuery {
    /// Checks the query.
    ///
    /// # Errors
    /// An offset of more than a day; too many devices.
    pub fn check(&self) -> PortResult<()> {
        const OPERATION: &str = "sum sales";
        if !(-1440..=1440).contains(&self.utc_offset_min) {
            return Err(PortError::reference(OPERATION, "sales.utc_offset"));
        }
        Ok(())
    }

    /// When the bucket of `at` begins.
    pub fn bucket_of(&self, at: Timestamp) -> Option<Timestamp> {
        let width = self.bucket.width_ms()?;
        let offset = i64::from(self.utc_offset_min) * 60_000;
        Some(Timestamp((at.0.saturating_add(offset)).div_euclid(width).saturating_mul(width) - offset))
    }
}

impl TimeSpan {
    /// Whether something that begins at `from` and ends before `to` has a part of it.
    pub fn overlaps(&self, from: Timestamp, to: Timestamp) -> bool {
        self.from < to && from < self.to
    }

    /// The part of both.
    #[must_use]
    pub fn within(&self, other: Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.min(other.to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StatusMetric;
    use crate::ports::{Metric, SalesSplit};
    use argosy_proto::DeviceId;
    use proptest::prelude::*;

    fn query(from: i64, to: i64, points: u32) -> RangeQuery {
        RangeQuery {
            device: DeviceId(1),
            metrics: vec![Metric::Status(StatusMetric::Cpu0)],
            span: TimeSpan::new(Timestamp(from), Timestamp(to)),
            points,
        }
    }

    #[test]
    fn a_range_that_makes_no_sense_is_refused() {
        for bad in [
            query(5, 5, 1),
            query(6, 5, 1),
            query(0, 10, 0),
            query(0, 10, MAX_POINTS + 1),
            query(i64::MIN, i64::MAX, 1),
        ] {
            assert!(bad.empty_answer().is_err(), "{bad:?}");
        }
        let none = RangeQuery { metrics: Vec::new(), ..query(0, 10, 1) };
        assert!(none.empty_answer().is_err());
    }

    proptest! {
        #[test]
        fn buckets_cover_the_span_and_never_exceed_the_points(from in -1_000_000_i64..1_000_000, width in 1_i64..10_000_000, points in 1_u32..2000) {
            let mut range = query(from, from + width, points).empty_answer().unwrap();
            prop_assert!(range.curves[0].len() <= points as usize);
            range.add(0, Timestamp(from), 1.0);
            range.add(0, Timestamp(from + width - 1), 2.0);
            range.add(0, Timestamp(from - 1), 9.0);
            let count: u64 = range.curves[0].iter().flatten().map(|point| point.count).sum();
            prop_assert_eq!(count, 2);
            prop_assert!(range.curves[0].first().unwrap().is_some() && range.curves[0].last().unwrap().is_some());
        }

        #[test]
        fn a_bucket_of_sales_begins_at_or_before_its_sales(at in -10_i64.pow(13)..10_i64.pow(13), offset in -1440_i32..=1440) {
            for bucket in [SalesBucket::Hour, SalesBucket::Day] {
                let query = SalesQuery { span: TimeSpan::ALL, devices: None, bucket, utc_offset_min: offset, split: SalesSplit::None, by_item: false };
                let begin = query.bucket_of(Timestamp(at)).unwrap().0;
                prop_assert!(begin <= at && at < begin + bucket.width_ms().unwrap());
            }
        }

        #[test]
        fn a_cursor_reads_what_it_writes(at: i64, number: i64) {
            let cursor = SeriesCursor { at, number };
            prop_assert_eq!(cursor.to_string().parse::<SeriesCursor>().unwrap(), cursor);
        }
    }

    #[test]
    fn a_day_begins_at_local_midnight() {
        let query = SalesQuery {
            span: TimeSpan::ALL,
            devices: None,
            bucket: SalesBucket::Day,
            utc_offset_min: 540,
            split: SalesSplit::None,
            by_item: false,
        };
        // 2025-07-03T15:00Z is midnight of 4 July in Korea.
        let midnight = Timestamp(1_751_554_800_000);
        assert_eq!(query.bucket_of(midnight), Some(midnight));
        assert_eq!(query.bucket_of(Timestamp(midnight.0 - 1)), Some(Timestamp(midnight.0 - 86_400_000)));
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        for bad in ["", "12", ":", "a:1", "1:", "1:2:3"] {
            assert!(bad.parse::<SeriesCursor>().is_err(), "{bad}");
        }
    }
}
