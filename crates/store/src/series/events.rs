//! Events, newest first, over memory and partitions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use argosy_domain::Timestamp;
use argosy_domain::model::{EventKind, EventRow};
use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{
    EventFilter, MAX_SERIES_DEVICES, PortError, PortResult, SeriesCursor, SeriesKind, TimeSpan, folded,
};
use argosy_proto::DeviceId;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::facts::{Columns, event};
use super::head::{View, partition_start};
use super::open::EmbeddedSeries;
use super::partition::{Partition, classify};

const OPERATION: &str = "read events";

/// Rows that one call looks at for a search that no index helps.
const LOOKED_AT: u64 = 200_000;

const COLUMNS: &str =
    "id, at, device, device_time, ref_id, amount, percent, duration, speed, word, label, text, extra, body";

/// An argument.
enum Arg {
    Int(i64),
    Text(String),
}

/// A condition and its arguments.
#[derive(Default)]
struct Conditions {
    sql: String,
    args: Vec<Arg>,
}

impl Conditions {
    fn and(&mut self, sql: &str, args: impl IntoIterator<Item = Arg>) {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(sql);
        self.args.extend(args);
    }

    fn bind<'q>(
        &self,
        mut query: sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>,
    ) -> sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments> {
        for arg in &self.args {
            query = match arg {
                Arg::Int(value) => query.bind(*value),
                Arg::Text(text) => query.bind(text.clone()),
            };
        }
        query
    }
}

/// What an index finds.
fn indexed(filter: &EventFilter, span: TimeSpan, after: Option<SeriesCursor>, below_id: i64) -> Conditions {
    let mut found = Conditions::default();
    match filter.devices.as_deref() {
        Some([one]) => found.and("device = ?", [Arg::Int(one.0)]),
        _ => {
            if let Some(deployment) = filter.deployment {
                found.and("ref_id = ?", [Arg::Int(deployment.0)]);
            }
        }
    }
    found.and("at >= ? AND at < ?", [Arg::Int(span.from.0), Arg::Int(span.to.0)]);
    if let Some(cursor) = after {
        found.and("(at, id) < (?, ?)", [Arg::Int(cursor.at), Arg::Int(cursor.number)]);
    }
    found.and("id < ?", [Arg::Int(below_id)]);
    found
}

/// What has to be looked at row by row.
fn unindexed(filter: &EventFilter) -> Conditions {
    let mut found = Conditions::default();
    if let Some(devices) = filter.devices.as_ref().filter(|devices| devices.len() != 1) {
        let ids: Vec<i64> = devices.iter().map(|id| id.0).collect();
        let ids = serde_json::to_string(&ids).unwrap_or_default();
        found.and("device IN (SELECT value FROM json_each(?))", [Arg::Text(ids)]);
    }
    // One device's events are found by the device.
    if let (Some(deployment), Some([_])) = (filter.deployment, filter.devices.as_deref()) {
        found.and("ref_id = ?", [Arg::Int(deployment.0)]);
    }
    if let Some(key) = &filter.key {
        found.and("label = ?", [Arg::Text(key.as_str().to_owned())]);
    }
    if let Some(word) = &filter.word {
        found.and("word = ?", [Arg::Text(word.clone())]);
    }
    if let Some(text) = filter.text.as_deref().filter(|text| !text.is_empty()) {
        let text = || Arg::Text(folded(text));
        // SQLite's lower() folds A to Z, as `folded` does.
        match filter.kind {
            EventKind::Log => {
                found.and("(instr(lower(text), ?) > 0 OR instr(lower(word), ?) > 0)", [text(), text()])
            }
            EventKind::DeadLetter => {
                found.and("(instr(lower(extra), ?) > 0 OR instr(lower(text), ?) > 0)", [text(), text()])
            }
            _ => found.and("instr(lower(text), ?) > 0", [text()]),
        }
    }
    found
}

/// What a look at one partition gave.
struct Looked {
    rows: Vec<EventRow>,
    /// The row at which the look ended because it was long enough.
    ended_at: Option<SeriesCursor>,
}

