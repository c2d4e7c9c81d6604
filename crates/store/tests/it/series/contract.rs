//! The port's contract suite.

use argosy_domain::ports::SeriesStore;
use argosy_domain::testing::series;
use argosy_store::series::{EmbeddedSeries, SeriesOptions};
use tempfile::TempDir;

use super::options;

async fn keeps_the_contract(options: SeriesOptions) {
    for case in series::cases() {
        eprintln!("series contract: {}", case.name);
        let folder = TempDir::new().expect("a folder");
        let store = EmbeddedSeries::open(folder.path().to_path_buf(), options.clone()).await.expect("opens");
        (case.run)(&store).await;
    }
}

#[tokio::test]
async fn the_embedded_store_keeps_the_contract() {
    keeps_the_contract(options()).await;
}

/// Memory for nothing: every append but the first moves rows into partitions before it.
#[tokio::test]
async fn it_keeps_the_contract_when_every_append_moves_rows() {
    keeps_the_contract(SeriesOptions { head_bytes: 0, ..options() }).await;
}

#[tokio::test]
async fn a_uri_chooses_the_back_end() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("series").display().to_string();
    for uri in [format!("file:{path}"), format!("file://{path}"), path.clone()] {
        let store = argosy_store::series::open(&uri, options()).await.expect(&uri);
        store.append(vec![series::log(1, 0, "tag", "text")]).await.expect("appended");
    }
    for bad in ["questdb:http://127.0.0.1:9000", "mysql://x", "file:"] {
        let error = argosy_store::series::open(bad, options()).await.err().expect(bad);
        let why = error.source.expect("why").to_string();
        assert!(why.contains("file:FOLDER"), "{why}");
    }
}

#[tokio::test]
async fn one_process_has_the_folder() {
    let folder = TempDir::new().expect("a folder");
    let first = super::open(folder.path()).await;
    let second = EmbeddedSeries::open(folder.path().to_path_buf(), options()).await;
    assert!(second.is_err_and(|error| error.is_transient()));
    drop(first);
    super::open(folder.path()).await.append(Vec::new()).await.expect("it is free again");
}
