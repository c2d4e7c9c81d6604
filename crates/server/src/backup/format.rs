//! What stands in a backup.

use argosy_store::sql::DumpSummary;
use serde::{Deserialize, Serialize};

/// Raised when a program of before could not read it.
pub(crate) const FORMAT: u32 = 1;

/// The first entry: what this is.
pub(crate) const HEADER: &str = "argosy-backup.json";
/// The registry as text.
pub(crate) const REGISTRY: &str = "registry.jsonl";
/// The configuration file, if the server has one.
pub(crate) const CONFIG: &str = "argosy.toml";
/// Revocations, as they stand outside the data folder.
pub(crate) const REVOCATIONS: &str = "revocations.jsonl";
/// Files of the certificate authority.
pub(crate) const PKI: &str = "pki";
/// The server's own keys.
pub(crate) const SECRETS: &str = "secrets";
/// Files of the series store.
pub(crate) const SERIES: &str = "series";
/// Artifacts, each by its hash.
pub(crate) const BLOBS: &str = "blobs";
/// The last entry: all others.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The first entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// [`FORMAT`].
    pub(crate) format: u32,
    /// The version that made it.
    pub(crate) argosy: String,
    /// When, in milliseconds since the epoch.
    pub(crate) created_at_ms: i64,
    /// The registry: its engine, its schema, its rows.
    pub(crate) engine: String,
    /// Migrations of its schema, and rows by table.
    pub(crate) registry: DumpSummary,
}

/// One entry of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its name in the tar file.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) size: u64,
    /// Their SHA-256, lower-case hexadecimal.
    pub(crate) sha256: String,
}

/// The last entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Every other entry, in order.
    pub(crate) entries: Vec<Entry>,
}

/// Whether it is a name that a backup may have: what is restored from it becomes a path.
pub(crate) fn is_entry_name(name: &str) -> bool {
    const ALONE: [&str; 5] = [HEADER, REGISTRY, CONFIG, REVOCATIONS, MANIFEST];
    const FOLDERS: [&str; 4] = [PKI, SECRETS, SERIES, BLOBS];
    if ALONE.contains(&name) {
        return true;
    }
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let mut parts = name.split('/');
    parts.next().is_some_and(|first| FOLDERS.contains(&first))
        && name.contains('/')
        && name.len() <= 200
        && name.split('/').skip(1).all(plain)
}

#[cfg(test)]
mod tests {
    use super::is_entry_name;

    #[test]
    fn names_stay_in_their_folders() {
        for good in
            ["manifest.json", "pki/root.pem", "series/status/2026-01-01.db", "blobs/ab12", "secrets/a.key"]
        {
            assert!(is_entry_name(good), "{good}");
        }
        for bad in [
            "",
            "/etc/passwd",
            "pki",
            "pki/",
            "pki/../x",
            "pki//x",
            "../pki/x",
            "other/x",
            "pki/.x",
            "pki/a\\b",
            "pki/a b",
        ] {
            assert!(!is_entry_name(bad), "{bad}");
        }
    }
}
