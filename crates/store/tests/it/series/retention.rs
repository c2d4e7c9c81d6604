//! Whole partitions go when they are old, or too much.

use argosy_domain::Timestamp;
use argosy_domain::model::{Event, EventKind, Fact};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{EventFilter, SeriesKind, SeriesStore, TimeSpan};
use argosy_domain::testing::series::{DAY, T0, log, row, status};
use argosy_proto::DeviceKey;
use argosy_store::series::{EmbeddedSeries, SeriesOptions};
use tempfile::TempDir;

use super::options;

async fn open(folder: &TempDir, options: SeriesOptions) -> EmbeddedSeries {
    EmbeddedSeries::open(folder.path().to_path_buf(), options).await.expect("it opens")
}

async fn count(store: &EmbeddedSeries, kind: SeriesKind) -> u64 {
    store.count(kind, TimeSpan::ALL, None).await.expect("count")
}

const LOG: SeriesKind = SeriesKind::Event(EventKind::Log);
const DEAD: SeriesKind = SeriesKind::Event(EventKind::DeadLetter);

#[tokio::test]
async fn rows_go_by_partition_after_the_days_of_their_kind() {
    let folder = TempDir::new().expect("a folder");
    let retention_days = [(SeriesKind::Status, 3), (LOG, 0)].into();
    let store = open(&folder, SeriesOptions { retention_days, ..options() }).await;
    for day in 0..10 {
        store.append(vec![status(1, day * DAY, 1), log(1, day * DAY, "t", "x")]).await.expect("appended");
    }
    store.flush().await.expect("moved");
    let now = Timestamp(T0 + 9 * DAY);
    let done = store.maintain(now).await.expect("house is kept");
    assert_eq!(done.removed_partitions, 6);
    // Days 6 to 9: of the third day before now a part is still to be kept.
    assert_eq!(count(&store, SeriesKind::Status).await, 4);
    assert_eq!(count(&store, LOG).await, 10, "0 keeps for ever");
    assert_eq!(store.maintain(now).await.expect("house is kept").removed_partitions, 0);
    let files = std::fs::read_dir(folder.path().join("status")).expect("a folder");
    let databases =
        files.filter(|f| f.as_ref().is_ok_and(|f| f.path().extension().is_some_and(|e| e == "db")));
    assert_eq!(databases.count(), 4);
}

#[tokio::test]
async fn readers_are_not_broken_by_what_is_removed() {
    let folder = TempDir::new().expect("a folder");
    let retention_days = [(LOG, 1)].into();
    let store = open(&folder, SeriesOptions { retention_days, ..options() }).await;
    for week in 0..6 {
        store
            .append((0..50).map(|n| log(1, week * 7 * DAY + n, "t", "x")).collect())
            .await
            .expect("appended");
    }
    store.flush().await.expect("moved");
    let mut page = PageRequest::first(20);
    let mut seen = 0;
    for turn in 0.. {
        let got = store.events(&EventFilter::kind(EventKind::Log), &page).await.expect("a page");
        seen += got.items.len();
        if turn == 3 {
            store.maintain(Timestamp(T0 + 24 * DAY)).await.expect("house is kept");
        }
        match got.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    assert!((100..300).contains(&seen), "{seen}");
}

#[tokio::test]
async fn the_oldest_go_when_there_is_too_much() {
    let folder = TempDir::new().expect("a folder");
    let store = open(&folder, options()).await;
    for day in 0..8 {
        store.append((0..500).map(|n| status(n, day * DAY, n)).collect()).await.expect("appended");
    }
    store.flush().await.expect("moved");
    let stats = store.stats().await.expect("stats");
    let one = stats.kinds[&SeriesKind::Status].bytes / 8;
    assert_eq!(stats.kinds[&SeriesKind::Status].partitions, 8);
    drop(store);
    let store = open(&folder, SeriesOptions { max_total_bytes: one * 3, ..options() }).await;
    store.maintain(Timestamp(T0 + 7 * DAY)).await.expect("house is kept");
    let left = count(&store, SeriesKind::Status).await;
    assert!((500..=1500).contains(&left), "{left}");
    let stats = store.stats().await.expect("stats");
    assert_eq!(stats.kinds[&SeriesKind::Status].rows, left);
    drop(store);
    // The one that is written stays, however small the limit.
    let store = open(&folder, SeriesOptions { max_total_bytes: 1, ..options() }).await;
    store.maintain(Timestamp(T0 + 7 * DAY)).await.expect("house is kept");
    assert_eq!(count(&store, SeriesKind::Status).await, 500);
}

#[tokio::test]
async fn dead_letters_are_bounded_by_their_number() {
    let folder = TempDir::new().expect("a folder");
    let store = open(&folder, SeriesOptions { max_dead_letters: 100, ..options() }).await;
    let dead_letter = |offset: i64| {
        let key = DeviceKey::new("vm-1").expect("a key");
        let (topic, reason) = ("v1/vm-1/x".to_owned(), offset.to_string());
        row(0, offset, Fact::Event(Event::DeadLetter { key, topic, reason, payload: Vec::new() }))
    };
    for round in 0..10 {
        store.append((0..70).map(|n| dead_letter(round * 3 * DAY + n)).collect()).await.expect("appended");
        store.flush().await.expect("moved");
        store.maintain(Timestamp(T0 + round * 3 * DAY)).await.expect("house is kept");
        assert!(count(&store, DEAD).await <= 170, "a partition may have the most there may be");
    }
    let newest = store
        .events(&EventFilter::kind(EventKind::DeadLetter), &PageRequest::first(1))
        .await
        .expect("a page");
    assert_eq!(newest.items[0].at.0, T0 + 27 * DAY + 69);
}

#[tokio::test]
async fn rows_of_a_removed_partition_that_come_late_are_removed_again() {
    let folder = TempDir::new().expect("a folder");
    let store =
        open(&folder, SeriesOptions { retention_days: [(SeriesKind::Status, 1)].into(), ..options() }).await;
    let now = Timestamp(T0 + 9 * DAY);
    for _ in 0..2 {
        store.append(vec![status(1, 0, 1)]).await.expect("appended");
        store.flush().await.expect("moved");
        assert_eq!(store.maintain(now).await.expect("house is kept").removed_partitions, 1);
        assert_eq!(count(&store, SeriesKind::Status).await, 0);
    }
}
