//! From the head into partitions: one synced transaction a partition, then the journal's segments go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use argosy_domain::model::{EventKind, EventRow};
use argosy_domain::ports::{PortError, PortErrorKind, PortResult, SeriesKind};
use argosy_proto::{DeviceId, StreamName};
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

use super::chunk::{CHUNK_ROWS, ChunkWriter};
use super::codec::{Read, Reader, STATUS_COLUMNS, read_status, read_stream, read_times};
use super::facts::columns;
use super::head::{Head, Records, partition_start};
use super::journal;
use super::open::EmbeddedSeries;
use super::partition::{Partition, classify, io_error, is_damage, meta};

const OPERATION: &str = "move series into partitions";

/// Chunks, and events, of one statement.
const CHUNKS: usize = 200;
const EVENTS: usize = 100;

/// A packed chunk.
struct Packed {
    device: i64,
    stream: String,
    first: i64,
    last: i64,
    rows: i64,
    body: Vec<u8>,
}

impl EmbeddedSeries {
    /// Moves everything that is durable when it is called; how many rows that were.
    pub(super) async fn flush_all(&self) -> PortResult<u64> {
        let _one = self.flushing.lock().await;
        let mut moved = self.flush_frozen().await?;
        if self.freeze().await {
            moved += self.flush_frozen().await?;
        }
        Ok(moved)
    }

    /// Moves the frozen head, if there is one. After an error it is still there and still read; the next call goes on with it.
    async fn flush_frozen(&self) -> PortResult<u64> {
        let Some(head) = self.memory.read().frozen.clone() else { return Ok(0) };
        for (kind, start) in head.rows.keys() {
            self.write_partition(&head, *kind, *start).await?;
        }
        self.save_latest(&head).await?;
        self.memory.write().frozen = None;
        let journal_folder = self.folder.join("journal");
        journal::remove_upto(&journal_folder, head.last_segment).map_err(|e| io_error(OPERATION, e))?;
        let left = self.journal.lock().await.segment.as_ref().map_or(0, |segment| segment.end());
        self.counters.journal_bytes.store(left, Ordering::Relaxed);
        Ok(head.total_rows())
    }

    /// The partition; a new one is in the catalog only once it has its rows.
    fn partition(&self, kind: SeriesKind, start: i64) -> Arc<Partition> {
        let found = self.catalog.read().get(&(kind, start)).cloned();
        found.unwrap_or_else(|| Arc::new(Partition::new(&self.folder, kind, start)))
    }

    async fn write_partition(&self, head: &Arc<Head>, kind: SeriesKind, start: i64) -> PortResult<()> {
        let partition = self.partition(kind, start);
        if partition.upto.load(Ordering::Relaxed) >= head.last_segment {
            return Ok(());
        }
        match self.fill(&partition, head).await {
            Err(error) if is_damage(&error) => {
                self.catalog.write().entry((kind, start)).or_insert_with(|| partition.clone());
                self.quarantine(&partition, &error);
                self.fill(&self.partition(kind, start), head).await
            }
            filled => filled,
        }
    }

    async fn fill(&self, partition: &Arc<Partition>, head: &Arc<Head>) -> PortResult<()> {
        let failed = |error| classify(OPERATION, error);
        let mut writer = partition.writer().await.map_err(failed)?;
        let filled = self.fill_with(&mut writer, partition, head).await;
        let closed = writer.close().await.map_err(failed);
        let (rows, upto) = filled?;
        closed?;
        partition.moved(rows, upto);
        self.catalog.write().insert((partition.kind, partition.start), partition.clone());
        Ok(())
    }

