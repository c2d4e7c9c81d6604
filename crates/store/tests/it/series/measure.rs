//! What it costs. `cargo test --release -p argosy-store --test it series::measure -- --ignored --nocapture --test-threads=1`.

use std::time::Instant;

use argosy_domain::Timestamp;
use argosy_domain::model::{SeriesRow, StatusMetric, StatusSample};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{Metric, RangeQuery, SampleFilter, SeriesStore, TimeSpan};
use argosy_domain::testing::series::{T0, row, status_sample};
use argosy_proto::DeviceId;
use argosy_store::series::{EmbeddedSeries, SeriesOptions};
use tempfile::TempDir;

use super::options;

/// User and system time of this process.
fn cpu_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("proc");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().expect("ticks") + fields[12].parse::<f64>().expect("ticks");
    ticks * 10_000.0
}

fn sample(n: i64) -> StatusSample {
    let percent = |seed: i64| Some(((n * seed).rem_euclid(10_000)) as f64 / 100.0);
    StatusSample {
        cpu_0: percent(7919),
        cpu_1: percent(6133),
        memory: percent(31),
        storage: percent(3),
        gateway_ip: Some("192.168.0.1".to_owned()),
        advertisements: Some(vec![101, 102, 103]),
        ..status_sample(n)
    }
}

/// Rows in the order of their coming: every device once a round.
fn rows(from: i64, count: i64, devices: i64, every_ms: i64) -> Vec<SeriesRow> {
    let one = |n: i64| {
        let at = n / devices * every_ms + n % devices * every_ms / devices;
        row(n % devices, at, argosy_domain::model::Fact::Status(sample(n / devices)))
    };
    (from..from + count).map(one).collect()
}

