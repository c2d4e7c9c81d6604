//! `series`: what devices tell over time, and how long it is kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use argosy_domain::model::EventKind;
use argosy_domain::ports::SeriesKind;
use argosy_store::series::SeriesOptions;

use super::storage::{check_exposure, check_uri, uri};
use crate::config::check::Findings;
use crate::config::key::section;
use crate::config::value::{Auto, SecretUri, Size, Switch};

section! {
    /// What devices tell over time: status, logs, sales, telemetry, steps of downloads, presence, dead letters. Days count by the
    /// server's clock; 0 keeps for ever.
    Series at "series" {
        /// `file:PATH`; `"auto"` is the folder `series` in `data_dir`.
        uri: Auto<SecretUri> = Auto::Auto, Limit::Said("a URI of a known back end"), secret;
        /// A file that holds the URI instead. `"off"`: none.
        uri_file: Switch<PathBuf> = Switch::Off, Limit::Any;
        /// Days that samples of `status/system` are kept.
        status_days: u32 = 30, Limit::Range(0, 36_500);
        /// Days that rows of `data/{stream}` are kept.
        data_days: u32 = 30, Limit::Range(0, 36_500);
        /// Days that error logs are kept.
        log_days: u32 = 180, Limit::Range(0, 36_500);
        /// Days that sales are kept.
        sale_days: u32 = 730, Limit::Range(0, 36_500);
        /// Days that steps of downloads are kept.
        download_days: u32 = 180, Limit::Range(0, 36_500);
        /// Days that it is kept who came and went.
        presence_days: u32 = 180, Limit::Range(0, 36_500);
        /// Days that tests and answers to commands are kept.
        note_days: u32 = 30, Limit::Range(0, 36_500);
        /// Days that messages which were not understood are kept.
        dead_letter_days: u32 = 30, Limit::Range(0, 36_500);
        /// Of those messages so many at most; the oldest go first.
        max_dead_letters: u64 = 10_000, Limit::Range(100, 10_000_000);
        /// Bytes of all of it at most; beyond it the oldest parts go, whatever their days. 0: no limit.
        max_bytes: Size = Size(0), Limit::Range(0, 1 << 60);
        /// With less space free than this nothing more is taken in, and devices keep what they have to tell: what is left
        /// is for updates.
        min_free_bytes: Size = Size(128 * 1024 * 1024), Limit::Range(0, 1 << 50);
        /// Memory for what was taken in and does not stand in its files yet (it is durable from the beginning).
        memory_bytes: Size = Size(64 * 1024 * 1024), Limit::Range(1024 * 1024, 16 * 1024 * 1024 * 1024);
    }
}

impl Series {
    /// The URI, wherever it stands.
    pub(crate) fn uri(&self, data: &Path) -> Result<String, String> {
        uri("series", &self.uri, &self.uri_file, || format!("file:{}", data.join("series").display()))
    }

    /// As the store takes them.
    pub(crate) fn build(&self) -> SeriesOptions {
        let retention_days = BTreeMap::from([
            (SeriesKind::Status, self.status_days),
            (SeriesKind::Data, self.data_days),
            (SeriesKind::Event(EventKind::Log), self.log_days),
            (SeriesKind::Event(EventKind::Sale), self.sale_days),
            (SeriesKind::Event(EventKind::Download), self.download_days),
            (SeriesKind::Event(EventKind::Presence), self.presence_days),
            (SeriesKind::Event(EventKind::Note), self.note_days),
            (SeriesKind::Event(EventKind::DeadLetter), self.dead_letter_days),
        ]);
        SeriesOptions {
            retention_days,
            max_total_bytes: self.max_bytes.0,
            head_bytes: usize::try_from(self.memory_bytes.0).unwrap_or(usize::MAX),
            min_free_bytes: self.min_free_bytes.0,
            max_dead_letters: self.max_dead_letters,
            flush_after: Duration::from_secs(600),
        }
    }

    pub(crate) fn check(&self, data: &Path, found: &mut Findings<'_>) {
        check_exposure(found, "series.uri", &self.uri, "series.uri_file", &self.uri_file);
        check_uri(found, "series.uri", self.uri(data), &["file"]);
    }
}