    async fn fill_with(
        &self,
        writer: &mut SqliteConnection,
        partition: &Arc<Partition>,
        head: &Arc<Head>,
    ) -> PortResult<(u64, u64)> {
        let failed = |error| classify(OPERATION, error);
        writer.execute("BEGIN IMMEDIATE").await.map_err(failed)?;
        let (upto, mut rows) = meta(writer).await.map_err(failed)?.unwrap_or((0, 0));
        if upto >= head.last_segment {
            writer.execute("ROLLBACK").await.map_err(failed)?;
            return Ok((rows, upto));
        }
        let (kind, start) = (partition.kind, partition.start);
        match kind {
            SeriesKind::Event(event) => insert_events(writer, head, event, start).await.map_err(failed)?,
            _ => {
                let (head, segment) = (head.clone(), head.last_segment);
                let packed = tokio::task::spawn_blocking(move || pack(&head, kind, start));
                let packed = packed
                    .await
                    .map_err(|e| PortError::new(OPERATION, PortErrorKind::Internal).with_source(e))?;
                let packed =
                    packed.map_err(|e| PortError::new(OPERATION, PortErrorKind::Internal).with_source(e))?;
                insert_chunks(writer, packed, segment).await.map_err(failed)?;
            }
        }
        rows += head.rows.get(&(kind, start)).copied().unwrap_or(0);
        if kind == SeriesKind::Event(EventKind::DeadLetter) {
            rows = trim(writer, rows, self.dead_letters_for(start)).await.map_err(failed)?;
        }
        set_meta(writer, rows, head.last_segment).await.map_err(failed)?;
        writer.execute("COMMIT").await.map_err(failed)?;
        Ok((rows, head.last_segment))
    }

    /// How many dead letters this partition may have: newer partitions come first.
    fn dead_letters_for(&self, start: i64) -> u64 {
        let kind = SeriesKind::Event(EventKind::DeadLetter);
        let newer = self
            .partitions(kind)
            .iter()
            .filter(|p| p.start > start)
            .map(|p| p.rows.load(Ordering::Relaxed))
            .sum();
        self.options.max_dead_letters.saturating_sub(newer)
    }
}

async fn set_meta(writer: &mut SqliteConnection, rows: u64, upto: u64) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO meta (name, value) VALUES ('upto', ?), ('rows', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        .bind(upto as i64)
        .bind(rows as i64)
        .execute(writer)
        .await
        .map(drop)
}

/// Removes the oldest rows beyond `keep`; how many are left.
async fn trim(writer: &mut SqliteConnection, rows: u64, keep: u64) -> sqlx::Result<u64> {
    if rows <= keep {
        return Ok(rows);
    }
    sqlx::query("DELETE FROM event WHERE id <= (SELECT id FROM event ORDER BY id DESC LIMIT 1 OFFSET ?)")
        .bind(keep as i64)
        .execute(&mut *writer)
        .await?;
    let left = sqlx::query("SELECT COUNT(*) FROM event").fetch_one(writer).await?.try_get::<i64, _>(0)?;
    Ok(left as u64)
}

/// Packs the samples of a partition.
fn pack(head: &Head, kind: SeriesKind, start: i64) -> Read<Vec<Packed>> {
    let mut packed = Vec::new();
    if kind == SeriesKind::Status {
        let sorted: BTreeMap<DeviceId, &Records> = head.status.iter().map(|(id, r)| (*id, r)).collect();
        for (device, records) in sorted {
            pack_records(records, kind, start, device, None, &mut packed)?;
        }
    } else {
        let sorted: BTreeMap<DeviceId, &BTreeMap<StreamName, Records>> =
            head.data.iter().map(|(id, streams)| (*id, streams)).collect();
        for (device, streams) in sorted {
            for (stream, records) in streams {
                pack_records(records, kind, start, device, Some(stream), &mut packed)?;
            }
        }
    }
    Ok(packed)
}

