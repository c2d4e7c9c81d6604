//! A copy taken while rows come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use argosy_domain::Timestamp;
use argosy_domain::ports::SeriesStore;
use argosy_domain::testing::series::{DAY, T0};
use tempfile::TempDir;

use super::child::{group, verify};
use super::open;

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_under_load_has_everything_of_before_and_can_be_written_on() {
    let folder = TempDir::new().expect("a folder");
    let copies = TempDir::new().expect("a folder");
    let store = Arc::new(open(folder.path()).await);
    let (acknowledged, done) = (Arc::new(AtomicI64::new(-1)), Arc::new(AtomicBool::new(false)));
    let writer = {
        let (store, acknowledged, done) = (store.clone(), acknowledged.clone(), done.clone());
        async move {
            let mut number = 0;
            while !done.load(Ordering::SeqCst) {
                store.append(group(number)).await.expect("appended");
                acknowledged.store(number, Ordering::SeqCst);
                number += 1;
                if number % 20 == 0 {
                    store.maintain(Timestamp(T0 + DAY)).await.expect("house is kept");
                }
                tokio::task::yield_now().await;
            }
        }
    };
    let copier = async {
        let mut befores = Vec::new();
        for n in 0..5 {
            while acknowledged.load(Ordering::SeqCst) < n * 30 {
                tokio::task::yield_now().await;
            }
            let before = acknowledged.load(Ordering::SeqCst);
            store.snapshot(&copies.path().join(n.to_string())).await.expect("copied");
            befores.push(before);
        }
        done.store(true, Ordering::SeqCst);
        befores
    };
    let ((), befores) = tokio::join!(writer, copier);
    for (n, before) in befores.into_iter().enumerate() {
        let copy = open(&copies.path().join(n.to_string())).await;
        // Rows of the time of the copying may be in one file and not in another: only those of before are whole.
        let logs = copy
            .count(argosy_domain::ports::SeriesKind::Status, argosy_domain::ports::TimeSpan::ALL, None)
            .await
            .expect("count");
        assert!(logs >= (before as u64 + 1) * super::child::DEVICES as u64);
        copy.append(group(1_000_000)).await.expect("the copy can be written");
        copy.flush().await.expect("moved");
    }
}

#[tokio::test]
async fn a_copy_of_a_quiet_store_is_the_store() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path()).await;
    for number in 0..50 {
        store.append(group(number)).await.expect("appended");
        if number == 20 {
            store.flush().await.expect("moved");
        }
    }
    let copies = TempDir::new().expect("a folder");
    store.snapshot(copies.path()).await.expect("copied into an empty folder");
    assert!(store.snapshot(copies.path()).await.is_err(), "a folder with something in it is refused");
    assert_eq!(verify(&open(copies.path()).await, 49).await, 49);
    assert_eq!(verify(&store, 49).await, 49);
}
