//! Curves: every sample of a span falls into its bucket, in one pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use argosy_domain::Timestamp;
use argosy_domain::model::StatusMetric;
use argosy_domain::ports::{Metric, PortResult, RangeQuery, SeriesKind, SeriesRange, TimeSpan, drawn};
use argosy_proto::StreamName;
use futures::TryStreamExt as _;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::chunk::Chunk;
use super::codec::{Read, Reader, STATUS_COLUMNS, Value, read_status, read_stream, read_times};
use super::head::View;
use super::open::EmbeddedSeries;
use super::partition::Partition;
use super::samples::{ChunkScan, damaged_chunk, malformed};

const OPERATION: &str = "read series range";

/// The stored column of a metric.
const fn column(metric: StatusMetric) -> &'static str {
    STATUS_COLUMNS[match metric {
        StatusMetric::Cpu0 => 0,
        StatusMetric::Cpu1 => 1,
        StatusMetric::Memory => 2,
        StatusMetric::Storage => 3,
        StatusMetric::Uptime => 4,
        StatusMetric::Signal => 5,
    }]
}

fn number(value: Value<'_>, status: bool) -> Option<f64> {
    match value {
        // Uptime is kept as its bits.
        Value::Int(bits) if status => Some(bits as u64 as f64),
        Value::Text(_) => None,
        other => other.to_data().ok().as_ref().and_then(drawn),
    }
}

/// The curves that come from one source: their stored columns and their places in the answer.
type Curves<'a> = Vec<(&'a str, usize)>;

impl EmbeddedSeries {
    pub(super) async fn read_range(&self, query: &RangeQuery) -> PortResult<SeriesRange> {
        let mut range = query.empty_answer()?;
        let mut sources: BTreeMap<Option<&StreamName>, Curves<'_>> = BTreeMap::new();
        for (curve, metric) in query.metrics.iter().enumerate() {
            match metric {
                Metric::Status(metric) => sources.entry(None).or_default().push((column(*metric), curve)),
                Metric::Stream(stream, column) => {
                    sources.entry(Some(stream)).or_default().push((column, curve));
                }
            }
        }
        for (stream, curves) in sources {
            let View { floor, found } = self.memory.read().records(query.device, stream);
            let kind = if stream.is_some() { SeriesKind::Data } else { SeriesKind::Status };
            // Oldest first: the running mean then does not depend on where rows are kept.
            for partition in self.partitions(kind).iter().rev().filter(|p| p.overlaps(query.span)) {
                let scan = ChunkScan {
                    device: query.device.0,
                    stream: stream.map_or("", StreamName::as_str),
                    span: query.span,
                    below_id: partition.floor_id(floor),
                };
                self.add_partition(partition, &scan, &curves, &mut range).await?;
            }
            for records in &found {
                let mut outcome = Ok(());
                let add = |at: i64, record: &[u8]| {
                    if outcome.is_ok() && query.span.contains(Timestamp(at)) {
                        outcome = add_record(record, stream.is_none(), &curves, &mut range);
                    }
                };
                records.each(add).map_err(malformed(OPERATION))?;
                outcome.map_err(malformed(OPERATION))?;
            }
        }
        Ok(range)
    }

    async fn add_partition(
        &self,
        partition: &Arc<Partition>,
        scan: &ChunkScan<'_>,
        curves: &Curves<'_>,
        range: &mut SeriesRange,
    ) -> PortResult<()> {
        let Some(mut reader) = self.reader(partition, OPERATION).await? else { return Ok(()) };
        let read = add_chunks(&mut reader, partition, scan, curves, range).await;
        self.settle(partition, reader, OPERATION, read).map(drop)
    }
}

async fn add_chunks(
    reader: &mut SqliteConnection,
    partition: &Partition,
    scan: &ChunkScan<'_>,
    curves: &Curves<'_>,
    range: &mut SeriesRange,
) -> sqlx::Result<()> {
    let sql = "SELECT id, body FROM chunk WHERE device = ? AND stream = ? AND first < ? AND last >= ? AND id < ? ORDER BY first";
    let query = sqlx::query(sql)
        .bind(scan.device)
        .bind(scan.stream)
        .bind(scan.span.to.0)
        .bind(scan.span.from.0)
        .bind(scan.below_id);
    let mut rows = query.fetch(reader);
    while let Some(row) = rows.try_next().await? {
        let body: &[u8] = row.try_get(1)?;
        if let Err(error) = add_chunk(body, scan.span, scan.stream.is_empty(), curves, range) {
            damaged_chunk(partition, row.try_get(0)?, error);
        }
    }
    Ok(())
}

fn add_chunk(
    body: &[u8],
    span: TimeSpan,
    status: bool,
    curves: &Curves<'_>,
    range: &mut SeriesRange,
) -> Read<()> {
    let chunk = Chunk::read(body, false, |name| curves.iter().any(|(column, _)| *column == name))?;
    for (name, values) in &chunk.columns {
        for (_, curve) in curves.iter().filter(|(column, _)| column == name) {
            for (at, value) in chunk.times.iter().zip(values) {
                let value = value.filter(|_| span.contains(Timestamp(*at))).and_then(|v| number(v, status));
                if let Some(value) = value {
                    range.add(*curve, Timestamp(*at), value);
                }
            }
        }
    }
    Ok(())
}

fn add_record(record: &[u8], status: bool, curves: &Curves<'_>, range: &mut SeriesRange) -> Read<()> {
    let mut from = Reader(record);
    let (at, _) = read_times(&mut from)?;
    let mut add = |name: &str, value: Value<'_>| {
        for (_, curve) in curves.iter().filter(|(column, _)| *column == name) {
            if let Some(value) = number(value, status) {
                range.add(*curve, at, value);
            }
        }
    };
    if status {
        for (name, value) in STATUS_COLUMNS.iter().zip(read_status(&mut from)?) {
            if let Some(value) = value {
                add(name, value);
            }
        }
        return Ok(());
    }
    read_stream(&mut from, |name, value| {
        add(name, value);
        Ok(())
    })
}
