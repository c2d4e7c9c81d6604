//! Rows that are durable in the journal but not in a partition yet, in memory.
//!
//! Samples stand as their records, a buffer a device and stream; events as rows, a list an append. One head is written
//! (`active`); another may be on its way into partitions (`frozen`). Both are read like partitions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use argosy_domain::Timestamp;
use argosy_domain::model::{EventKind, EventRow};
use argosy_domain::ports::{SeriesKind, TimeSpan};
use argosy_proto::{DeviceId, StreamName};

use super::codec::{Read, Reader, put_bytes, read_times};
use super::facts::{RowKept, weight};
use super::options::partition_width_ms;

/// Samples of one device (and stream): records, each after its length, in the order they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: u32,
    pub(super) first: i64,
    pub(super) last: i64,
    /// Where the record with the latest time begins (the last of them).
    latest: usize,
}

impl Records {
    fn push(&mut self, at: Timestamp, record: &[u8]) {
        if self.rows == 0 {
            (self.first, self.last) = (at.0, at.0);
        }
        if at.0 >= self.last {
            self.latest = self.bytes.len();
        }
        (self.first, self.last) = (self.first.min(at.0), self.last.max(at.0));
        put_bytes(&mut self.bytes, record);
        self.rows += 1;
    }

    /// The record with the latest time.
    pub(super) fn latest(&self) -> Read<&[u8]> {
        Reader(&self.bytes[self.latest..]).bytes()
    }

    /// Every record with its time, in the order they came.
    pub(super) fn each<'a>(&'a self, mut each: impl FnMut(i64, &'a [u8])) -> Read<()> {
        let mut from = Reader(&self.bytes);
        while !from.is_empty() {
            let record = from.bytes()?;
            let (at, _) = read_times(&mut Reader(record))?;
            each(at.0, record);
        }
        Ok(())
    }
}

/// Rows of the segments from `first_segment` on.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) first_segment: u64,
    /// Once it is frozen: the last segment whose rows it has.
    pub(super) last_segment: u64,
    pub(super) status: HashMap<DeviceId, Records>,
    pub(super) data: HashMap<DeviceId, BTreeMap<StreamName, Records>>,
    pub(super) events: BTreeMap<EventKind, Vec<Arc<Vec<EventRow>>>>,
    /// Rows by kind and start of their partition.
    pub(super) rows: BTreeMap<(SeriesKind, i64), u64>,
    pub(super) bytes: usize,
    pub(super) since: Option<Instant>,
}

/// When the partition of `at` begins.
pub(super) fn partition_start(kind: SeriesKind, at: i64) -> i64 {
    let width = partition_width_ms(kind);
    at.div_euclid(width).saturating_mul(width)
}

/// A device's or stream's place in a map takes about so many bytes.
const ENTRY: usize = 160;

