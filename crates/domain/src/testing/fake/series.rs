//! A series store in memory: everything in one list, every answer by looking at all of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use argosy_proto::{DeviceId, StreamName};
use async_trait::async_trait;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Timestamp;
use crate::model::{DeviceLatest, Event, EventRow, Fact, SampleRow, SeriesRow, StatusSample, StreamSample};
use crate::page::{Page, PageRequest};
use crate::ports::{
    EventFilter, MAX_LATEST_STREAMS, MAX_SALES_ROWS, MAX_SERIES_DEVICES, Maintained, Metric, PortError,
    PortErrorKind, PortResult, RangeQuery, SalesQuery, SalesReport, SalesSplit, SalesSum, SampleFilter,
    SeriesCursor, SeriesKind, SeriesRange, SeriesStats, SeriesStore, TimeSpan, drawn,
};

/// A series store in memory. It keeps everything: retention is the adapters' own.
#[derive(Debug, Default)]
pub struct FakeSeries {
    rows: Mutex<Vec<SeriesRow>>,
    full: AtomicBool,
}

impl FakeSeries {
    /// Makes every append fail with `Full`, or work again.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// Everything that was appended.
    pub fn all(&self) -> Vec<SeriesRow> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SeriesRow>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which kind a row is.
fn kind_of(row: &SeriesRow) -> SeriesKind {
    match &row.fact {
        Fact::Status(_) => SeriesKind::Status,
        Fact::Data(_) => SeriesKind::Data,
        Fact::Event(event) => SeriesKind::Event(event.kind()),
    }
}

/// A page of samples, from all that match in the order they came.
fn page_of<T>(mut rows: Vec<SampleRow<T>>, page: &PageRequest) -> PortResult<Page<SampleRow<T>>> {
    rows.sort_by_key(|row| row.at);
    rows.reverse();
    let after: Option<SeriesCursor> = page.after.as_deref().map(str::parse).transpose()?;
    let (mut items, mut next, mut same) = (Vec::new(), None, (i64::MAX, 0));
    for row in rows {
        same = if same.0 == row.at.0 { (same.0, same.1 + 1) } else { (row.at.0, 1) };
        let given = after.is_some_and(|c| row.at.0 > c.at || (row.at.0 == c.at && same.1 <= c.number));
        if given {
            continue;
        }
        if items.len() == page.bounded() as usize {
            return Ok(Page { items, next });
        }
        next = Some(SeriesCursor { at: same.0, number: same.1 }.to_string());
        items.push(row);
    }
    Ok(Page { items, next: None })
}

#[async_trait]
impl SeriesStore for FakeSeries {
    async fn append(&self, rows: Vec<SeriesRow>) -> PortResult<()> {
        if self.full.load(Ordering::SeqCst) {
            return Err(PortError::new("append to series", PortErrorKind::Full));
        }
        self.lock().extend(rows);
        Ok(())
    }

    async fn latest(&self, devices: &[DeviceId]) -> PortResult<Vec<DeviceLatest>> {
        if devices.len() > MAX_SERIES_DEVICES {
            return Err(PortError::reference("read latest", "latest.devices"));
        }
        let rows = self.lock();
        let of = |device: &DeviceId| {
            let mut status: Option<SampleRow<StatusSample>> = None;
            let mut streams: BTreeMap<StreamName, SampleRow<StreamSample>> = BTreeMap::new();
            for row in rows.iter().filter(|row| row.device == *device) {
                let (at, device_time) = (row.at, row.device_time);
                match &row.fact {
                    Fact::Status(values) if status.as_ref().is_none_or(|s| s.at <= at) => {
                        status = Some(SampleRow { at, device_time, values: values.clone() });
                    }
                    Fact::Data(values) if streams.get(&values.stream).is_none_or(|s| s.at <= at) => {
                        let sample = SampleRow { at, device_time, values: values.clone() };
                        streams.insert(values.stream.clone(), sample);
                    }
                    _ => {}
                }
            }
            let mut streams: Vec<_> = streams.into_values().collect();
            streams.sort_by_key(|row| std::cmp::Reverse(row.at));
            streams.truncate(MAX_LATEST_STREAMS);
            streams.sort_by(|a, b| a.values.stream.cmp(&b.values.stream));
            DeviceLatest { device: *device, status, streams }
        };
        Ok(devices.iter().map(of).collect())
    }

    async fn range(&self, query: &RangeQuery) -> PortResult<SeriesRange> {
        let mut range = query.empty_answer()?;
        for row in self.lock().iter().filter(|r| r.device == query.device && query.span.contains(r.at)) {
            for (curve, metric) in query.metrics.iter().enumerate() {
                let value = match (&row.fact, metric) {
                    (Fact::Status(sample), Metric::Status(metric)) => sample.metric(*metric),
                    (Fact::Data(sample), Metric::Stream(stream, column)) if sample.stream == *stream => {
                        sample.values.get(column).and_then(drawn)
                    }
                    _ => None,
                };
                if let Some(value) = value {
                    range.add(curve, row.at, value);
                }
            }
        }
        Ok(range)
    }

