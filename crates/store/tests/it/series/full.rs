//! No space left: appends are refused, nothing is harmed, and with space it goes on.

use std::process::Command;

use argosy_domain::ports::{PortErrorKind, SeriesStore as _};
use argosy_domain::testing::series::log;
use argosy_store::series::{EmbeddedSeries, SeriesOptions};
use tempfile::TempDir;

use super::child::{lines, start};
use super::options;

/// A file system of 6 MiB, in a name space of its own.
#[test]
fn a_full_file_system_refuses_and_recovers() {
    let folder = TempDir::new().expect("a folder");
    let mount = format!("mount -t tmpfs -o size=6m none '{}' && exec \"$@\"", folder.path().display());
    let unshare = ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", &mount, "bash"];
    let can = Command::new(unshare[0]).args(&unshare[1..]).arg("true").output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: no name spaces here");
        return;
    }
    let mut child = start(&unshare, folder.path(), "full", 0);
    let said: Vec<String> = lines(&mut child).filter(|line| !line.is_empty()).collect();
    assert!(child.wait().expect("it ends").success(), "{said:#?}");
    assert!(said.iter().any(|line| line.starts_with("full after")), "{said:#?}");
    assert!(said.iter().any(|line| line == "recovered"), "{said:#?}");
}

#[tokio::test]
async fn what_is_kept_for_others_is_not_taken() {
    let folder = TempDir::new().expect("a folder");
    let greedy = SeriesOptions { min_free_bytes: u64::MAX, ..options() };
    let store = EmbeddedSeries::open(folder.path().to_path_buf(), greedy).await.expect("it opens");
    let error = store.append(vec![log(1, 0, "t", "x")]).await.expect_err("refused");
    assert_eq!(error.kind, PortErrorKind::Full);
    assert_eq!(store.stats().await.expect("stats").append_failures, 1);
    assert_eq!(store.stats().await.expect("stats").rows(), 0);
    drop(store);
    super::open(folder.path()).await.append(vec![log(1, 0, "t", "x")]).await.expect("taken");
}
