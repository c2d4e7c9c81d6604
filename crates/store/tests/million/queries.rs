//! The questions of an operator, and how long the answers take.

use std::time::{Duration, Instant};

use argosy_domain::model::{DeviceFilter, DeviceState, UpdateState};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{CountScope, ReadSession, Registry as _, UpdateFilter};
use argosy_proto::{DeploymentId, DeviceId, GroupId, ProductId, RegionId};
use argosy_store::sql::SqlRegistry;

use super::dataset::{GROUPS, REGIONS, key};

/// Times of one query.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) name: &'static str,
    pub(crate) times: Vec<Duration>,
}

impl Times {
    /// In milliseconds, at a share of the runs.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let index = ((sorted.len() - 1) as f64 * share).round() as usize;
        sorted[index].as_secs_f64() * 1e3
    }
}

pub(crate) const NAMES: [&str; 19] = [
    "list_first",
    "list_deep",
    "search_name_rare",
    "search_name_common",
    "search_korean_short",
    "search_none",
    "search_key_one",
    "search_key_many",
    "search_in_region",
    "filter_four",
    "filter_three",
    "filter_offline",
    "count_filter",
    "counts_all",
    "counts_scope",
    "groups_sizes",
    "device_detail",
    "deployment_page",
    "deployment_counts",
];

/// Asks one of the questions about the `run`th part of the fleet; how many rows came.
async fn ask(read: &mut dyn ReadSession, name: &str, run: i64, n: i64, running: DeploymentId) -> usize {
    let page = PageRequest::first(50);
    let none = DeviceFilter::default;
    let search = |text: String| DeviceFilter { search: Some(text), ..none() };
    let three = || DeviceFilter {
        regions: vec![RegionId(1 + run % REGIONS)],
        firmware_version: Some(
            ["1.4.0", "1.4.1", "1.5.0", "1.6.0", "0.9.0"][usize::try_from(run % 5).unwrap_or(0)].into(),
        ),
        state: Some(DeviceState::Active),
        ..none()
    };
    let some = 1 + run * 7_919 % n;
    let filter = match name {
        "list_first" => none(),
        "list_deep" => {
            let page = PageRequest { limit: 50, after: Some((n * 9 / 10 + run).to_string()) };
            return read.devices(&none(), &page).await.expect("read").items.len();
        }
        "search_name_rare" => search(format!(" {}호", some / 60)),
        "search_name_common" => {
            search(["자판기", "lobby", "강남역"][usize::try_from(run % 3).unwrap_or(0)].into())
        }
        "search_korean_short" => search(["서울", "판", "대"][usize::try_from(run % 3).unwrap_or(0)].into()),
        "search_none" => search("강남역 lobby 자판기".into()),
        "search_key_one" => search(key(some)),
        "search_key_many" => search(key(n * 9 / 10)[..7].into()),
        "search_in_region" => {
            DeviceFilter { regions: vec![RegionId(1 + run % REGIONS)], ..search("해운대".into()) }
        }
        "filter_four" => DeviceFilter { groups: vec![GroupId(1 + run * 13 % GROUPS)], ..three() },
        "filter_three" => three(),
        "filter_offline" => {
            DeviceFilter { online: Some(false), regions: vec![RegionId(1 + run % REGIONS)], ..none() }
        }
        "count_filter" => return usize::from(read.count_devices(&three()).await.expect("read") > 0),
        "counts_all" => {
            return usize::from(read.device_counts(&CountScope::default()).await.expect("read").total > 0);
        }
        "counts_scope" => {
            let scope = CountScope {
                product: Some(ProductId(1)),
                region: Some(RegionId(1 + run % REGIONS)),
                group: None,
            };
            return usize::from(read.device_counts(&scope).await.expect("read").total > 0);
        }
        "groups_sizes" => {
            let groups: Vec<_> = (1..=GROUPS).map(GroupId).collect();
            return read.group_tallies(&groups).await.expect("read").len();
        }
        "device_detail" => {
            let id = DeviceId(some);
            let found = read.device(id).await.expect("read").is_some();
            read.updates_of_device(id, &page).await.expect("read");
            read.firmware_history(id, &page).await.expect("read");
            return usize::from(found);
        }
        "deployment_page" => {
            let states = match run % 3 {
                0 => vec![],
                1 => vec![UpdateState::Pending],
                _ => vec![UpdateState::TimedOut, UpdateState::Failed],
            };
            let search = (run % 4 == 3).then(|| key(some)[..8].to_owned());
            let page = PageRequest { limit: 50, after: Some((n / 2).to_string()) };
            let filter = UpdateFilter { states, search };
            return read.device_updates(running, &filter, &page).await.expect("read").items.len();
        }
        _ => {
            read.deployment(running).await.expect("read");
            let counts = read.update_counts(running).await.expect("read");
            read.update_bytes(running).await.expect("read");
            return usize::from(counts.total() > 0);
        }
    };
    read.devices(&filter, &page).await.expect("read").items.len()
}

/// Asks every question `runs` times, in turns.
pub(crate) async fn measure(registry: &SqlRegistry, runs: i64, n: i64, running: i64) -> Vec<Times> {
    let mut all: Vec<Times> = NAMES.iter().map(|name| Times { name, times: Vec::new() }).collect();
    for run in 0..runs {
        for one in &mut all {
            let start = Instant::now();
            let mut read = registry.read().await.expect("a session");
            ask(&mut *read, one.name, run, n, DeploymentId(running)).await;
            drop(read);
            one.times.push(start.elapsed());
        }
    }
    all
}
