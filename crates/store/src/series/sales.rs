//! Sums of sales: SQLite groups within a partition, what it gives is folded here.

use std::collections::{BTreeMap, BTreeSet};

use argosy_domain::Timestamp;
use argosy_domain::model::{Event, EventKind};
use argosy_domain::ports::{
    MAX_SALES_ROWS, PortResult, SalesQuery, SalesReport, SalesSplit, SalesSum, SeriesKind,
};
use argosy_proto::DeviceId;
use futures::TryStreamExt as _;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::head::View;
use super::open::EmbeddedSeries;

const OPERATION: &str = "sum sales";

/// Sums, bounded: the first [`MAX_SALES_ROWS`] keys are kept, and what was ever cut is never begun again.
#[derive(Debug, Default)]
struct Sums {
    sums: BTreeMap<SalesSum, u64>,
    cut: Option<SalesSum>,
}

impl Sums {
    fn add(&mut self, key: SalesSum, count: u64) {
        if self.cut.as_ref().is_some_and(|cut| key >= *cut) {
            return;
        }
        *self.sums.entry(key).or_default() += count;
        if self.sums.len() > MAX_SALES_ROWS {
            self.cut = self.sums.pop_last().map(|(key, _)| key);
        }
    }

    fn report(self) -> SalesReport {
        let truncated = self.cut.is_some();
        let sums = self.sums.into_iter().map(|(sum, count)| SalesSum { count, ..sum }).collect();
        SalesReport { sums, truncated }
    }
}

fn who(query: &SalesQuery, device: DeviceId) -> Option<i64> {
    match &query.split {
        SalesSplit::None => None,
        SalesSplit::Device => Some(device.0),
        SalesSplit::Label(labels) => labels.get(&device).copied(),
    }
}

impl EmbeddedSeries {
    pub(super) async fn sum_sales(&self, query: &SalesQuery) -> PortResult<SalesReport> {
        query.check()?;
        let mut sums = Sums::default();
        let View { floor, found } = self.memory.read().events(EventKind::Sale);
        let devices: Option<BTreeSet<DeviceId>> =
            query.devices.as_ref().map(|ids| ids.iter().copied().collect());
        for row in found.iter().flat_map(|list| list.iter()) {
            let of_device = devices.as_ref().is_none_or(|ids| ids.contains(&row.device));
            let Event::Sale { item, variety } = &row.event else { continue };
            if of_device && query.span.contains(row.at) {
                let key = SalesSum {
                    bucket: query.bucket_of(row.at),
                    who: who(query, row.device),
                    item: query.by_item.then(|| item.clone()),
                    variety: variety.clone().filter(|_| query.by_item),
                    count: 0,
                };
                sums.add(key, 1);
            }
        }
        let kind = SeriesKind::Event(EventKind::Sale);
        for partition in self.partitions(kind).iter().filter(|p| p.overlaps(query.span)) {
            let Some(mut reader) = self.reader(partition, OPERATION).await? else { continue };
            // A partition that turns out to be damaged half-way must not leave half of its sums.
            let mut of_partition = Vec::new();
            let read = sum_partition(&mut reader, query, partition.floor_id(floor), &mut of_partition).await;
            if self.settle(partition, reader, OPERATION, read)?.is_some() {
                of_partition.into_iter().for_each(|(key, count)| sums.add(key, count));
            }
        }
        Ok(sums.report())
    }
}

async fn sum_partition(
    reader: &mut SqliteConnection,
    query: &SalesQuery,
    below_id: i64,
    found: &mut Vec<(SalesSum, u64)>,
) -> sqlx::Result<()> {
    let by_device = !matches!(query.split, SalesSplit::None);
    let mut columns = Vec::new();
    if let Some(width) = query.bucket.width_ms() {
        // A floor division that is right before 1970 too, where `/` would round up.
        let offset = i64::from(query.utc_offset_min) * 60_000;
        columns.push(format!("at + {offset} - ((at + {offset}) % {width} + {width}) % {width} - {offset}"));
    } else {
        columns.push("NULL".to_owned());
    }
    columns.push(if by_device { "device" } else { "NULL" }.to_owned());
    columns.extend(if query.by_item { ["word", "label"] } else { ["NULL", "NULL"] }.map(str::to_owned));
    let devices = query.devices.as_ref().map(|ids| ids.iter().map(|id| id.0).collect::<Vec<_>>());
    let only = if devices.is_some() { " AND device IN (SELECT value FROM json_each(?))" } else { "" };
    let sql = format!(
        "SELECT {}, COUNT(*) FROM event WHERE at >= ? AND at < ? AND id < ?{only} GROUP BY 1, 2, 3, 4",
        columns.join(", ")
    );
    let statement = sqlx::query::<sqlx::Sqlite>(AssertSqlSafe(sql));
    let mut statement = statement.bind(query.span.from.0).bind(query.span.to.0).bind(below_id);
    if let Some(devices) = devices {
        statement = statement.bind(serde_json::to_string(&devices).unwrap_or_default());
    }
    let mut rows = statement.fetch(reader);
    let mut folded: BTreeMap<SalesSum, u64> = BTreeMap::new();
    while let Some(row) = rows.try_next().await? {
        let device: Option<i64> = row.try_get(1)?;
        let key = SalesSum {
            bucket: row.try_get::<Option<i64>, _>(0)?.map(Timestamp),
            who: device.and_then(|device| who(query, DeviceId(device))),
            item: row.try_get(2)?,
            variety: row.try_get(3)?,
            count: 0,
        };
        *folded.entry(key).or_default() += row.try_get::<i64, _>(4)? as u64;
    }
    found.extend(folded);
    Ok(())
}
