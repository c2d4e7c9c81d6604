//! The last that each device said: in the head for those who spoke lately, in one file for all others.
//!
//! The file is written by each flush after the partitions; if it is lost or damaged it is made again from them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use argosy_domain::Timestamp;
use argosy_domain::model::{DeviceLatest, SampleRow, StatusSample, StreamSample};
use argosy_domain::ports::{
    MAX_LATEST_STREAMS, MAX_SERIES_DEVICES, PortError, PortErrorKind, PortResult, SeriesKind,
};
use argosy_proto::{DeviceId, StreamName};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

use super::chunk::Chunk;
use super::codec::{
    Read, Reader, put_status, put_stream, put_times, read_status, read_times, status_of, stream_of,
};
use super::head::Head;
use super::open::{Counters, EmbeddedSeries, set_aside};
use super::partition::{Readers, classify, io_error, is_damage, make_file, writer};
use super::samples::Sampled;

const READ: &str = "read latest";
const SAVE: &str = "save latest";

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS latest (device INTEGER NOT NULL, stream TEXT NOT NULL, at INTEGER NOT NULL, \
                      record BLOB NOT NULL, PRIMARY KEY (device, stream)) WITHOUT ROWID";
/// Rows of one statement.
const ROWS: usize = 200;
const PAGE: u32 = 4096;

/// The file.
#[derive(Debug)]
pub(super) struct LatestFile {
    pub(super) path: PathBuf,
    pub(super) readers: Readers,
}

/// A row of it: device, stream (empty for the status), time, record.
type Row = (i64, String, i64, Vec<u8>);

impl LatestFile {
    /// Opens it; whether it has to be filled from the partitions.
    pub(super) async fn open(folder: &Path, counters: &Counters) -> PortResult<(Self, bool)> {
        let path = folder.join("latest.db");
        let there = path.exists();
        let ready = match prepare(&path).await {
            Err(error) if is_damage(&error) => {
                set_aside(folder, &path, &error, counters);
                prepare(&path).await.map(|()| false)
            }
            prepared => prepared.map(|()| there),
        };
        let readers = Readers::new(path.clone());
        Ok((Self { path, readers }, !ready?))
    }
}

async fn prepare(path: &Path) -> PortResult<()> {
    make_file(path).map_err(|error| io_error(SAVE, error))?;
    let failed = |error| classify(SAVE, error);
    let mut connection = writer(path, PAGE).await.map_err(failed)?;
    connection.execute(SCHEMA).await.map_err(failed)?;
    connection.close().await.map_err(failed)
}