impl EmbeddedSeries {
    pub(super) async fn page_of_events(
        &self,
        filter: &EventFilter,
        page: &PageRequest,
    ) -> PortResult<Page<EventRow>> {
        let after: Option<SeriesCursor> = page.after.as_deref().map(str::parse).transpose()?;
        if filter.devices.as_ref().is_some_and(|devices| devices.len() > MAX_SERIES_DEVICES) {
            return Err(PortError::reference(OPERATION, "events.devices"));
        }
        let kind = SeriesKind::Event(filter.kind);
        let mut span = filter.span;
        if let Some(cursor) = after {
            span.to = span.to.min(Timestamp(cursor.at.saturating_add(1)));
        }
        let View { floor, found } = self.memory.read().events(filter.kind);
        let devices: Option<BTreeSet<DeviceId>> =
            filter.devices.as_ref().map(|ids| ids.iter().copied().collect());
        let in_memory: Vec<&EventRow> = found
            .iter()
            .flat_map(|list| list.iter())
            .filter(|row| {
                span.contains(row.at) && after.is_none_or(|c| (row.at.0, row.id) < (c.at, c.number))
            })
            .filter(|row| devices.as_ref().is_none_or(|ids| ids.contains(&row.device)))
            .filter(|row| filter.matches(&row.event))
            .collect();
        let partitions: Vec<_> = self.partitions(kind).into_iter().filter(|p| p.overlaps(span)).collect();
        let mut starts: BTreeSet<i64> = in_memory.iter().map(|row| partition_start(kind, row.at.0)).collect();
        starts.extend(partitions.iter().map(|p| p.start));
        let limit = page.bounded() as usize;
        let mut items: Vec<EventRow> = Vec::new();
        let searches = !unindexed(filter).args.is_empty();
        let mut to_look_at = LOOKED_AT;
        for start in starts.into_iter().rev() {
            let here = in_memory.iter().filter(|row| partition_start(kind, row.at.0) == start);
            let mut rows: Vec<EventRow> = here.map(|row| (*row).clone()).collect();
            let mut ended_at = None;
            if let Some(partition) = partitions.iter().find(|p| p.start == start) {
                let wanted = limit + 1 - items.len();
                let conditions = indexed(filter, span, after, partition.floor_id(floor));
                let looked = self.look(partition, filter, &conditions, wanted, to_look_at).await?;
                rows.extend(looked.rows);
                ended_at = looked.ended_at;
                if searches {
                    to_look_at = to_look_at.saturating_sub(partition.rows.load(Ordering::Relaxed));
                }
            }
            rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.at, row.id)));
            if let Some(end) = ended_at {
                // What is in memory below the look's end is found by the next page.
                rows.retain(|row| (row.at.0, row.id) >= (end.at, end.number));
            }
            for row in rows {
                if items.len() == limit {
                    let next = items.last().map(|row| SeriesCursor { at: row.at.0, number: row.id });
                    return Ok(Page { items, next: next.map(|cursor| cursor.to_string()) });
                }
                items.push(row);
            }
            if ended_at.is_none() && to_look_at == 0 {
                // Everything from this partition's beginning on was looked at; the next page goes on before it.
                ended_at = Some(SeriesCursor { at: start, number: i64::MIN });
            }
            if let Some(end) = ended_at {
                return Ok(Page { items, next: Some(end.to_string()) });
            }
        }
        Ok(Page { items, next: None })
    }

    async fn look(
        &self,
        partition: &Arc<Partition>,
        filter: &EventFilter,
        indexed: &Conditions,
        wanted: usize,
        to_look_at: u64,
    ) -> PortResult<Looked> {
        let nothing = Looked { rows: Vec::new(), ended_at: None };
        let Some(mut reader) = self.reader(partition, OPERATION).await? else { return Ok(nothing) };
        let read = look_with(&mut reader, filter, indexed, wanted, to_look_at.max(1000)).await;
        let Some((rows, ended_at)) = self.settle(partition, reader, OPERATION, read)? else {
            return Ok(nothing);
        };
        let mut looked = Looked { rows: Vec::with_capacity(rows.len()), ended_at };
        for row in &rows {
            let failed = |error| classify(OPERATION, error);
            match row_of(filter.kind, row).map_err(failed)? {
                Some(row) => looked.rows.push(row),
                None => {
                    tracing::error!(file = %partition.path.display(), "an event of {} is damaged and is left out", partition.path.display())
                }
            }
        }
        Ok(looked)
    }

    pub(super) async fn count_events(
        &self,
        kind: EventKind,
        span: TimeSpan,
        device: Option<DeviceId>,
    ) -> PortResult<u64> {
        let View { floor, found } = self.memory.read().events(kind);
        let holds = |row: &&EventRow| span.contains(row.at) && device.is_none_or(|id| id == row.device);
        let mut total = found.iter().flat_map(|list| list.iter()).filter(holds).count() as u64;
        let filter = EventFilter { devices: device.map(|id| vec![id]), ..EventFilter::kind(kind) };
        for partition in self.partitions(SeriesKind::Event(kind)).iter().filter(|p| p.overlaps(span)) {
            let Some(mut reader) = self.reader(partition, OPERATION).await? else { continue };
            let conditions = indexed(&filter, span, None, partition.floor_id(floor));
            let sql = format!("SELECT COUNT(*) FROM event{}", conditions.sql);
            let query = conditions.bind(sqlx::query::<sqlx::Sqlite>(AssertSqlSafe(sql)));
            let read = query.fetch_one(&mut reader).await.and_then(|row| row.try_get::<i64, _>(0));
            total += self.settle(partition, reader, OPERATION, read)?.map_or(0, |count| count as u64);
        }
        Ok(total)
    }
}

