//! What the other tests start as a process of its own, to kill it or to let it run out of space. Each append is a group of rows of
//! every kind that carry the group's number, so that a part of a group would be seen.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use argosy_domain::Timestamp;
use argosy_domain::model::{EventKind, SeriesRow};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{EventFilter, PortErrorKind, SeriesKind, SeriesStore, TimeSpan};
use argosy_domain::testing::series::{DAY, T0};
use argosy_domain::testing::series::{data, log, sale, status};
use argosy_proto::DeviceId;
use argosy_proto::message::DataValue;
use argosy_store::series::{EmbeddedSeries, SeriesOptions};

const FOLDER: &str = "ARGOSY_TEST_SERIES_FOLDER";
const MODE: &str = "ARGOSY_TEST_SERIES_MODE";
const FIRST: &str = "ARGOSY_TEST_SERIES_FIRST";

/// Devices that speak in each group.
pub(crate) const DEVICES: i64 = 5;

/// A group: a status, a row of a stream, a log and a sale of each device. Over two days, so that partitions have several.
pub(crate) fn group(number: i64) -> Vec<SeriesRow> {
    let at = number % 2 * DAY + number * 10;
    let rows = |device| {
        let values = [("group", DataValue::Int(number)), ("text", DataValue::Text("x".repeat(20)))];
        [
            status(device, at, number),
            data(device, at, "numbers", &values),
            log(device, at, "group", &number.to_string()),
            sale(device, at, &number.to_string(), None),
        ]
    };
    (0..DEVICES).flat_map(rows).collect()
}

fn say(line: &str) {
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).expect("say so");
    std::io::stdout().flush().expect("say so");
}

/// Not a test: the process that others start.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the other tests of this folder"]
async fn child_appends_and_says_so() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let mode = std::env::var(MODE).expect("how");
    let first: i64 = std::env::var(FIRST).expect("from which").parse().expect("a number");
    let options = SeriesOptions { min_free_bytes: 0, head_bytes: 40_000, ..SeriesOptions::default() };
    match mode.as_str() {
        "crash" => {
            let store = EmbeddedSeries::open(folder.into(), options).await.expect("it opens");
            let store = std::sync::Arc::new(store);
            let housekeeper = {
                let store = store.clone();
                async move {
                    loop {
                        store.maintain(Timestamp(T0 + DAY)).await.expect("house is kept");
                        tokio::task::yield_now().await;
                    }
                }
            };
            let writer = async {
                for number in first.. {
                    store.append(group(number)).await.expect("appended");
                    say(&format!("acknowledged {number}"));
                }
            };
            tokio::join!(housekeeper, writer);
        }
        "full" => run_out_of_space(&folder, options).await,
        other => panic!("no mode {other}"),
    }
}

/// Starts the child; `wrap` is a command that runs it, if any.
pub(crate) fn start(wrap: &[&str], folder: &Path, mode: &str, first: i64) -> Child {
    // In a name space of its own the child may not look into this process.
    let this = match wrap {
        [] => format!("/proc/{}/exe", std::process::id()),
        _ => std::env::current_exe().expect("this program").display().to_string(),
    };
    let name = "series::child::child_appends_and_says_so";
    let args = [this.as_str(), name, "--exact", "--ignored", "--nocapture", "--test-threads=1"];
    let all: Vec<&str> = wrap.iter().copied().chain(args).collect();
    Command::new(all[0])
        .args(&all[1..])
        .env(FOLDER, folder)
        .env(MODE, mode)
        .env(FIRST, first.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the child starts")
}

/// The lines that the child says.
pub(crate) fn lines(child: &mut Child) -> impl Iterator<Item = String> {
    BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok)
}

