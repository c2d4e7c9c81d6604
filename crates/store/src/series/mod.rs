//! The series store inside: a journal for durability, SQLite files partitioned by time for reading and retention.
//!
//! An append is one write and one sync of the journal (`journal`); its rows then stand in memory (`head`). From time to time they
//! are moved (`flush`) into partitions, samples packed a device and column at a time (`chunk`), events as rows, and the journal's segment is
//! removed. Every read joins the three at one moment's view. Why: `docs/adr/0006-series.md`.
//!
//! To add a kind: `SeriesKind` and its contract cases in the domain, a tag in `facts`, a width and a retention in `options`.

mod append;
mod chunk;
mod codec;
mod counts;
mod events;
mod facts;
mod flush;
mod head;
mod journal;
mod latest;
mod open;
mod options;
mod partition;
mod port;
mod ranges;
mod retention;
mod sales;
mod samples;
mod snapshot;

use std::path::PathBuf;
use std::sync::Arc;

use argosy_domain::ports::{PortError, PortErrorKind, PortResult, SeriesStore};

pub use open::EmbeddedSeries;
pub use options::{SeriesOptions, default_retention_days, partition_width_ms};

/// Opens the series store that `uri` names: `file:FOLDER`, or a plain path. What the journal holds from the last run is taken over.
///
/// # Errors
/// When the scheme is not known, the folder cannot be made or read, or another process has it.
pub async fn open(uri: &str, options: SeriesOptions) -> PortResult<Arc<dyn SeriesStore>> {
    let refused =
        |why: String| Err(PortError::new("open series store", PortErrorKind::Internal).with_source(why));
    let path = match uri.split_once(':') {
        Some(("file", path)) => path.strip_prefix("//").unwrap_or(path),
        Some(("questdb", _)) => {
            return refused(
                "questdb: is planned and not in this version; use file:FOLDER, which keeps series in files on this machine"
                    .to_owned(),
            );
        }
        Some((scheme, _)) => {
            return refused(format!("{scheme}: is not a series store this version knows; use file:FOLDER"));
        }
        None => uri,
    };
    if path.is_empty() {
        return refused("the folder's name is missing; use file:FOLDER".to_owned());
    }
    Ok(Arc::new(EmbeddedSeries::open(PathBuf::from(path), options).await?))
}