impl Head {
    pub(super) fn new(first_segment: u64) -> Self {
        Self { first_segment, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn total_rows(&self) -> u64 {
        self.rows.values().sum()
    }

    fn count(&mut self, kind: SeriesKind, at: Timestamp) {
        self.since.get_or_insert_with(Instant::now);
        *self.rows.entry((kind, partition_start(kind, at.0))).or_default() += 1;
    }

    pub(super) fn push_sample(
        &mut self,
        kind: SeriesKind,
        device: DeviceId,
        stream: Option<&StreamName>,
        at: Timestamp,
        record: &[u8],
    ) {
        self.count(kind, at);
        let records = match stream {
            None => self.status.entry(device).or_default(),
            Some(stream) => {
                let streams = self.data.entry(device).or_default();
                if !streams.contains_key(stream) {
                    streams.insert(stream.clone(), Records::default());
                }
                let Some(records) = streams.get_mut(stream) else { return };
                records
            }
        };
        if records.rows == 0 {
            self.bytes += ENTRY;
        }
        let before = records.bytes.capacity();
        records.push(at, record);
        self.bytes += records.bytes.capacity() - before;
    }

    pub(super) fn push_events(&mut self, kind: EventKind, rows: Vec<EventRow>) {
        for row in &rows {
            self.count(SeriesKind::Event(kind), row.at);
            self.bytes += weight(&row.event);
        }
        self.events.entry(kind).or_default().push(Arc::new(rows));
    }

    /// Takes over what a frame says. `id` gives the number of the frame's n-th row.
    pub(super) fn take(&mut self, frame: &[u8], rows: Vec<RowKept>, id: impl Fn(usize) -> i64) {
        let mut events: BTreeMap<EventKind, Vec<EventRow>> = BTreeMap::new();
        for (n, row) in rows.into_iter().enumerate() {
            match (row.kind, row.event) {
                (SeriesKind::Event(kind), Some(event)) => {
                    let (device, at, device_time) = (row.device, row.at, row.device_time);
                    let row = EventRow { id: id(n), device, at, device_time, event };
                    events.entry(kind).or_default().push(row);
                }
                (kind, _) => {
                    let record = frame.get(row.record).unwrap_or_default();
                    self.push_sample(kind, row.device, row.stream.as_ref(), row.at, record);
                }
            }
        }
        for (kind, rows) in events {
            self.push_events(kind, rows);
        }
    }
}

/// What is in memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) active: Head,
    pub(super) frozen: Option<Arc<Head>>,
}

/// A moment's view: what was in memory then, and how far partitions may be read to have exactly the rest.
#[derive(Debug)]
pub(super) struct View<T> {
    /// Segments from this one on are in memory; partitions are read below it.
    pub(super) floor: u64,
    /// What was asked for, oldest head first.
    pub(super) found: Vec<T>,
}

impl Memory {
    fn heads(&self) -> impl Iterator<Item = &Head> {
        self.frozen.as_deref().into_iter().chain(std::iter::once(&self.active))
    }

    pub(super) fn floor(&self) -> u64 {
        self.frozen.as_ref().map_or(self.active.first_segment, |head| head.first_segment)
    }

    /// A device's samples.
    pub(super) fn records(&self, device: DeviceId, stream: Option<&StreamName>) -> View<Records> {
        let of = |head: &Head| match stream {
            None => head.status.get(&device).cloned(),
            Some(stream) => head.data.get(&device).and_then(|streams| streams.get(stream)).cloned(),
        };
        View { floor: self.floor(), found: self.heads().filter_map(of).collect() }
    }

    /// The events of a kind.
    pub(super) fn events(&self, kind: EventKind) -> View<Arc<Vec<EventRow>>> {
        let lists = self.heads().filter_map(|head| head.events.get(&kind)).flatten().cloned();
        View { floor: self.floor(), found: lists.collect() }
    }

    /// The latest records of devices.
    pub(super) fn latest(
        &self,
        device: DeviceId,
        mut each: impl FnMut(Option<&StreamName>, &[u8]),
    ) -> Read<()> {
        for head in self.heads() {
            if let Some(records) = head.status.get(&device) {
                each(None, records.latest()?);
            }
            for (stream, records) in head.data.get(&device).into_iter().flatten() {
                each(Some(stream), records.latest()?);
            }
        }
        Ok(())
    }

    /// How many samples of a kind are in a span.
    pub(super) fn count_samples(
        &self,
        kind: SeriesKind,
        span: TimeSpan,
        device: Option<DeviceId>,
    ) -> Read<u64> {
        let mut total = 0;
        let mut add = |records: &Records| {
            if span.from.0 <= records.first && records.last < span.to.0 {
                total += u64::from(records.rows);
                return Ok(());
            }
            if records.last < span.from.0 || records.first >= span.to.0 {
                return Ok(());
            }
            records.each(|at, _| total += u64::from(span.contains(Timestamp(at))))
        };
        for head in self.heads() {
            match (kind, device) {
                (SeriesKind::Status, Some(device)) => head.status.get(&device).map_or(Ok(()), &mut add)?,
                (SeriesKind::Status, None) => head.status.values().try_for_each(&mut add)?,
                (_, Some(device)) => {
                    head.data.get(&device).into_iter().flat_map(BTreeMap::values).try_for_each(&mut add)?;
                }
                (_, None) => head.data.values().flat_map(BTreeMap::values).try_for_each(&mut add)?,
            }
        }
        Ok(total)
    }
}
