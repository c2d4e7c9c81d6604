//! How many samples; and what there is altogether.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use argosy_domain::Timestamp;
use argosy_domain::ports::{PortResult, SeriesKind, SeriesStats, TimeSpan};
use argosy_proto::DeviceId;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::chunk::Chunk;
use super::open::EmbeddedSeries;
use super::partition::Partition;
use super::samples::{damaged_chunk, malformed};

const OPERATION: &str = "count series";

impl EmbeddedSeries {
    pub(super) async fn count_samples(
        &self,
        kind: SeriesKind,
        span: TimeSpan,
        device: Option<DeviceId>,
    ) -> PortResult<u64> {
        if span.from >= span.to {
            return Ok(0);
        }
        let (floor, mut total) = {
            let memory = self.memory.read();
            (memory.floor(), memory.count_samples(kind, span, device).map_err(malformed(OPERATION))?)
        };
        for partition in self.partitions(kind).iter().filter(|p| p.overlaps(span)) {
            let Some(mut reader) = self.reader(partition, OPERATION).await? else { continue };
            let read = count_with(&mut reader, partition, span, device, partition.floor_id(floor)).await;
            total += self.settle(partition, reader, OPERATION, read)?.unwrap_or(0);
        }
        Ok(total)
    }

    pub(super) fn read_stats(&self) -> SeriesStats {
        let mut stats = SeriesStats::default();
        // One look at memory and catalog together: rows on their way are counted once.
        let memory = self.memory.read();
        let catalog = self.catalog.read();
        for ((kind, start), partition) in catalog.iter() {
            let of = stats.kinds.entry(*kind).or_default();
            of.bytes += partition.bytes.load(Ordering::Relaxed);
            of.partitions += 1;
            of.oldest.get_or_insert(Timestamp(*start));
            of.rows += partition.rows.load(Ordering::Relaxed);
        }
        stats.pending_rows = memory.active.total_rows();
        if let Some(frozen) = &memory.frozen {
            let moved = |key: &(SeriesKind, i64)| {
                catalog.get(key).is_some_and(|p| p.upto.load(Ordering::Relaxed) >= frozen.last_segment)
            };
            stats.pending_rows +=
                frozen.rows.iter().filter(|(key, _)| !moved(key)).map(|(_, n)| n).sum::<u64>();
        }
        drop(catalog);
        drop(memory);
        stats.kinds.entry(SeriesKind::Status).or_default().bytes += self.latest_bytes();
        stats.pending_bytes = self.counters.journal_bytes.load(Ordering::Relaxed);
        stats.appended_rows = self.counters.appended_rows.load(Ordering::Relaxed);
        stats.appends = self.counters.appends.load(Ordering::Relaxed);
        stats.append_failures = self.counters.append_failures.load(Ordering::Relaxed);
        stats.quarantined = self.counters.quarantined.load(Ordering::Relaxed);
        stats
    }
}

async fn count_with(
    reader: &mut SqliteConnection,
    partition: &Arc<Partition>,
    span: TimeSpan,
    device: Option<DeviceId>,
    below_id: i64,
) -> sqlx::Result<u64> {
    let only = device.map_or("", |_| " AND device = ?4");
    let whole =
        format!("SELECT COALESCE(SUM(rows), 0) FROM chunk WHERE first >= ?1 AND last < ?2 AND id < ?3{only}");
    let mut query = sqlx::query::<sqlx::Sqlite>(sqlx::AssertSqlSafe(whole))
        .bind(span.from.0)
        .bind(span.to.0)
        .bind(below_id);
    if let Some(device) = device {
        query = query.bind(device.0);
    }
    let mut total = query.fetch_one(&mut *reader).await?.try_get::<i64, _>(0)? as u64;
    let part = format!(
        "SELECT id, body FROM chunk WHERE first < ?2 AND last >= ?1 AND (first < ?1 OR last >= ?2) AND id < ?3{only}"
    );
    let mut query = sqlx::query::<sqlx::Sqlite>(sqlx::AssertSqlSafe(part))
        .bind(span.from.0)
        .bind(span.to.0)
        .bind(below_id);
    if let Some(device) = device {
        query = query.bind(device.0);
    }
    let mut rows = query.fetch(reader);
    while let Some(row) = futures::TryStreamExt::try_next(&mut rows).await? {
        let body: &[u8] = row.try_get(1)?;
        match Chunk::read(body, false, |_| false) {
            Ok(chunk) => {
                total += chunk.times.iter().filter(|at| span.contains(Timestamp(**at))).count() as u64
            }
            Err(error) => damaged_chunk(partition, row.try_get(0)?, error),
        }
    }
    Ok(total)
}
