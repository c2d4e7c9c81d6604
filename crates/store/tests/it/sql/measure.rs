//! Figures of a fleet of a million on SQLite, or on `ARGOSY_MEASURE_ENGINE` (`postgres`, `mysql`), printed. Run it alone, and
//! optimised: `cargo test --release -p argosy-store --test it measure -- --ignored --nocapture`; `ARGOSY_MEASURE_DEVICES`
//! chooses another size.

use std::time::{Duration, Instant};

use argosy_domain::Timestamp;
use argosy_domain::model::{DeviceFilter, DeviceState, DeviceTouch, UpdateEvent, UpdateState};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{CountScope, ReadSession, Registry, UpdateFilter};
use argosy_proto::{DeploymentId, DeviceId, GroupId, RegionId};
use argosy_store::sql::SqlRegistry;

use super::databases::{Database, Engine};
use super::fixture::{NOW, begin, deployment, key, placed, planned};

struct Fleet {
    registry: SqlRegistry,
    devices: Vec<DeviceId>,
    groups: Vec<GroupId>,
    regions: Vec<RegionId>,
    deployments: Vec<DeploymentId>,
}

fn say(what: &str, rows: usize, took: Duration) {
    let rate = rows as f64 / took.as_secs_f64();
    eprintln!("{what:<58} {rows:>8} rows {:>9.1} ms {rate:>10.0} rows/s", took.as_secs_f64() * 1e3);
}