/// Every group up to `acknowledged` is there, whole and once; later ones are whole or not there. The highest that is there.
pub(crate) async fn verify(store: &EmbeddedSeries, acknowledged: i64) -> i64 {
    let mut logs = std::collections::BTreeMap::<i64, u64>::new();
    let mut page = PageRequest::first(1000);
    loop {
        let got = store.events(&EventFilter::kind(EventKind::Log), &page).await.expect("logs");
        for row in &got.items {
            let argosy_domain::model::Event::Log { text, .. } = &row.event else { panic!("{row:?}") };
            *logs.entry(text.parse().expect("a number")).or_default() += 1;
        }
        match got.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    let highest = logs.keys().next_back().copied().unwrap_or(-1);
    assert!(
        highest >= acknowledged,
        "group {acknowledged} was acknowledged, the last one found is {highest}"
    );
    for number in 0..=highest {
        let found = logs.get(&number).copied().unwrap_or(0);
        assert_eq!(found, DEVICES as u64, "group {number} of {highest}, {acknowledged} acknowledged");
    }
    let groups = (highest + 1) as u64;
    let kinds = [
        SeriesKind::Status,
        SeriesKind::Data,
        SeriesKind::Event(EventKind::Log),
        SeriesKind::Event(EventKind::Sale),
    ];
    for kind in kinds {
        let count = store.count(kind, TimeSpan::ALL, None).await.expect("count");
        assert_eq!(count, groups * DEVICES as u64, "{kind:?}");
        for device in 0..DEVICES {
            let count = store.count(kind, TimeSpan::ALL, Some(DeviceId(device))).await.expect("count");
            assert_eq!(count, groups, "{kind:?} of device {device}");
        }
    }
    if highest >= 1 {
        // The last of the later day is the odd one.
        let last = if highest % 2 == 1 { highest } else { highest - 1 };
        for latest in store.latest(&[DeviceId(0), DeviceId(DEVICES - 1)]).await.expect("latest") {
            assert_eq!(latest.status.expect("a status").values.uptime, Some(last as u64 * 10));
            assert_eq!(latest.streams[0].values.values["group"], DataValue::Int(last));
        }
    }
    highest
}

/// Fills a small file system, meets the end of it, gets space, and goes on.
async fn run_out_of_space(folder: &str, options: SeriesOptions) {
    let folder = Path::new(folder);
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![1; 3 << 20]).expect("the ballast fits");
    let store = EmbeddedSeries::open(folder.join("series"), options.clone()).await.expect("it opens");
    let mut acknowledged = -1;
    let mut refused = 0;
    let mut moves_failed = 0;
    for number in 0..1_000_000 {
        match store.append(group(number)).await {
            Ok(()) => acknowledged = number,
            Err(error) => {
                assert!(matches!(error.kind, PortErrorKind::Full | PortErrorKind::Unavailable), "{error:?}");
                refused += u32::from(error.kind == PortErrorKind::Full);
                break;
            }
        }
        if number % 50 == 49 {
            moves_failed += u32::from(store.maintain(Timestamp(T0 + DAY)).await.is_err());
        }
    }
    // Fill the last bytes too: whatever is tried now fails, and everything that was acknowledged can be read.
    let _ = std::fs::write(folder.join("crumbs"), vec![1; 3 << 20]);
    for _ in 0..5 {
        let error = store.append(group(acknowledged + 1)).await.expect_err("there is no space");
        assert!(matches!(error.kind, PortErrorKind::Full | PortErrorKind::Unavailable), "{error:?}");
        refused += u32::from(error.kind == PortErrorKind::Full);
        let _ = store.maintain(Timestamp(T0 + DAY)).await;
    }
    assert!(refused > 0, "an append says that it is full");
    verify(&store, acknowledged).await;
    say(&format!("full after {acknowledged}, {moves_failed} moves had failed"));
    // Space again: it goes on by itself, without the groups that were refused.
    std::fs::remove_file(&ballast).expect("removed");
    std::fs::remove_file(folder.join("crumbs")).expect("removed");
    for number in acknowledged + 1..acknowledged + 40 {
        store.append(group(number)).await.expect("there is space again");
    }
    let highest = verify(&store, acknowledged + 39).await;
    store.flush().await.expect("rows move again");
    assert_eq!(verify(&store, highest).await, highest);
    drop(store);
    let store = EmbeddedSeries::open(folder.join("series"), options).await.expect("it opens again");
    assert_eq!(verify(&store, highest).await, highest);
    say("recovered");
}