    async fn statuses(
        &self,
        filter: &SampleFilter,
        page: &PageRequest,
    ) -> PortResult<Page<SampleRow<StatusSample>>> {
        let rows = self.lock();
        let found = rows.iter().filter(|r| r.device == filter.device && filter.span.contains(r.at));
        let found = found.filter_map(|row| match &row.fact {
            Fact::Status(values) => {
                Some(SampleRow { at: row.at, device_time: row.device_time, values: values.clone() })
            }
            _ => None,
        });
        page_of(found.collect(), page)
    }

    async fn stream(
        &self,
        filter: &SampleFilter,
        stream: &StreamName,
        page: &PageRequest,
    ) -> PortResult<Page<SampleRow<StreamSample>>> {
        let rows = self.lock();
        let found = rows.iter().filter(|r| r.device == filter.device && filter.span.contains(r.at));
        let found = found.filter_map(|row| match &row.fact {
            Fact::Data(values) if values.stream == *stream => {
                Some(SampleRow { at: row.at, device_time: row.device_time, values: values.clone() })
            }
            _ => None,
        });
        page_of(found.collect(), page)
    }

    async fn events(&self, filter: &EventFilter, page: &PageRequest) -> PortResult<Page<EventRow>> {
        let after: Option<SeriesCursor> = page.after.as_deref().map(str::parse).transpose()?;
        let mut found: Vec<EventRow> = Vec::new();
        for (row, id) in self.lock().iter().zip(1..) {
            let Fact::Event(event) = &row.fact else { continue };
            let of_device = filter.devices.as_ref().is_none_or(|ids| ids.contains(&row.device));
            let after = after.is_none_or(|c| (row.at.0, id) < (c.at, c.number));
            if of_device && after && filter.span.contains(row.at) && filter.matches(event) {
                let (device, at, device_time) = (row.device, row.at, row.device_time);
                found.push(EventRow { id, device, at, device_time, event: event.clone() });
            }
        }
        found.sort_by_key(|row| std::cmp::Reverse((row.at, row.id)));
        let more = found.len() > page.bounded() as usize;
        found.truncate(page.bounded() as usize);
        let next = found.last().filter(|_| more);
        let next = next.map(|row| SeriesCursor { at: row.at.0, number: row.id }.to_string());
        Ok(Page { items: found, next })
    }

    async fn sales(&self, query: &SalesQuery) -> PortResult<SalesReport> {
        query.check()?;
        let mut sums: BTreeMap<SalesSum, u64> = BTreeMap::new();
        for row in self.lock().iter() {
            let Fact::Event(Event::Sale { item, variety }) = &row.fact else { continue };
            let of_device = query.devices.as_ref().is_none_or(|ids| ids.contains(&row.device));
            if !of_device || !query.span.contains(row.at) {
                continue;
            }
            let sum = SalesSum {
                bucket: query.bucket_of(row.at),
                who: match &query.split {
                    SalesSplit::None => None,
                    SalesSplit::Device => Some(row.device.0),
                    SalesSplit::Label(labels) => labels.get(&row.device).copied(),
                },
                item: query.by_item.then(|| item.clone()),
                variety: variety.clone().filter(|_| query.by_item),
                count: 0,
            };
            *sums.entry(sum).or_default() += 1;
        }
        let truncated = sums.len() > MAX_SALES_ROWS;
        let sums = sums.into_iter().take(MAX_SALES_ROWS).map(|(sum, count)| SalesSum { count, ..sum });
        Ok(SalesReport { sums: sums.collect(), truncated })
    }

    async fn count(&self, kind: SeriesKind, span: TimeSpan, device: Option<DeviceId>) -> PortResult<u64> {
        let rows = self.lock();
        let found = rows.iter().filter(|row| {
            kind_of(row) == kind && span.contains(row.at) && device.is_none_or(|id| id == row.device)
        });
        Ok(found.count() as u64)
    }

    async fn stats(&self) -> PortResult<SeriesStats> {
        let mut stats = SeriesStats::default();
        for row in self.lock().iter() {
            stats.kinds.entry(kind_of(row)).or_default().rows += 1;
            stats.appended_rows += 1;
        }
        Ok(stats)
    }

    async fn maintain(&self, _: Timestamp) -> PortResult<Maintained> {
        Ok(Maintained::default())
    }

    async fn flush(&self) -> PortResult<()> {
        Ok(())
    }

    async fn snapshot(&self, _: &Path) -> PortResult<()> {
        Err(PortError::new("copy series", PortErrorKind::Internal)
            .with_source("a store in memory has nothing to copy"))
    }
}
