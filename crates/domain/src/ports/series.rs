//! The series port: what happened, by server time. Facts are appended in groups and never changed; whole partitions go when they
//! are old.
//!
//! [`SeriesStore::append`] returns once all its rows are durable: a device's message is acknowledged only after it. A group that
//! failed may be appended again, and a group whose fate is unknown (a crash) may be found afterwards: rows are kept at least once.
//! What was appended is seen by every read that begins after `append` returned. Lists are newest first and keyset-paginated;
//! nothing reads without a bound.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use argosy_proto::{DeploymentId, DeviceId, DeviceKey, StreamName};
use async_trait::async_trait;

use super::PortResult;
use crate::Timestamp;
use crate::model::{
    DeviceLatest, EventKind, EventRow, SampleRow, SeriesRow, StatusMetric, StatusSample, StreamSample,
    UnknownWord,
};
use crate::page::{Page, PageRequest};

/// The most points of one range, and the most buckets of one sum.
pub const MAX_POINTS: u32 = 10_000;
/// The most devices of one bulk read.
pub const MAX_SERIES_DEVICES: usize = 10_000;
/// The streams of a device whose last row is kept at hand: those that spoke last. A device may name streams as it likes.
pub const MAX_LATEST_STREAMS: usize = 64;
/// The most rows of a [`SalesReport`].
pub const MAX_SALES_ROWS: usize = 100_000;

/// From when (inclusive) to when (exclusive), by the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSpan {
    /// The first millisecond.
    pub from: Timestamp,
    /// The first millisecond after it.
    pub to: Timestamp,
}

impl TimeSpan {
    /// All of it.
    pub const ALL: Self = Self { from: Timestamp(i64::MIN), to: Timestamp(i64::MAX) };

    /// From `from` to before `to`.
    pub const fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to }
    }

    /// Whether `at` is in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// One curve of one device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Of its status.
    Status(StatusMetric),
    /// A column of one of its streams. Booleans count as 0 and 1; texts are not drawn.
    Stream(StreamName, String),
}

/// Asks for curves of one device.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeQuery {
    /// Whose.
    pub device: DeviceId,
    /// Which; 1 to 16.
    pub metrics: Vec<Metric>,
    /// From when to when. Both ends must be given; the buckets divide it evenly.
    pub span: TimeSpan,
    /// Buckets, 1 to [`MAX_POINTS`]; fewer when the span has fewer milliseconds.
    pub points: u32,
}

/// One bucket of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RangePoint {
    /// The least value.
    pub min: f64,
    /// The mean of the values.
    pub avg: f64,
    /// The greatest value.
    pub max: f64,
    /// How many values.
    pub count: u64,
}

/// The curves asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesRange {
    /// When the first bucket begins.
    pub from: Timestamp,
    /// Milliseconds of a bucket (the last one may be cut by the end of the span).
    pub step_ms: i64,
    /// One list a metric, in the order asked; each has every bucket. `None` is a gap: the device said nothing then.
    pub curves: Vec<Vec<Option<RangePoint>>>,
}

/// Which events: every field that is set must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct EventFilter {
    /// Of this kind.
    pub kind: EventKind,
    /// When.
    pub span: TimeSpan,
    /// Of these devices (at most [`MAX_SERIES_DEVICES`]; empty finds nothing).
    pub devices: Option<Vec<DeviceId>>,
    /// Downloads: of this deployment.
    pub deployment: Option<DeploymentId>,
    /// Dead letters: from this key.
    pub key: Option<DeviceKey>,
    /// Logs: with this tag (exact). Sales: of this item. Downloads: this step. Notes: this topic.
    pub word: Option<String>,
    /// Logs: whose text or tag contains it. Notes and downloads: whose text does. Dead letters: whose topic or reason does.
    /// A to Z are the same as a to z; nothing else is folded.
    pub text: Option<String>,
}

impl EventFilter {
    /// Everything of a kind.
    pub const fn kind(kind: EventKind) -> Self {
        Self { kind, span: TimeSpan::ALL, devices: None, deployment: None, key: None, word: None, text: None }
    }
}

/// Which samples of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleFilter {
    /// Whose.
    pub device: DeviceId,
    /// When.
    pub span: TimeSpan,
}

/// How wide the buckets of a sum are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SalesBucket {
    /// One for the whole span.
    Whole,
    /// An hour.
    Hour,
    /// A day.
    Day,
}

/// What sales are summed by. Which group and region a device is in is the registry's to say: the caller passes it in, so that
/// this port needs no registry of any kind.
#[derive(Debug, Clone, PartialEq)]
pub enum SalesSplit {
    /// Nothing: all devices together.
    None,
    /// Each device for itself.
    Device,
    /// By what this says of the device (its group's or region's id); devices that are not in it are summed under `None`.
    Label(Arc<HashMap<DeviceId, i64>>),
}

/// Asks for sums of sales.
#[derive(Debug, Clone, PartialEq)]
pub struct SalesQuery {
    /// When.
    pub span: TimeSpan,
    /// Of these devices only.
    pub devices: Option<Arc<Vec<DeviceId>>>,
    /// By when.
    pub bucket: SalesBucket,
    /// Minutes that local time is ahead of UTC (Korea: 540): where hours and days begin. -1440 to 1440.
    pub utc_offset_min: i32,
    /// By whom.
    pub split: SalesSplit,
    /// Whether also by item and variety.
    pub by_item: bool,
}

