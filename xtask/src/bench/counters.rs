//! Reading what others counted: Prometheus text, and times as the API writes them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

/// The samples of `/metrics`: name and labels as they stand there, and the value.
#[derive(Debug, Default)]
pub(crate) struct Counters(BTreeMap<String, f64>);

impl Counters {
    /// Lines that are no samples are left out.
    pub(crate) fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.trim().to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// The sum of all samples of this name, whatever their labels, that satisfy `labels` (as text).
    pub(crate) fn sum(&self, name: &str, labels: impl Fn(&str) -> bool) -> f64 {
        let samples = self.0.iter().filter_map(|(sample, value)| {
            let rest = sample.strip_prefix(name)?;
            ((rest.is_empty() || rest.starts_with('{')) && labels(rest)).then_some(value)
        });
        samples.sum()
    }

    /// How much it rose since `before`.
    pub(crate) fn rise(&self, before: &Self, name: &str, labels: impl Fn(&str) -> bool + Copy) -> f64 {
        self.sum(name, labels) - before.sum(name, labels)
    }
}

/// Milliseconds since the epoch of an RFC 3339 time in UTC, as the API writes it: `2026-07-03T10:30:45.123Z`.
pub(crate) fn millis(time: &str) -> Result<i64> {
    parse(time).with_context(|| format!("{time:?} is not a time as the API writes it"))
}

fn parse(time: &str) -> Option<i64> {
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hours, minutes, seconds] = numbers(clock, ':')?;
    let digits = fraction.bytes().all(|digit| digit.is_ascii_digit());
    let millis: i64 = digits.then(|| format!("{fraction:0<3}"))?.get(..3)?.parse().ok()?;
    // Days since the epoch in the Gregorian calendar; years begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    Some((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + millis)
}

fn numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let numbers: Option<Vec<i64>> = text.split(between).map(|number| number.parse().ok()).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_name_and_label() {
        let text = "# HELP a A.\na 2\na_b{x=\"1\"} 3\na_b{x=\"2\",y=\"z\"} 4.5\n";
        let counters = Counters::parse(text);
        assert_eq!(counters.sum("a", |_| true), 2.0);
        assert_eq!(counters.sum("a_b", |_| true), 7.5);
        assert_eq!(counters.sum("a_b", |labels| labels.contains("y=\"z\"")), 4.5);
        assert_eq!(counters.rise(&Counters::parse("a 1"), "a", |_| true), 1.0);
    }

    #[test]
    fn times_are_milliseconds_since_the_epoch() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00.5Z", 951_825_600_500),
            ("2000-03-01T00:00:00.007Z", 951_868_800_007),
            ("2026-11-21T06:38:31.853281Z", 1_795_243_111_853),
        ] {
            assert_eq!(millis(text).expect(text), expected, "{text}");
        }
        for wrong in ["", "2026-11-21", "2026-11-21T06:38:31", "2026-11-21T06:38Z", "2026-11-21T06:38:31.xZ"]
        {
            assert!(millis(wrong).is_err(), "{wrong}");
        }
    }
}