async fn fill(store: &EmbeddedSeries, total: i64, group: i64, devices: i64, every_ms: i64) {
    let (mut wall, mut cpu) = (0.0, 0.0);
    for from in (0..total).step_by(group as usize) {
        let rows = rows(from, group, devices, every_ms);
        let (began, before) = (Instant::now(), cpu_us());
        store.append(rows).await.expect("appended");
        store.maintain(Timestamp(T0)).await.expect("house is kept");
        wall += began.elapsed().as_secs_f64() * 1e6;
        cpu += cpu_us() - before;
    }
    let (began, before) = (Instant::now(), cpu_us());
    store.flush().await.expect("moved");
    wall += began.elapsed().as_secs_f64() * 1e6;
    cpu += cpu_us() - before;
    let stats = store.stats().await.expect("stats");
    eprintln!(
        "{total} rows, {devices} devices, groups of {group}: {:.2} us a row, {:.2} us of CPU a row, {:.1} bytes a row",
        wall / total as f64,
        cpu / total as f64,
        stats.bytes() as f64 / stats.rows() as f64,
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn appending() {
    for (total, group, devices) in [
        (2_000_000, 1000, 1000),
        (2_000_000, 200, 1000),
        (4_000_000, 1000, 100_000),
        (1_000_000, 10_000, 1_000_000),
    ] {
        let folder = TempDir::new_in(".").expect("a folder");
        let options = SeriesOptions { head_bytes: 64 << 20, ..options() };
        let store = EmbeddedSeries::open(folder.path().to_path_buf(), options).await.expect("opens");
        fill(&store, total, group, devices, 10_000).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn reading() {
    let folder = TempDir::new_in(".").expect("a folder");
    let store = EmbeddedSeries::open(folder.path().to_path_buf(), options()).await.expect("opens");
    // 100 devices, a status every 10 seconds, 10 days.
    let (devices, every) = (100, 10_000);
    let total = 10 * 86_400_000 / every * devices;
    fill(&store, total, 10_000, devices, every).await;
    let span =
        |days: i64| TimeSpan::new(Timestamp(T0 + (10 - days) * 86_400_000), Timestamp(T0 + 10 * 86_400_000));
    for days in [1, 10] {
        let began = Instant::now();
        for device in 0..20 {
            let query = RangeQuery {
                device: DeviceId(device),
                metrics: vec![Metric::Status(StatusMetric::Cpu0), Metric::Status(StatusMetric::Memory)],
                span: span(days),
                points: 500,
            };
            store.range(&query).await.expect("curves");
        }
        eprintln!("a curve of {days} days: {:?}", began.elapsed() / 20);
    }
    let began = Instant::now();
    for device in 0..20 {
        let filter = SampleFilter { device: DeviceId(device), span: span(10) };
        store.statuses(&filter, &PageRequest::first(100)).await.expect("a page");
    }
    eprintln!("a page of 100 statuses: {:?}", began.elapsed() / 20);
    let all: Vec<_> = (0..devices).map(DeviceId).collect();
    let began = Instant::now();
    for _ in 0..20 {
        store.latest(&all).await.expect("latest");
    }
    eprintln!("the latest of 100 devices: {:?}", began.elapsed() / 20);
}

/// The layouts that were not chosen: plain SQLite, one synced commit a group, over the same rows.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn alternatives() {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

    const COLUMNS: &str = "device INTEGER, at INTEGER, cpu_0 REAL, cpu_1 REAL, memory REAL, storage REAL, uptime INTEGER, signal REAL, \
                           connection TEXT, local_ip TEXT, gateway_ip TEXT, version TEXT, shown TEXT";
    const FROM_JSON: &str = "SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, \
                             value->>8, value->>9, value->>10, value->>11, value->>12 FROM json_each(?)";
    let keyed = format!("CREATE TABLE t ({COLUMNS}, PRIMARY KEY (device, at)) WITHOUT ROWID");
    let plain = format!("CREATE TABLE t ({COLUMNS})");
    let (total, devices, group) = (1_000_000_i64, 1000, 1000);
    for (name, schema, json) in [
        ("PK(device, at), one JSON argument", keyed.as_str(), true),
        ("in the order of arrival, one JSON argument", plain.as_str(), true),
        ("PK(device, at), 100 rows a statement", keyed.as_str(), false),
        ("in the order of arrival, 100 rows a statement", plain.as_str(), false),
    ] {
        let folder = TempDir::new_in(".").expect("a folder");
        let file = folder.path().join("t.db");
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("cache_size", "-65536");
        let mut connection = SqliteConnection::connect_with(&options).await.expect("a database");
        connection.execute(AssertSqlSafe(schema.to_owned())).await.expect("a table");
        let many = format!("INSERT INTO t VALUES {}", vec!["(?,?,?,?,?,?,?,?,?,?,?,?,?)"; 100].join(","));
        let (mut wall, mut cpu) = (0.0, 0.0);
        for from in (0..total).step_by(group as usize) {
            let rows: Vec<(i64, i64, StatusSample)> = rows(from, group, devices, 10_000)
                .into_iter()
                .map(|row| match row.fact {
                    argosy_domain::model::Fact::Status(sample) => (row.device.0, row.at.0, sample),
                    other => panic!("{other:?}"),
                })
                .collect();
            let (began, before) = (Instant::now(), cpu_us());
            connection.execute("BEGIN IMMEDIATE").await.expect("begun");
            if json {
                let text = serde_json::to_string(
                    &rows
                        .iter()
                        .map(|(device, at, s)| {
                            serde_json::json!([
                                device,
                                at,
                                s.cpu_0,
                                s.cpu_1,
                                s.memory,
                                s.storage,
                                s.uptime,
                                s.signal,
                                s.connection,
                                s.local_ip,
                                s.gateway_ip,
                                s.firmware_version,
                                s.advertisements.as_ref().map(|a| format!("{a:?}"))
                            ])
                        })
                        .collect::<Vec<_>>(),
                )
                .expect("JSON");
                sqlx::query(AssertSqlSafe(format!("INSERT INTO t {FROM_JSON}")))
                    .bind(text)
                    .execute(&mut connection)
                    .await
                    .expect("inserted");
            } else {
                for part in rows.chunks(100) {
                    let mut query = sqlx::query::<sqlx::Sqlite>(AssertSqlSafe(many.clone()));
                    for (device, at, s) in part {
                        query = query
                            .bind(device)
                            .bind(at)
                            .bind(s.cpu_0)
                            .bind(s.cpu_1)
                            .bind(s.memory)
                            .bind(s.storage);
                        query = query
                            .bind(s.uptime.map(|u| u as i64))
                            .bind(s.signal)
                            .bind(&s.connection)
                            .bind(&s.local_ip);
                        query = query
                            .bind(&s.gateway_ip)
                            .bind(&s.firmware_version)
                            .bind(s.advertisements.as_ref().map(|a| format!("{a:?}")));
                    }
                    query.execute(&mut connection).await.expect("inserted");
                }
            }
            connection.execute("COMMIT").await.expect("committed");
            wall += began.elapsed().as_secs_f64() * 1e6;
            cpu += cpu_us() - before;
        }
        connection.close().await.expect("closed");
        let bytes = std::fs::metadata(&file).expect("there").len();
        eprintln!(
            "{name}: {:.2} us a row, {:.2} us of CPU a row, {:.1} bytes a row",
            wall / total as f64,
            cpu / total as f64,
            bytes as f64 / total as f64
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn events() {
    use std::collections::HashMap;
    use std::sync::Arc;

    use argosy_domain::model::{Event, EventKind};
    use argosy_domain::ports::{EventFilter, SalesBucket, SalesQuery, SalesSplit};
    use argosy_domain::testing::series::{DAY, log, sale};

    let folder = TempDir::new_in(".").expect("a folder");
    let store = EmbeddedSeries::open(folder.path().to_path_buf(), options()).await.expect("opens");
    // 10,000 devices, 60 days: 1,000,000 logs and 1,000,000 sales.
    let (total, devices) = (1_000_000_i64, 10_000);
    let (began, before) = (Instant::now(), cpu_us());
    for from in (0..total).step_by(10_000) {
        let at = |n: i64| n * 60 * DAY / total;
        let logs = (from..from + 10_000)
            .map(|n| log(n % devices, at(n), "WIFI", &format!("connection lost, reason {n}, retry in 5 s")));
        store.append(logs.collect()).await.expect("appended");
        let sales = (from..from + 10_000)
            .map(|n| sale(n % devices, at(n), ["coffee", "tea", "soup"][n as usize % 3], None));
        store.append(sales.collect()).await.expect("appended");
        store.maintain(Timestamp(T0)).await.expect("house is kept");
    }
    store.flush().await.expect("moved");
    let (wall, cpu) = (began.elapsed().as_secs_f64() * 1e6, cpu_us() - before);
    let stats = store.stats().await.expect("stats");
    eprintln!(
        "events: {:.2} us a row, {:.2} us of CPU a row, {:.1} bytes a row",
        wall / 2e6,
        cpu / 2e6,
        stats.bytes() as f64 / stats.rows() as f64
    );
    let logs = EventFilter::kind(EventKind::Log);
    let timed = async |what: &str, filter: EventFilter| {
        let began = Instant::now();
        let (mut page, mut calls, mut rows) = (PageRequest::first(50), 0, 0);
        loop {
            let got = store.events(&filter, &page).await.expect("a page");
            calls += 1;
            rows += got.items.len();
            match got.next {
                Some(next) if rows < 50 => page.after = Some(next),
                _ => break,
            }
        }
        eprintln!("{what}: {:?} for {rows} rows in {calls} calls", began.elapsed());
    };
    timed("the newest 50 logs", logs.clone()).await;
    timed("of one device", EventFilter { devices: Some(vec![DeviceId(77)]), ..logs.clone() }).await;
    let middle = Timestamp(T0 + 30 * DAY);
    timed("from the middle", EventFilter { span: TimeSpan::new(Timestamp(T0), middle), ..logs.clone() })
        .await;
    timed("a text that is nowhere", EventFilter { text: Some("no such text".to_owned()), ..logs.clone() })
        .await;
    timed("a text that is everywhere", EventFilter { text: Some("RETRY".to_owned()), ..logs }).await;
    let labels: HashMap<_, _> = (0..devices).map(|id| (DeviceId(id), id % 50)).collect();
    for (what, bucket, split) in [
        ("sales of 60 days by region and day", SalesBucket::Day, SalesSplit::Label(Arc::new(labels))),
        ("sales of 60 days by device", SalesBucket::Whole, SalesSplit::Device),
        ("sales of 60 days by hour", SalesBucket::Hour, SalesSplit::None),
    ] {
        let began = Instant::now();
        let query = SalesQuery {
            span: TimeSpan::ALL,
            devices: None,
            bucket,
            utc_offset_min: 540,
            split,
            by_item: false,
        };
        let report = store.sales(&query).await.expect("sums");
        eprintln!("{what}: {:?}, {} sums", began.elapsed(), report.sums.len());
        assert_eq!(report.sums.iter().map(|s| s.count).sum::<u64>(), 1_000_000);
    }
    let Event::Log { .. } =
        store.events(&EventFilter::kind(EventKind::Log), &PageRequest::first(1)).await.expect("a page").items
            [0]
        .event
    else {
        panic!("a log");
    };
}