/// One sum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SalesSum {
    /// When the bucket begins; `None` for the whole span.
    pub bucket: Option<Timestamp>,
    /// The device's id or the label; `None` when not split, or for devices without a label.
    pub who: Option<i64>,
    /// What, if asked by item.
    pub item: Option<String>,
    /// Which variety, if asked by item and there is one.
    pub variety: Option<String>,
    /// How many.
    pub count: u64,
}

/// Sums, ordered by bucket, who, item, variety.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SalesReport {
    /// The sums.
    pub sums: Vec<SalesSum>,
    /// There were more than [`MAX_SALES_ROWS`]: the first of them are here, and each is exact.
    pub truncated: bool,
}

/// What a store holds, by what it is kept as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SeriesKind {
    /// Status samples.
    Status,
    /// Rows of streams.
    Data,
    /// Events.
    Event(EventKind),
}

impl SeriesKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Status,
        Self::Data,
        Self::Event(EventKind::Log),
        Self::Event(EventKind::Sale),
        Self::Event(EventKind::Download),
        Self::Event(EventKind::Presence),
        Self::Event(EventKind::Note),
        Self::Event(EventKind::DeadLetter),
    ];

    /// Its name, in the configuration, in metrics and in file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Data => "data",
            Self::Event(kind) => kind.as_str(),
        }
    }
}

impl std::str::FromStr for SeriesKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownWord {
            given: text.chars().take(40).collect(),
            known: &["status", "data", "log", "sale", "download", "presence", "note", "dead_letter"],
        })
    }
}

/// What is kept of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KindStats {
    /// Rows.
    pub rows: u64,
    /// Bytes on disk, of the partitions.
    pub bytes: u64,
    /// Partitions.
    pub partitions: u64,
    /// When the oldest partition begins.
    pub oldest: Option<Timestamp>,
}

/// What a store holds and has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesStats {
    /// By kind.
    pub kinds: BTreeMap<SeriesKind, KindStats>,
    /// Durable rows that are not in a partition yet.
    pub pending_rows: u64,
    /// Bytes of the log that holds them.
    pub pending_bytes: u64,
    /// Rows appended since the start.
    pub appended_rows: u64,
    /// Appends (each one sync) since the start.
    pub appends: u64,
    /// Appends that failed since the start.
    pub append_failures: u64,
    /// Files set aside because they were damaged.
    pub quarantined: u64,
}

impl SeriesStats {
    /// Rows of every kind, pending ones included.
    pub fn rows(&self) -> u64 {
        self.kinds.values().map(|kind| kind.rows).sum::<u64>() + self.pending_rows
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.kinds.values().map(|kind| kind.bytes).sum::<u64>() + self.pending_bytes
    }
}

/// What a round of maintenance did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Rows moved into partitions.
    pub moved_rows: u64,
    /// Partitions removed because they were old, or because there was too much.
    pub removed_partitions: u64,
}

/// The series store.
#[async_trait]
pub trait SeriesStore: Send + Sync + 'static {
    /// Appends a group; returns when it is durable. All of it or, on an error, nothing that is acknowledged. Without space it
    /// fails with `PortErrorKind::Full` (nothing is harmed; it works again once there is space).
    async fn append(&self, rows: Vec<SeriesRow>) -> PortResult<()>;

    /// The last that each of these devices said, in the order asked; a device that never said anything has an empty one.
    /// At most [`MAX_SERIES_DEVICES`].
    async fn latest(&self, devices: &[DeviceId]) -> PortResult<Vec<DeviceLatest>>;

    /// Curves of a device, down-sampled.
    async fn range(&self, query: &RangeQuery) -> PortResult<SeriesRange>;

    /// Status samples of a device, newest first.
    async fn statuses(
        &self,
        filter: &SampleFilter,
        page: &PageRequest,
    ) -> PortResult<Page<SampleRow<StatusSample>>>;

    /// Rows of a stream of a device, newest first.
    async fn stream(
        &self,
        filter: &SampleFilter,
        stream: &StreamName,
        page: &PageRequest,
    ) -> PortResult<Page<SampleRow<StreamSample>>>;

    /// Events, newest first. A search through much may give a page with fewer rows than asked, or none, that has a `next`.
    async fn events(&self, filter: &EventFilter, page: &PageRequest) -> PortResult<Page<EventRow>>;

    /// Sums of sales.
    async fn sales(&self, query: &SalesQuery) -> PortResult<SalesReport>;

    /// How many rows of a kind, of one device or of all.
    async fn count(&self, kind: SeriesKind, span: TimeSpan, device: Option<DeviceId>) -> PortResult<u64>;

    /// What it holds; cheap.
    async fn stats(&self) -> PortResult<SeriesStats>;

    /// What is to be done from time to time (every few seconds): moves rows into partitions, removes what is too old or too
    /// much. A failure leaves everything readable and is tried again by the next call.
    async fn maintain(&self, now: Timestamp) -> PortResult<Maintained>;

    /// Moves all durable rows into partitions now (before a clean stop, so that the next start is short; before measuring).
    async fn flush(&self) -> PortResult<()>;

    /// Writes a consistent copy into the folder `into` (made if missing; must be empty), while appends and reads go on. It has
    /// everything whose append returned before the call. A store opens it like its own folder.
    async fn snapshot(&self, into: &Path) -> PortResult<()>;
}
