//! Damaged files are set aside; everything else goes on.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use argosy_domain::ports::{SeriesKind, SeriesStore, TimeSpan};
use argosy_domain::testing::series::{DAY, status};
use argosy_proto::DeviceId;
use argosy_store::series::EmbeddedSeries;
use tempfile::TempDir;

use super::open;

async fn statuses(store: &EmbeddedSeries) -> u64 {
    store.count(SeriesKind::Status, TimeSpan::ALL, None).await.expect("count")
}

/// Three days of a thousand rows each, moved.
async fn three_days(folder: &Path) -> Vec<PathBuf> {
    let store = open(folder).await;
    for day in 0..3 {
        store.append((0..1000).map(|n| status(n % 50, day * DAY + n, n)).collect()).await.expect("appended");
    }
    store.flush().await.expect("moved");
    assert_eq!(statuses(&store).await, 3000);
    let mut files: Vec<_> =
        fs::read_dir(folder.join("status")).expect("a folder").map(|e| e.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "db"));
    files.sort();
    assert_eq!(files.len(), 3);
    files
}

#[tokio::test]
async fn a_file_that_is_no_database_is_set_aside_when_it_is_opened() {
    let folder = TempDir::new().expect("a folder");
    let files = three_days(folder.path()).await;
    fs::write(&files[1], b"this is not a database, though it has the length of a header ".repeat(400))
        .expect("damaged");
    let store = open(folder.path()).await;
    assert_eq!(statuses(&store).await, 2000);
    assert_eq!(store.stats().await.expect("stats").quarantined, 1);
    assert!(!files[1].exists());
    assert_eq!(fs::read_dir(folder.path().join("quarantine")).expect("a folder").count(), 1);
    // The day can be written again.
    store.append(vec![status(1, DAY, 1)]).await.expect("appended");
    store.flush().await.expect("moved");
    assert_eq!(statuses(&store).await, 2001);
}

#[tokio::test]
async fn a_file_that_is_damaged_inside_is_set_aside_when_it_is_read_or_written() {
    let folder = TempDir::new().expect("a folder");
    let files = three_days(folder.path()).await;
    for file in &files[..2] {
        let bytes = fs::metadata(file).expect("there").len();
        let damaged = fs::OpenOptions::new().write(true).open(file).expect("opened");
        // The header and the schema are well; the pages after them are not.
        damaged.write_all_at(&vec![0xa5; bytes as usize - 16384], 16384).expect("damaged");
    }
    let store = open(folder.path()).await;
    // Writing the one, reading the other.
    store.append(vec![status(1, 5, 1)]).await.expect("appended");
    store.flush().await.expect("moved");
    assert_eq!(statuses(&store).await, 1001);
    assert_eq!(store.stats().await.expect("stats").quarantined, 2);
    let latest = store.latest(&[DeviceId(49)]).await.expect("latest");
    assert!(latest[0].status.is_some(), "it has a file of its own");
}

#[tokio::test]
async fn the_file_of_latest_values_is_made_again_from_the_partitions() {
    for damage in [None, Some(&b"nonsense"[..])] {
        let folder = TempDir::new().expect("a folder");
        three_days(folder.path()).await;
        let file = folder.path().join("latest.db");
        fs::remove_file(&file).expect("removed");
        if let Some(damage) = damage {
            fs::write(&file, damage.repeat(1000)).expect("damaged");
        }
        let store = open(folder.path()).await;
        let devices: Vec<_> = (0..50).map(DeviceId).collect();
        for (latest, n) in store.latest(&devices).await.expect("latest").iter().zip(950_u64..) {
            let status = latest.status.as_ref().expect("a status");
            assert_eq!(status.values.uptime, Some(n * 10));
            assert_eq!(status.values, argosy_domain::testing::series::status_sample(n as i64));
        }
    }
}

#[tokio::test]
async fn a_torn_end_of_the_journal_is_cut_and_the_rest_is_kept() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path()).await;
    for n in 0..10 {
        store.append(vec![status(n, n, n)]).await.expect("appended");
    }
    drop(store);
    let journal = fs::read_dir(folder.path().join("journal")).expect("a folder").next().expect("a segment");
    let journal = journal.expect("a segment").path();
    let mut bytes = fs::read(&journal).expect("read");
    bytes.extend_from_slice(&bytes.clone()[..40]);
    fs::write(&journal, bytes).expect("written");
    let store = open(folder.path()).await;
    assert_eq!(statuses(&store).await, 10);
    store.append(vec![status(11, 11, 11)]).await.expect("appended");
    drop(store);
    assert_eq!(statuses(&open(folder.path()).await).await, 11);
}

#[tokio::test]
async fn without_its_journal_folder_it_begins_anew_after_what_is_there() {
    let folder = TempDir::new().expect("a folder");
    three_days(folder.path()).await;
    fs::remove_dir_all(folder.path().join("journal")).expect("removed");
    let store = open(folder.path()).await;
    store.append(vec![status(1, 3 * DAY, 1)]).await.expect("appended");
    store.flush().await.expect("moved");
    drop(store);
    assert_eq!(statuses(&open(folder.path()).await).await, 3001);
}
