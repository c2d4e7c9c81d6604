//! `database` and `blobs`: where everything is kept. The URI chooses the back end.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use argosy_store::sql::{Durability, SqlOptions};

use crate::config::check::Findings;
use crate::config::key::section;
use crate::config::load::Origin;
use crate::config::value::{Auto, SecretUri, Size, Switch};

section! {
    /// The registry's database.
    Database at "database" {
        /// `sqlite:PATH`, `postgres://…` or `mysql://…`; `"auto"` is SQLite in `data_dir`. A password in it shows in
        /// process lists if it is given as an argument: prefer `uri_file` for such a URI.
        uri: Auto<SecretUri> = Auto::Auto, Limit::Said("a URI of a known back end"), secret;
        /// A file that holds the URI instead, for one with a password in it. `"off"`: none.
        uri_file: Switch<PathBuf> = Switch::Off, Limit::Any;
        /// Connections for reading.
        readers: u32 = 4, Limit::Range(1, 256);
        /// Seconds that an operation waits for its turn to write, or for a connection, before it fails.
        wait_seconds: u32 = 30, Limit::Range(1, 600);
        /// SQLite: memory for its pages, each connection.
        cache_bytes: Size = Size(32 * 1024 * 1024), Limit::Range(1024 * 1024, 16 * 1024 * 1024 * 1024);
        /// Start although the database server confirms commits before they are on disk: power loss can then lose messages
        /// that devices were told are safe.
        accept_lossy_commits: bool = false, Limit::Any;
    }
}

section! {
    /// The files: firmware images.
    Blobs at "blobs" {
        /// `file:PATH`; `"auto"` is the folder `blobs` in `data_dir`.
        uri: Auto<SecretUri> = Auto::Auto, Limit::Said("a URI of a known back end"), secret;
        /// A file that holds the URI instead. `"off"`: none.
        uri_file: Switch<PathBuf> = Switch::Off, Limit::Any;
    }
}

/// Both ways of giving a URI, and what it is if neither is used.
pub(super) fn uri(
    key: &'static str,
    value: &Auto<SecretUri>,
    file: &Switch<PathBuf>,
    default: impl FnOnce() -> String,
) -> Result<String, String> {
    match (value.value(), file.value()) {
        (Some(_), Some(_)) => Err(format!("{key}.uri and {key}.uri_file are both set: keep one")),
        (Some(uri), None) => Ok(uri.reveal().to_owned()),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            Ok(text.trim().to_owned())
        }
        (None, None) => Ok(default()),
    }
}

/// The part before the colon; nothing of a text without one, which may be a password in the wrong place.
fn scheme(uri: &str) -> &str {
    uri.split_once(':').map_or("a text without a scheme", |(scheme, _)| scheme)
}

/// Whether other users of this machine may read a file.
fn is_open(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|about| about.mode() & 0o044 != 0)
}

/// Warns of a password that others can see.
pub(super) fn check_exposure(
    found: &mut Findings<'_>,
    key: &'static str,
    value: &Auto<SecretUri>,
    file_key: &'static str,
    file: &Switch<PathBuf>,
) {
    let advice = "put the URI into a file that only this user can read, and name that with uri_file";
    if value.value().is_some_and(SecretUri::holds_secret) {
        match found.origin(key) {
            Origin::Flag(_) => {
                let text = "its password shows in the list of processes".to_owned();
                found.warning(key, text, advice);
            }
            Origin::File(file, _) if is_open(&file) => {
                let text = format!("its password stands in {}, which other users can read", file.display());
                found.warning(key, text, advice);
            }
            _ => {}
        }
    }
    if let Some(file) = file.value()
        && is_open(file)
    {
        found.warning(file_key, format!("other users can read {}", file.display()), "chmod 600 it");
    }
}

pub(super) fn check_uri(
    found: &mut Findings<'_>,
    key: &'static str,
    uri: Result<String, String>,
    schemes: &[&str],
) {
    match uri {
        Err(error) => {
            found.error(key, error, "give one of uri and uri_file, and let this user read the file")
        }
        Ok(uri) if !schemes.contains(&scheme(&uri)) => found.error(
            key,
            format!("{:?} is not a back end that is known here", scheme(&uri)),
            &format!(
                "a URI begins with one of {}",
                schemes.iter().map(|s| format!("{s}:")).collect::<Vec<_>>().join(", ")
            ),
        ),
        Ok(_) => {}
    }
}

impl Database {
    /// The URI, wherever it stands.
    pub(crate) fn uri(&self, data: &Path) -> Result<String, String> {
        uri("database", &self.uri, &self.uri_file, || {
            format!("sqlite:{}", data.join("registry.db").display())
        })
    }

    /// As the store takes them.
    pub(crate) fn build(&self) -> SqlOptions {
        SqlOptions {
            readers: self.readers,
            wait: Duration::from_secs(u64::from(self.wait_seconds)),
            durability: if self.accept_lossy_commits { Durability::Warn } else { Durability::Require },
            cache_kib: u32::try_from(self.cache_bytes.0 / 1024).unwrap_or(u32::MAX),
        }
    }

    pub(crate) fn check(&self, data: &Path, found: &mut Findings<'_>) {
        if self.accept_lossy_commits {
            found.warning(
                "database.accept_lossy_commits",
                "power loss can lose messages that devices were told are safe".to_owned(),
                "let the database flush at every commit, and remove this key",
            );
        }
        check_exposure(found, "database.uri", &self.uri, "database.uri_file", &self.uri_file);
        check_uri(
            found,
            "database.uri",
            self.uri(data),
            &["sqlite", "postgres", "postgresql", "mysql", "mariadb"],
        );
    }
}

impl Blobs {
    /// The URI, wherever it stands.
    pub(crate) fn uri(&self, data: &Path) -> Result<String, String> {
        uri("blobs", &self.uri, &self.uri_file, || format!("file:{}", data.join("blobs").display()))
    }

    pub(crate) fn check(&self, data: &Path, found: &mut Findings<'_>) {
        check_exposure(found, "blobs.uri", &self.uri, "blobs.uri_file", &self.uri_file);
        check_uri(found, "blobs.uri", self.uri(data), &["file"]);
    }
}