async fn look_with(
    reader: &mut SqliteConnection,
    filter: &EventFilter,
    indexed: &Conditions,
    wanted: usize,
    to_look_at: u64,
) -> sqlx::Result<(Vec<SqliteRow>, Option<SeriesCursor>)> {
    const ORDER: &str = "ORDER BY at DESC, id DESC";
    let rest = unindexed(filter);
    let (inner, outer) = (&indexed.sql, &rest.sql);
    if rest.args.is_empty() {
        let sql = format!("SELECT {COLUMNS} FROM event{inner} {ORDER} LIMIT {wanted}");
        let query = sqlx::query::<sqlx::Sqlite>(AssertSqlSafe(sql));
        return Ok((indexed.bind(query).fetch_all(reader).await?, None));
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM (SELECT {COLUMNS} FROM event{inner} {ORDER} LIMIT {to_look_at}){outer} {ORDER} LIMIT {wanted}"
    );
    let query = rest.bind(indexed.bind(sqlx::query::<sqlx::Sqlite>(AssertSqlSafe(sql))));
    let rows = query.fetch_all(&mut *reader).await?;
    if rows.len() >= wanted {
        return Ok((rows, None));
    }
    // Was that all, or did the look end before?
    let sql = format!("SELECT at, id FROM event{inner} {ORDER} LIMIT 1 OFFSET {}", to_look_at - 1);
    let query = indexed.bind(sqlx::query::<sqlx::Sqlite>(AssertSqlSafe(sql)));
    let last = query.fetch_optional(reader).await?;
    let end =
        last.map(|row| Ok::<_, sqlx::Error>(SeriesCursor { at: row.try_get(0)?, number: row.try_get(1)? }));
    Ok((rows, end.transpose()?))
}

fn row_of(kind: EventKind, row: &SqliteRow) -> sqlx::Result<Option<EventRow>> {
    let columns = Columns {
        ref_id: row.try_get(4)?,
        amount: row.try_get(5)?,
        percent: row.try_get(6)?,
        duration: row.try_get(7)?,
        speed: row.try_get(8)?,
        word: row.try_get(9)?,
        label: row.try_get(10)?,
        text: row.try_get(11)?,
        extra: row.try_get(12)?,
        body: row.try_get(13)?,
    };
    let device_time: Option<i64> = row.try_get(3)?;
    let found = event(kind, columns).ok().map(|event| -> sqlx::Result<EventRow> {
        Ok(EventRow {
            id: row.try_get(0)?,
            at: Timestamp(row.try_get(1)?),
            device: DeviceId(row.try_get(2)?),
            device_time: device_time.map(Timestamp),
            event,
        })
    });
    found.transpose()
}