async fn upsert(connection: &mut SqliteConnection, rows: Vec<Row>) -> sqlx::Result<()> {
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let group: Vec<Row> = rows.by_ref().take(ROWS).collect();
        let places = vec!["(?,?,?,?)"; group.len()].join(",");
        let sql = format!(
            "INSERT INTO latest (device, stream, at, record) VALUES {places} ON CONFLICT (device, stream) DO UPDATE \
             SET at = excluded.at, record = excluded.record WHERE excluded.at >= latest.at"
        );
        let mut query = sqlx::query::<sqlx::Sqlite>(AssertSqlSafe(sql)).persistent(group.len() == ROWS);
        for (device, stream, at, record) in group {
            query = query.bind(device).bind(stream).bind(at).bind(record);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Removes the rows of streams beyond the most that are kept of a device.
fn forget_streams() -> String {
    format!(
        "DELETE FROM latest WHERE (device, stream) IN (SELECT device, stream FROM (SELECT device, stream, \
         ROW_NUMBER() OVER (PARTITION BY device ORDER BY at DESC, stream) AS place FROM latest WHERE stream <> '' AND device IN \
         (SELECT device FROM latest WHERE stream <> '' GROUP BY device HAVING COUNT(*) > {MAX_LATEST_STREAMS})) \
         WHERE place > {MAX_LATEST_STREAMS})"
    )
}

fn rows_of(head: &Head) -> Read<Vec<Row>> {
    let mut rows = Vec::with_capacity(head.status.len());
    for (device, records) in &head.status {
        rows.push((device.0, String::new(), records.last, records.latest()?.to_vec()));
    }
    for (device, streams) in &head.data {
        for (stream, records) in streams {
            rows.push((device.0, stream.as_str().to_owned(), records.last, records.latest()?.to_vec()));
        }
    }
    rows.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    Ok(rows)
}

/// What is known of one device so far.
#[derive(Debug, Default)]
struct Found {
    status: Option<SampleRow<StatusSample>>,
    streams: BTreeMap<StreamName, SampleRow<StreamSample>>,
}

impl Found {
    /// The rows of the streams that spoke last, by name.
    fn newest_streams(&self) -> Vec<SampleRow<StreamSample>> {
        let mut streams: Vec<_> = self.streams.values().collect();
        if streams.len() > MAX_LATEST_STREAMS {
            streams.sort_by_key(|row| std::cmp::Reverse(row.at));
            streams.truncate(MAX_LATEST_STREAMS);
            streams.sort_by(|a, b| a.values.stream.cmp(&b.values.stream));
        }
        streams.into_iter().cloned().collect()
    }

    /// Takes a record, if it is not older than what is known.
    fn take(&mut self, stream: Option<&StreamName>, record: &[u8]) -> Read<()> {
        let mut from = Reader(record);
        let (at, device_time) = read_times(&mut from)?;
        match stream {
            None => {
                if self.status.as_ref().is_none_or(|known| known.at <= at) {
                    let values = status_of(&read_status(&mut from)?)?;
                    self.status = Some(SampleRow { at, device_time, values });
                }
            }
            Some(stream) => {
                if self.streams.get(stream).is_none_or(|known| known.at <= at) {
                    let values = stream_of(stream, &mut from)?;
                    self.streams.insert(stream.clone(), SampleRow { at, device_time, values });
                }
            }
        }
        Ok(())
    }
}

impl EmbeddedSeries {
    pub(super) async fn save_latest(&self, head: &Head) -> PortResult<()> {
        let rows = rows_of(head).map_err(|e| PortError::new(SAVE, PortErrorKind::Internal).with_source(e))?;
        if rows.is_empty() {
            return Ok(());
        }
        match self.put_latest(rows.clone()).await {
            Err(error) if is_damage(&error) => {
                set_aside(&self.folder, &self.latest.path, &error, &self.counters);
                self.latest.readers.rest(true);
                prepare(&self.latest.path).await?;
                self.rebuild_latest().await?;
                self.put_latest(rows).await
            }
            saved => saved,
        }
    }

    async fn put_latest(&self, rows: Vec<Row>) -> PortResult<()> {
        let failed = |error| classify(SAVE, error);
        let mut connection = writer(&self.latest.path, PAGE).await.map_err(failed)?;
        let saved = async {
            connection.execute("BEGIN IMMEDIATE").await?;
            let streams = rows.iter().any(|(_, stream, ..)| !stream.is_empty());
            upsert(&mut connection, rows).await?;
            if streams {
                connection.execute(AssertSqlSafe(forget_streams())).await?;
            }
            connection.execute("COMMIT").await
        };
        let saved = saved.await.map_err(failed);
        let closed = connection.close().await.map_err(failed);
        saved.and(closed)
    }

    /// Fills the file from the partitions.
    pub(super) async fn rebuild_latest(&self) -> PortResult<()> {
        for kind in [SeriesKind::Status, SeriesKind::Data] {
            // Oldest first: what is newer wins.
            for partition in self.partitions(kind).into_iter().rev() {
                let Some(mut reader) = self.reader(&partition, SAVE).await? else { continue };
                // SQLite gives the body of the row that has the maximum.
                let sql = "SELECT device, stream, MAX(last), body FROM chunk GROUP BY device, stream";
                let read = sqlx::query(sql).fetch_all(&mut reader).await;
                let Some(found) = self.settle(&partition, reader, SAVE, read)? else { continue };
                let mut rows = Vec::with_capacity(found.len());
                for row in found {
                    let failed = |error| classify(SAVE, error);
                    let device: i64 = row.try_get(0).map_err(failed)?;
                    let stream: String = row.try_get(1).map_err(failed)?;
                    let body: &[u8] = row.try_get(3).map_err(failed)?;
                    match last_record(&stream, body) {
                        Ok(Some((at, record))) => rows.push((device, stream, at, record)),
                        Ok(None) => {}
                        Err(error) => tracing::error!(
                            file = %partition.path.display(),
                            device,
                            %error,
                            "a chunk of device {device} is damaged and is left out"
                        ),
                    }
                }
                self.put_latest(rows).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn read_latest(&self, devices: &[DeviceId]) -> PortResult<Vec<DeviceLatest>> {
        if devices.len() > MAX_SERIES_DEVICES {
            return Err(PortError::reference(READ, "latest.devices"));
        }
        let malformed = |error| PortError::new(READ, PortErrorKind::Internal).with_source(error);
        let mut found: BTreeMap<DeviceId, Found> = devices.iter().map(|id| (*id, Found::default())).collect();
        // Memory first: what is moved between the two looks is then seen twice, not missed.
        let mut in_memory: Vec<(DeviceId, Option<StreamName>, Vec<u8>)> = Vec::new();
        {
            let memory = self.memory.read();
            for device in found.keys() {
                let take = |stream: Option<&StreamName>, record: &[u8]| {
                    in_memory.push((*device, stream.cloned(), record.to_vec()));
                };
                memory.latest(*device, take).map_err(malformed)?;
            }
        }
        let ids: Vec<i64> = found.keys().map(|id| id.0).collect();
        let ids = serde_json::to_string(&ids).unwrap_or_default();
        let sql =
            "SELECT device, stream, record FROM latest WHERE device IN (SELECT value FROM json_each(?))";
        let mut reader = self.latest.readers.get().await.map_err(|error| classify(READ, error))?;
        match sqlx::query(sql).bind(ids).fetch_all(&mut reader).await {
            Ok(rows) => {
                self.latest.readers.give_back(reader);
                for row in rows {
                    let failed = |error| classify(READ, error);
                    let stream: &str = row.try_get(1).map_err(failed)?;
                    let stream = if stream.is_empty() { None } else { StreamName::new(stream).ok() };
                    let of = found.entry(DeviceId(row.try_get(0).map_err(failed)?)).or_default();
                    of.take(stream.as_ref(), row.try_get(2).map_err(failed)?).map_err(malformed)?;
                }
            }
            Err(error) => {
                let error = classify(READ, error);
                if !is_damage(&error) {
                    return Err(error);
                }
                tracing::error!(%error, "the file of latest values is damaged; it is made anew by the next move into partitions");
            }
        }
        for (device, stream, record) in in_memory {
            found.entry(device).or_default().take(stream.as_ref(), &record).map_err(malformed)?;
        }
        let of = |device: &DeviceId| {
            let known = found.get(device);
            DeviceLatest {
                device: *device,
                status: known.and_then(|f| f.status.clone()),
                streams: known.map_or_else(Vec::new, Found::newest_streams),
            }
        };
        Ok(devices.iter().map(of).collect())
    }

    /// Bytes of the file.
    pub(super) fn latest_bytes(&self) -> u64 {
        std::fs::metadata(&self.latest.path).map_or(0, |meta| meta.len())
    }
}

/// The last sample of a chunk, as a record.
fn last_record(stream: &str, body: &[u8]) -> Read<Option<(i64, Vec<u8>)>> {
    let chunk = Chunk::read(body, true, |_| true)?;
    let Some(at) = chunk.times.last().copied() else { return Ok(None) };
    let row = chunk.times.len() - 1;
    let device_time = chunk.device_times.get(row).copied().flatten();
    let mut record = Vec::new();
    put_times(&mut record, Timestamp(at), device_time.map(Timestamp));
    match StreamName::new(stream) {
        Ok(name) => put_stream(&mut record, &StreamSample::of_chunk(Some(&name), &chunk, row)?),
        Err(_) => put_status(&mut record, &StatusSample::of_chunk(None, &chunk, row)?),
    }
    Ok(Some((at, record)))
}
