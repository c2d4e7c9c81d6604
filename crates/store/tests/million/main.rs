//! A registry of a million devices under load: `cargo xtask bench registry` runs this and explains it. As a test it runs with ten
//! thousand devices, and asserts what does not depend on the machine: nothing fails, the tallies are exact afterwards.

mod dataset;
mod load;
mod queries;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use argosy_domain::Timestamp;
use argosy_domain::model::{DeploymentPolicy, DeviceFilter, NewDevice};
use argosy_domain::ports::{Clock, DeviceEvents as _, Door, Registry as _};
use argosy_domain::testing::{
    FakeAuthority, FakeBlobStore, FakeContentMaker, FakeJournal, FakeLink, SeededEntropy,
};
use argosy_engine::{
    Actor, DeploymentChoice, DeploymentRequest, DownloadLinks, Engine, EngineConfig, FirmwareChoice, Ports,
    Supervisor,
};
use argosy_proto::{DeploymentId, DeviceKey, FirmwareId, ProductId, Sha256Hash};
use argosy_store::series::{EmbeddedSeries, SeriesOptions};
use argosy_store::sql::{NoObserver, SqlOptions, SqlRegistry};
use serde_json::{Map, Value, json};

use dataset::{SECOND, key};
use load::Written;

struct RealClock;

impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "a program that measures composes the real clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(0))
    }
}

struct PlainLinks;

impl DownloadLinks for PlainLinks {
    fn for_device(
        &self,
        _: Door,
        hash: &Sha256Hash,
        file_name: &str,
        _: &DeviceKey,
        _: DeploymentId,
        _: Timestamp,
    ) -> Option<String> {
        Some(format!("https://argosy.test/d/{hash}/{file_name}"))
    }
}

/// What to do.
struct Options {
    uri: String,
    devices: i64,
    connected: i64,
    runs: i64,
    statuses_per_s: u64,
}