/// Times of many runs, each over another part of the fleet.
async fn measured<F: Future<Output = usize>>(what: &str, runs: usize, mut run: impl FnMut(usize) -> F) {
    let mut times = Vec::new();
    let mut rows = 0;
    for i in 0..runs {
        let start = Instant::now();
        rows = run(i).await;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    say(&format!("{what} (p50)"), rows, at(0.5));
    eprintln!(
        "{:<58} {:>23.1} ms max {:.1} ms",
        format!("{what} (p99)"),
        at(0.99).as_secs_f64() * 1e3,
        at(1.0).as_secs_f64() * 1e3
    );
}

impl Fleet {
    async fn make(registry: SqlRegistry, count: usize) -> Self {
        let mut unit = begin(&registry).await;
        let (product, old) = deployment(&mut *unit, 1).await;
        let (_, new) = deployment(&mut *unit, 2).await;
        let mut groups = Vec::new();
        for i in 0..500 {
            groups.push(unit.insert_group(&format!("group {i}"), NOW).await.unwrap());
        }
        let mut regions = Vec::new();
        for i in 0..50 {
            regions.push(unit.insert_region(&format!("KR-{i}"), "region", NOW).await.unwrap());
        }
        unit.commit().await.unwrap();
        let mut devices = Vec::new();
        let start = Instant::now();
        for first in (0..count).step_by(10_000) {
            let new: Vec<_> =
                (first..count.min(first + 10_000)).map(|i| placed(i, product, &groups, &regions)).collect();
            let mut unit = begin(&registry).await;
            let ids = unit.insert_devices(&new, NOW).await.unwrap();
            let touches: Vec<_> = ids
                .iter()
                .map(|id| DeviceTouch {
                    online: Some(id.get() % 10 != 0),
                    firmware_version: Some(format!("1.4.{}", id.get() % 5)),
                    ..DeviceTouch::seen(*id, NOW)
                })
                .collect();
            unit.touch_devices(&touches).await.unwrap();
            unit.commit().await.unwrap();
            devices.extend(ids);
        }
        say("insert_devices and their first touch", count, start.elapsed());
        Self { registry, devices, groups, regions, deployments: vec![old, new] }
    }

    async fn plan(&self, id: DeploymentId) {
        let start = Instant::now();
        for (chunk, devices) in self.devices.chunks(10_000).enumerate() {
            let mut unit = begin(&self.registry).await;
            unit.insert_device_updates(&planned(id, devices, chunk * 10_000)).await.unwrap();
            unit.commit().await.unwrap();
        }
        say("insert_device_updates, the whole fleet", self.devices.len(), start.elapsed());
    }

    /// Rows spread over the whole fleet, other ones each run: a batch of messages comes from anywhere.
    fn spread(&self, count: usize, run: usize) -> Vec<DeviceId> {
        let step = self.devices.len() / count;
        (0..count).map(|i| self.devices[(i * step + run * 7) % self.devices.len()]).collect()
    }

    async fn writes(&self, count: usize) {
        measured(&format!("touch_devices of {count} (seen, version)"), 10, |run| async move {
            let at = Timestamp(NOW.0 + run as i64);
            let touches: Vec<_> = self
                .spread(count, run)
                .into_iter()
                .map(|d| DeviceTouch {
                    firmware_version: Some(format!("1.4.{}", d.get() % 5)),
                    ..DeviceTouch::seen(d, at)
                })
                .collect();
            let mut unit = begin(&self.registry).await;
            unit.touch_devices(&touches).await.unwrap();
            unit.commit().await.unwrap();
            count
        })
        .await;
        let id = self.deployments[1];
        measured(&format!("save_device_updates of {count} (read, dispatch, save)"), 10, |run| async move {
            let ids: Vec<_> = self.spread(count, run).into_iter().map(|d| (id, d)).collect();
            let mut unit = begin(&self.registry).await;
            let changed: Vec<_> = unit
                .device_updates_by_id(&ids)
                .await
                .unwrap()
                .into_iter()
                .map(|mut update| {
                    let was = update.revision;
                    update.apply(&UpdateEvent::Dispatch, NOW);
                    update.revision = was + 1;
                    (update, was)
                })
                .collect();
            assert_eq!(unit.save_device_updates(&changed).await.unwrap(), changed.len() as u64);
            unit.commit().await.unwrap();
            changed.len()
        })
        .await;
    }

    async fn reads(&self) {
        let page = PageRequest::first(50);
        let deep =
            PageRequest { limit: 50, after: Some(self.devices[self.devices.len() * 9 / 10].to_string()) };
        let filter = |f: fn(&Self, usize) -> DeviceFilter| move |run: usize| f(self, run);
        let searching =
            |text: &str| DeviceFilter { search: Some(text.to_owned()), ..DeviceFilter::default() };
        let all = filter(|_, _| DeviceFilter::default());
        let four = filter(|fleet, run| DeviceFilter {
            groups: vec![fleet.groups[run * 13 % fleet.groups.len()]],
            regions: vec![fleet.regions[run % fleet.regions.len()]],
            firmware_version: Some(format!("1.4.{}", run % 5)),
            state: Some(DeviceState::Active),
            ..DeviceFilter::default()
        });
        let three = filter(|fleet, run| DeviceFilter {
            regions: vec![fleet.regions[run % fleet.regions.len()]],
            firmware_version: Some(format!("1.4.{}", run % 5)),
            state: Some(DeviceState::Active),
            ..DeviceFilter::default()
        });
        let offline = filter(|_, _| DeviceFilter { online: Some(false), ..DeviceFilter::default() });
        let list = |what: &'static str, page: PageRequest, filter: &dyn Fn(usize) -> DeviceFilter| {
            let filters: Vec<_> = (0..20).map(filter).collect();
            async move {
                measured(what, 20, |run| {
                    let (filter, page) = (filters[run].clone(), page.clone());
                    async move { self.session().await.devices(&filter, &page).await.unwrap().items.len() }
                })
                .await;
            }
        };
        list("devices: first page", page.clone(), &all).await;
        list("devices: deep page", deep, &all).await;
        list("devices: group, region, version, state", page.clone(), &four).await;
        list("devices: region, version, state", page.clone(), &three).await;
        list("devices: offline", page.clone(), &offline).await;
        list("devices: key prefix of one", page.clone(), &|run| searching(&key(run * 1_000).as_str()[..10]))
            .await;
        list("devices: key prefix of all", page.clone(), &|_| searching("vm-")).await;
        list("devices: name of one", page.clone(), &|run| {
            searching(&format!("자판기 {} lobby", run * 1_000))
        })
        .await;
        list("devices: name of none", page.clone(), &|_| searching("nowhere to be found")).await;
        measured("count: region, version, state", 20, |run| async move {
            self.session().await.count_devices(&three(run)).await.unwrap() as usize
        })
        .await;
        measured("count: all", 20, |_| async move {
            self.session().await.count_devices(&DeviceFilter::default()).await.unwrap() as usize
        })
        .await;
        measured("device_counts", 5, |_| async move {
            self.session().await.device_counts(&CountScope::default()).await.unwrap().total as usize
        })
        .await;
        measured("device detail", 100, |run| async move {
            let mut session = self.session().await;
            usize::from(
                session.device(self.devices[run * 7919 % self.devices.len()]).await.unwrap().is_some(),
            )
        })
        .await;
        let id = self.deployments[1];
        for (what, states) in [
            ("updates: page", vec![]),
            ("updates: page of dispatched", vec![UpdateState::Dispatched]),
            ("updates: page of pending and failed", vec![UpdateState::Pending, UpdateState::Failed]),
        ] {
            let filter = UpdateFilter { states, search: None };
            let after = Some(self.devices[self.devices.len() / 2].to_string());
            let page = PageRequest { limit: 50, after };
            measured(what, 20, |_| {
                let (filter, page) = (filter.clone(), page.clone());
                async move { self.session().await.device_updates(id, &filter, &page).await.unwrap().items.len() }
            })
            .await;
        }
        for (what, prefix) in
            [("updates: key prefix of one", key(4_242)), ("updates: key prefix of all", key(0))]
        {
            let text = if what.ends_with("one") { prefix.to_string() } else { "vm-".to_owned() };
            let filter = UpdateFilter { states: vec![], search: Some(text) };
            measured(what, 20, |_| {
                let (filter, page) = (filter.clone(), PageRequest::first(50));
                async move { self.session().await.device_updates(id, &filter, &page).await.unwrap().items.len() }
            })
            .await;
        }
        measured("update_counts", 5, |_| async move {
            self.session().await.update_counts(id).await.unwrap().total() as usize
        })
        .await;
        measured("update_bytes", 5, |_| async move {
            usize::from(self.session().await.update_bytes(id).await.unwrap().total > 0)
        })
        .await;
        measured("pending_updates of 1,000 from the middle", 20, |_| async move {
            let after = self.devices[self.devices.len() / 2];
            self.session().await.pending_updates(id, after, 1_000).await.unwrap().len()
        })
        .await;
        measured("in_flight_updates of 1,000", 20, |_| async move {
            self.session().await.in_flight_updates(id, DeviceId(0), 1_000).await.unwrap().len()
        })
        .await;
        measured("open_updates_of 1,000", 20, |run| async move {
            self.session().await.open_updates_of(&self.spread(1_000, run)).await.unwrap().len()
        })
        .await;
        measured("device_briefs of 1,000", 20, |run| async move {
            let keys: Vec<_> = (0..1_000).map(|i| key((i * 977 + run) % self.devices.len())).collect();
            self.session().await.device_briefs(&keys).await.unwrap().len()
        })
        .await;
    }

    async fn session(&self) -> Box<dyn ReadSession> {
        self.registry.read().await.unwrap()
    }

    async fn ends(&self) {
        let [old, new] = self.deployments[..] else { panic!("two deployments") };
        measured("supersede_pending over 10,000", 5, |run| async move {
            let (after, upto) = (self.devices[run * 10_000], self.devices[(run + 1) * 10_000 - 1]);
            let mut unit = begin(&self.registry).await;
            let rows = unit.supersede_pending(new, after, upto, "superseded", NOW).await.unwrap();
            unit.commit().await.unwrap();
            rows as usize
        })
        .await;
        measured("cancel_updates of 2,000", 10, |_| async move {
            let mut unit = begin(&self.registry).await;
            let rows = unit.cancel_updates(old, "canceled", NOW, 2_000).await.unwrap().canceled;
            unit.commit().await.unwrap();
            rows as usize
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "a measurement of minutes, not a test"]
async fn measure_a_fleet_of_a_million() {
    let engine = match std::env::var("ARGOSY_MEASURE_ENGINE").as_deref() {
        Ok("postgres") => Engine::Postgres,
        Ok("mysql") => Engine::Mysql,
        _ => Engine::Sqlite,
    };
    let count = std::env::var("ARGOSY_MEASURE_DEVICES").map_or(1_000_000, |n| n.parse().unwrap());
    let (database, registry) = Database::fresh(engine).await;
    let fleet = Fleet::make(registry, count).await;
    for id in fleet.deployments.clone() {
        fleet.plan(id).await;
    }
    for batch in [100, 1_000, 2_000, 10_000] {
        fleet.writes(batch).await;
    }
    fleet.reads().await;
    fleet.ends().await;
    if let Some(file) = database.file() {
        eprintln!("the file has {} MiB", file.metadata().unwrap().len() >> 20);
    }
    fleet.registry.close().await;
    database.remove().await;
}