fn pack_records(
    records: &Records,
    kind: SeriesKind,
    start: i64,
    device: DeviceId,
    stream: Option<&StreamName>,
    packed: &mut Vec<Packed>,
) -> Read<()> {
    if partition_start(kind, records.last) < start || partition_start(kind, records.first) > start {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(records.rows as usize);
    records.each(|at, record| {
        if partition_start(kind, at) == start {
            rows.push((at, record));
        }
    })?;
    // Stable: rows of one millisecond stay in the order they came.
    rows.sort_by_key(|(at, _)| *at);
    for rows in rows.chunks(CHUNK_ROWS) {
        let mut writer = ChunkWriter::default();
        for (_, record) in rows {
            let mut from = Reader(record);
            let (at, device_time) = read_times(&mut from)?;
            writer.row(at.0, device_time.map(|time| time.0));
            match stream {
                None => {
                    for (column, value) in STATUS_COLUMNS.iter().zip(read_status(&mut from)?) {
                        if let Some(value) = value {
                            writer.value(column, value);
                        }
                    }
                }
                Some(_) => read_stream(&mut from, |column, value| {
                    writer.value(column, value);
                    Ok(())
                })?,
            }
        }
        let Some((first, last)) = writer.span() else { continue };
        let stream = stream.map_or_else(String::new, |stream| stream.as_str().to_owned());
        let rows = writer.len() as i64;
        packed.push(Packed { device: device.0, stream, first, last, rows, body: writer.finish() });
    }
    Ok(())
}

fn many(head: &str, row: &str, count: usize) -> AssertSqlSafe<String> {
    let mut sql = String::with_capacity(head.len() + (row.len() + 1) * count);
    sql.push_str(head);
    for n in 0..count {
        if n > 0 {
            sql.push(',');
        }
        sql.push_str(row);
    }
    AssertSqlSafe(sql)
}

async fn insert_chunks(writer: &mut SqliteConnection, packed: Vec<Packed>, segment: u64) -> sqlx::Result<()> {
    let mut id = i64::try_from(segment).unwrap_or(0) << 32;
    let mut packed = packed.into_iter();
    while packed.len() > 0 {
        let group: Vec<Packed> = packed.by_ref().take(CHUNKS).collect();
        let sql = many(
            "INSERT INTO chunk (id, device, stream, first, last, rows, body) VALUES ",
            "(?,?,?,?,?,?,?)",
            group.len(),
        );
        let mut query = sqlx::query::<sqlx::Sqlite>(sql).persistent(group.len() == CHUNKS);
        for chunk in group {
            id += 1;
            query = query.bind(id).bind(chunk.device).bind(chunk.stream).bind(chunk.first).bind(chunk.last);
            query = query.bind(chunk.rows).bind(chunk.body);
        }
        query.execute(&mut *writer).await?;
    }
    Ok(())
}

async fn insert_events(
    writer: &mut SqliteConnection,
    head: &Head,
    kind: EventKind,
    start: i64,
) -> sqlx::Result<()> {
    let mut rows: Vec<&EventRow> = Vec::new();
    for list in head.events.get(&kind).into_iter().flatten() {
        rows.extend(list.iter().filter(|row| partition_start(SeriesKind::Event(kind), row.at.0) == start));
    }
    for group in rows.chunks(EVENTS) {
        let sql = many(
            "INSERT INTO event (id, at, device, device_time, ref_id, amount, percent, duration, speed, word, label, text, extra, body) VALUES ",
            "(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            group.len(),
        );
        let mut query = sqlx::query::<sqlx::Sqlite>(sql).persistent(group.len() == EVENTS);
        for row in group {
            query = bind_event(query, row);
        }
        query.execute(&mut *writer).await?;
    }
    Ok(())
}

fn bind_event<'q>(
    query: sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>,
    row: &EventRow,
) -> sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments> {
    let c = columns(row.event.clone());
    query
        .bind(row.id)
        .bind(row.at.0)
        .bind(row.device.0)
        .bind(row.device_time.map(|time| time.0))
        .bind(c.ref_id)
        .bind(c.amount)
        .bind(c.percent)
        .bind(c.duration)
        .bind(c.speed)
        .bind(c.word)
        .bind(c.label)
        .bind(c.text)
        .bind(c.extra)
        .bind(c.body)
}