async fn until(what: &str, limit: Duration, mut done: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !done().await {
        assert!(start.elapsed() < limit, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

/// Everything: the dataset, the load, the questions, the deployment for all. The figures, by their keys.
async fn measure(options: Options) -> Map<String, Value> {
    sqlx::any::install_default_drivers();
    let n = options.devices;
    let clock = RealClock;
    let registry = SqlRegistry::connect(&options.uri, &SqlOptions::default(), NoObserver)
        .await
        .expect("the database opens");
    registry.migrate().await.expect("the schema");
    let start = Instant::now();
    let first_running = dataset::make(&registry, &options.uri, n, clock.now()).await;
    let mut figures = Map::new();
    let mut note = |name: &str, value: f64| {
        eprintln!("{name:<28} {value:>10.2}");
        figures.insert(name.to_owned(), json!((value * 1000.0).round() / 1000.0));
    };
    note("dataset_s", start.elapsed().as_secs_f64());

    let folder = tempfile::tempdir().expect("a folder");
    let series = EmbeddedSeries::open(folder.path().to_owned(), SeriesOptions::default())
        .await
        .expect("a series store");
    let link = Arc::new(FakeLink::default());
    let ports = Ports {
        registry: Arc::new(registry.clone()),
        series: Arc::new(series),
        blobs: Arc::new(FakeBlobStore::default()),
        authority: Arc::new(FakeAuthority::default()),
        journal: Arc::new(FakeJournal::default()),
        media: Arc::new(FakeContentMaker),
        links: Arc::new(PlainLinks),
        clock: Arc::new(RealClock),
        entropy: Arc::new(SeededEntropy::new(7)),
    };
    let engine = Engine::new(EngineConfig::default(), ports);
    engine.attach_link(link.clone());
    let supervisor = Supervisor::new();
    engine.start(&supervisor).await.expect("a start");
    let mut folding = tokio::task::JoinSet::new();
    let folded = registry.clone();
    folding.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let _ = folded.fold_log().await;
        }
    });

    // Those of the second running deployment connect, and are served from now on.
    let start = Instant::now();
    let mut connecting = tokio::task::JoinSet::new();
    for i in 1..=options.connected {
        let key = DeviceKey::new(key(i * SECOND)).expect("a key");
        let number = link.connect(&key, engine.now());
        let engine = engine.clone();
        connecting.spawn(async move { engine.connected(&key, number).await });
        if connecting.len() >= 2_000 {
            connecting.join_next().await;
        }
    }
    while connecting.join_next().await.is_some() {}
    note("connect_per_s", options.connected as f64 / start.elapsed().as_secs_f64());

    let written = Arc::new(Written::default());
    let mut loads = tokio::task::JoinSet::new();
    loads.spawn(load::statuses(engine.clone(), written.clone(), n, options.statuses_per_s));
    loads.spawn(load::results(engine.clone(), link.clone(), written.clone()));
    until("the first result", Duration::from_secs(120), async || written.results.load(Ordering::Relaxed) > 0)
        .await;
    let counted = || (written.statuses.load(Ordering::Relaxed), written.results.load(Ordering::Relaxed));
    let (before, start) = (counted(), Instant::now());
    let asked = queries::measure(&registry, options.runs, n, first_running).await;
    let (after, took) = (counted(), start.elapsed().as_secs_f64());
    for times in &asked {
        note(&format!("p50_ms_{}", times.name), times.at(0.5));
        note(&format!("p99_ms_{}", times.name), times.at(0.99));
    }
    note("statuses_per_s", (after.0 - before.0) as f64 / took);
    note("results_per_s", (after.1 - before.1) as f64 / took);

    // A deployment for everybody, while the statuses go on.
    let request = DeploymentRequest {
        name: Some("everybody".into()),
        payload: DeploymentChoice::Firmware(FirmwareChoice::Id(FirmwareId(2))),
        target: DeviceFilter::default(),
        policy: DeploymentPolicy { max_in_flight: 10_000, rate_per_s: 1_000, ..DeploymentPolicy::default() },
    };
    let start = Instant::now();
    let id = engine.create_deployment(&Actor::system(), request).await.expect("a deployment").id;
    note("create_s", start.elapsed().as_secs_f64());
    let deployment = async || {
        let mut read = registry.read().await.expect("a session");
        read.deployment(id).await.expect("read").expect("the deployment")
    };
    until("the first dispatch", Duration::from_secs(600), async || deployment().await.started_at.is_some())
        .await;
    note("first_dispatch_s", start.elapsed().as_secs_f64());
    until("the plan", Duration::from_secs(3_600), async || deployment().await.planned).await;
    note("plan_all_s", start.elapsed().as_secs_f64());

    written.stop.store(true, Ordering::Relaxed);
    while let Some(ended) = loads.join_next().await {
        ended.expect("the load does not fail");
    }
    supervisor.stop();
    supervisor.finish(Duration::from_secs(30)).await;
    folding.shutdown().await;

    // Enrolment, alone.
    let start = Instant::now();
    for part in 0..10_i64 {
        let new: Vec<_> = (1..=500)
            .map(|i| NewDevice {
                key: DeviceKey::new(key(n + part * 500 + i)).expect("a key"),
                name: format!("새 자판기 {i}"),
                product: ProductId(1),
                group: None,
                region: None,
                attributes: [].into(),
                state: argosy_domain::model::DeviceState::Active,
            })
            .collect();
        let mut unit = registry.begin("enroll").await.expect("a unit of work");
        unit.insert_devices(&new, clock.now()).await.expect("devices");
        unit.commit().await.expect("commit");
    }
    note("enrol_per_s", 5_000.0 / start.elapsed().as_secs_f64());
    let start = Instant::now();
    assert_eq!(registry.check_tallies().await.expect("a recount"), [] as [String; 0]);
    note("recount_s", start.elapsed().as_secs_f64());
    registry.close().await;
    figures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_devices_under_load() {
    let folder = tempfile::tempdir().expect("a folder");
    let figures = measure(Options {
        uri: format!("sqlite:{}", folder.path().join("registry.db").display()),
        devices: 10_000,
        connected: 1_000,
        runs: 12,
        statuses_per_s: 200,
    })
    .await;
    assert!(figures.contains_key("plan_all_s"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of minutes: cargo xtask bench registry"]
async fn measured() {
    let number = |name: &str, or: i64| std::env::var(name).map_or(or, |n| n.parse().expect("a number"));
    let folder = tempfile::tempdir_in(std::env::var("ARGOSY_BENCH_FOLDER").unwrap_or_else(|_| "/tmp".into()));
    let folder = folder.expect("a folder");
    let file = folder.path().join("registry.db");
    let uri = std::env::var("ARGOSY_BENCH_URI").unwrap_or_else(|_| format!("sqlite:{}", file.display()));
    let devices = number("ARGOSY_BENCH_DEVICES", 1_000_000);
    let figures = measure(Options {
        uri,
        devices,
        connected: (devices / SECOND).min(100_000),
        runs: number("ARGOSY_BENCH_RUNS", 100),
        statuses_per_s: 2_000,
    })
    .await;
    if let Ok(json) = std::env::var("ARGOSY_BENCH_JSON") {
        std::fs::write(json, serde_json::to_string_pretty(&figures).expect("json"))
            .expect("the file is written");
    }
}
