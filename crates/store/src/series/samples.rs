//! Samples of one device, newest first, over memory and partitions.

use std::collections::BTreeSet;
use std::sync::Arc;

use argosy_domain::Timestamp;
use argosy_domain::model::{SampleRow, StatusSample, StreamSample};
use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{
    PortError, PortErrorKind, PortResult, SampleFilter, SeriesCursor, SeriesKind, TimeSpan,
};
use argosy_proto::StreamName;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::chunk::Chunk;
use super::codec::{
    Malformed, Read, Reader, STATUS_COLUMNS, Value, read_status, read_times, status_of, stream_of,
};
use super::head::{View, partition_start};
use super::open::EmbeddedSeries;
use super::partition::{Partition, classify};

const OPERATION: &str = "read samples";

/// Chunks read at a time.
const AT_A_TIME: usize = 16;

/// A sample that can be read from a chunk and from a record.
pub(super) trait Sampled: Sized + Send {
    fn of_chunk(stream: Option<&StreamName>, chunk: &Chunk<'_>, row: usize) -> Read<Self>;
    fn of_record(stream: Option<&StreamName>, from: &mut Reader<'_>) -> Read<Self>;
}

impl Sampled for StatusSample {
    fn of_chunk(_: Option<&StreamName>, chunk: &Chunk<'_>, row: usize) -> Read<Self> {
        let mut values: [Option<Value<'_>>; 11] = [None; 11];
        for (name, column) in &chunk.columns {
            if let Some(at) = STATUS_COLUMNS.iter().position(|known| known == name) {
                values[at] = column.get(row).copied().flatten();
            }
        }
        status_of(&values)
    }

    fn of_record(_: Option<&StreamName>, from: &mut Reader<'_>) -> Read<Self> {
        status_of(&read_status(from)?)
    }
}

impl Sampled for StreamSample {
    fn of_chunk(stream: Option<&StreamName>, chunk: &Chunk<'_>, row: usize) -> Read<Self> {
        let mut values = std::collections::BTreeMap::new();
        for (name, column) in &chunk.columns {
            if let Some(value) = column.get(row).copied().flatten() {
                values.insert((*name).to_owned(), value.to_data()?);
            }
        }
        Ok(Self { stream: stream.ok_or(Malformed)?.clone(), values })
    }

    fn of_record(stream: Option<&StreamName>, from: &mut Reader<'_>) -> Read<Self> {
        stream_of(stream.ok_or(Malformed)?, from)
    }
}

/// A row with its place: its time, then whether it is in memory, its chunk, and its place there; later ones have higher ones.
type Placed<T> = (i64, (bool, i64, usize), SampleRow<T>);

pub(super) fn malformed(operation: &'static str) -> impl Fn(Malformed) -> PortError {
    move |error| PortError::new(operation, PortErrorKind::Internal).with_source(error)
}

/// Where chunks of a partition are looked for.
pub(super) struct ChunkScan<'a> {
    pub(super) device: i64,
    pub(super) stream: &'a str,
    pub(super) span: TimeSpan,
    pub(super) below_id: i64,
}

impl EmbeddedSeries {
    pub(super) async fn page_of_samples<T: Sampled>(
        &self,
        filter: &SampleFilter,
        stream: Option<&StreamName>,
        page: &PageRequest,
    ) -> PortResult<Page<SampleRow<T>>> {
        let after: Option<SeriesCursor> = page.after.as_deref().map(str::parse).transpose()?;
        let kind = if stream.is_some() { SeriesKind::Data } else { SeriesKind::Status };
        let mut span = filter.span;
        if let Some(cursor) = after {
            span.to = span.to.min(Timestamp(cursor.at.saturating_add(1)));
        }
        let View { floor, found } = self.memory.read().records(filter.device, stream);
        let partitions = self.partitions(kind);
        let mut starts: BTreeSet<i64> =
            partitions.iter().filter(|p| p.overlaps(span)).map(|p| p.start).collect();
        let mut in_memory: Vec<(i64, &[u8])> = Vec::new();
        for records in &found {
            let collect = |at, record| {
                if span.contains(Timestamp(at)) {
                    starts.insert(partition_start(kind, at));
                    in_memory.push((at, record));
                }
            };
            records.each(collect).map_err(malformed(OPERATION))?;
        }
        let limit = page.bounded() as usize;
        let mut pager = Pager { after, items: Vec::new(), same: (i64::MAX, 0), limit, more: false };
        for start in starts.into_iter().rev() {
            let mut rows: Vec<Placed<T>> = Vec::new();
            let enough = pager.enough();
            let here =
                in_memory.iter().enumerate().filter(|(_, (at, _))| partition_start(kind, *at) == start);
            let mut here: Vec<_> = here.map(|(place, (at, record))| (*at, place, *record)).collect();
            here.sort_unstable_by_key(|(at, place, _)| std::cmp::Reverse((*at, *place)));
            for (at, place, record) in here.into_iter().take(enough) {
                let row = sample_of_record(stream, record).map_err(malformed(OPERATION))?;
                rows.push((at, (true, 0, place), row));
            }
            if let Some(partition) = partitions.iter().find(|p| p.start == start) {
                let scan = ChunkScan {
                    device: filter.device.0,
                    stream: stream.map_or("", StreamName::as_str),
                    span,
                    below_id: partition.floor_id(floor),
                };
                self.rows_of_partition(partition, &scan, stream, enough, &mut rows).await?;
            }
            rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.0, row.1)));
            if pager.take(rows) {
                break;
            }
        }
        Ok(pager.page())
    }

    /// Adds the newest rows of a partition: `enough` of them at least, if it has so many.
    async fn rows_of_partition<T: Sampled>(
        &self,
        partition: &Arc<Partition>,
        scan: &ChunkScan<'_>,
        stream: Option<&StreamName>,
        enough: usize,
        rows: &mut Vec<Placed<T>>,
    ) -> PortResult<()> {
        let Some(mut reader) = self.reader(partition, OPERATION).await? else { return Ok(()) };
        let heads = sqlx::query_as::<_, (i64, i64)>(
            "SELECT id, last FROM chunk WHERE device = ? AND stream = ? AND first < ? AND last >= ? AND id < ? \
             ORDER BY last DESC, id DESC",
        )
        .bind(scan.device)
        .bind(scan.stream)
        .bind(scan.span.to.0)
        .bind(scan.span.from.0)
        .bind(scan.below_id)
        .fetch_all(&mut reader)
        .await;
        let heads = match heads {
            Ok(heads) => heads,
            Err(error) => return self.settle(partition, reader, OPERATION, Err::<(), _>(error)).map(drop),
        };
        for group in heads.chunks(AT_A_TIME) {
            // Rows after the end of every chunk that is left are all there are of their time.
            let newest_left = group.first().map_or(i64::MIN, |(_, last)| *last);
            if rows.iter().filter(|row| row.0 > newest_left).count() >= enough {
                break;
            }
            let ids: Vec<i64> = group.iter().map(|(id, _)| *id).collect();
            let read = bodies(&mut reader, &ids).await;
            let bodies = match read {
                Ok(bodies) => bodies,
                Err(error) => {
                    return self.settle(partition, reader, OPERATION, Err::<(), _>(error)).map(drop);
                }
            };
            for (id, body) in bodies {
                if let Err(error) = place_chunk(id, &body, scan, stream, rows) {
                    damaged_chunk(partition, id, error);
                }
            }
        }
        partition.readers.give_back(reader);
        Ok(())
    }

    /// A connection to a partition; `None` when it is gone meanwhile, or damaged and set aside.
    pub(super) async fn reader(
        &self,
        partition: &Arc<Partition>,
        operation: &'static str,
    ) -> PortResult<Option<SqliteConnection>> {
        match partition.readers.get().await {
            Ok(reader) => Ok(Some(reader)),
            Err(error) => self.unreadable(partition, classify(operation, error)),
        }
    }

    /// Gives the connection back after a success; judges a failure.
    pub(super) fn settle<T>(
        &self,
        partition: &Arc<Partition>,
        reader: SqliteConnection,
        operation: &'static str,
        read: sqlx::Result<T>,
    ) -> PortResult<Option<T>> {
        match read {
            Ok(value) => {
                partition.readers.give_back(reader);
                Ok(Some(value))
            }
            Err(error) => self.unreadable(partition, classify(operation, error)),
        }
    }

    fn unreadable<T>(&self, partition: &Arc<Partition>, error: PortError) -> PortResult<Option<T>> {
        if super::partition::is_damage(&error) {
            self.quarantine(partition, &error);
            return Ok(None);
        }
        let key = (partition.kind, partition.start);
        let gone = self.catalog.read().get(&key).is_none_or(|found| !Arc::ptr_eq(found, partition));
        if gone { Ok(None) } else { Err(error) }
    }
}

