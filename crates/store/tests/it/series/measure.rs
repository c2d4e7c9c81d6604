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
