mod child;
mod contract;
mod crash;
mod damage;
mod full;
mod measure;
mod retention;
mod snapshot;

use std::path::Path;

use argosy_store::series::{EmbeddedSeries, SeriesOptions};

/// Settings of a test: no space kept for others.
pub(crate) fn options() -> SeriesOptions {
    SeriesOptions { min_free_bytes: 0, ..SeriesOptions::default() }
}

pub(crate) async fn open(folder: &Path) -> EmbeddedSeries {
    EmbeddedSeries::open(folder.to_path_buf(), options()).await.expect("the series store opens")
}