/// The bodies of chunks.
async fn bodies(reader: &mut SqliteConnection, ids: &[i64]) -> sqlx::Result<Vec<(i64, Vec<u8>)>> {
    let ids = serde_json::to_string(ids).unwrap_or_default();
    let sql = "SELECT id, body FROM chunk WHERE id IN (SELECT value FROM json_each(?))";
    let rows = sqlx::query(sql).bind(ids).fetch_all(reader).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

pub(super) fn damaged_chunk(partition: &Partition, id: i64, error: Malformed) {
    tracing::error!(file = %partition.path.display(), id, %error, "chunk {id} of {} is damaged and is left out", partition.path.display());
}

fn sample_of_record<T: Sampled>(stream: Option<&StreamName>, record: &[u8]) -> Read<SampleRow<T>> {
    let mut from = Reader(record);
    let (at, device_time) = read_times(&mut from)?;
    Ok(SampleRow { at, device_time, values: T::of_record(stream, &mut from)? })
}

fn place_chunk<T: Sampled>(
    id: i64,
    body: &[u8],
    scan: &ChunkScan<'_>,
    stream: Option<&StreamName>,
    rows: &mut Vec<Placed<T>>,
) -> Read<()> {
    let chunk = Chunk::read(body, true, |_| true)?;
    for (row, at) in chunk.times.iter().enumerate() {
        if scan.span.contains(Timestamp(*at)) {
            let device_time = chunk.device_times.get(row).copied().flatten().map(Timestamp);
            let values = T::of_chunk(stream, &chunk, row)?;
            rows.push((*at, (false, id, row), SampleRow { at: Timestamp(*at), device_time, values }));
        }
    }
    Ok(())
}

/// Fills a page from rows that come newest first.
struct Pager<T> {
    after: Option<SeriesCursor>,
    items: Vec<SampleRow<T>>,
    /// The time of the last row of the page (or skipped before it), and how many rows of that time there were up to it.
    same: (i64, i64),
    limit: usize,
    more: bool,
}

impl<T> Pager<T> {
    /// How many of the newest rows are needed: the rest of the page, one that tells that there is another page, and those that
    /// are skipped because the page before had them.
    fn enough(&self) -> usize {
        let skipped = self.after.and_then(|cursor| usize::try_from(cursor.number).ok()).unwrap_or(0);
        (self.limit + 1 - self.items.len()).saturating_add(skipped)
    }

    /// Whether the page is full, and more is there.
    fn take(&mut self, rows: Vec<Placed<T>>) -> bool {
        for (at, _, row) in rows {
            let place = if self.same.0 == at { (at, self.same.1 + 1) } else { (at, 1) };
            let given = self.after.is_some_and(|c| at > c.at || (at == c.at && place.1 <= c.number));
            if !given {
                if self.items.len() == self.limit {
                    self.more = true;
                    return true;
                }
                self.items.push(row);
            }
            self.same = place;
        }
        false
    }

    fn page(self) -> Page<SampleRow<T>> {
        let (at, number) = self.same;
        let next = self.more.then(|| SeriesCursor { at, number }.to_string());
        Page { items: self.items, next }
    }
}
