//! Space, blob store and database.

use std::path::Path;

use argosy_store::sql::{NoObserver, SchemaError, SqlRegistry};
use rustix::fs::statvfs;

use super::Report;
use crate::args::Failure;
use crate::config::Config;

/// Less free space than this is said.
const LITTLE: u64 = 2 * 1024 * 1024 * 1024;
/// Less than this fails.
const NOTHING: u64 = 100 * 1024 * 1024;

/// The folder, or the nearest one above it that is there.
fn existing(path: &Path) -> Option<std::path::PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find(|path| path.exists()).map(Path::to_owned)
}

pub(super) fn space(config: &Config, report: &mut Report) {
    let Some(about) = existing(&config.data_dir).and_then(|folder| statvfs(&folder).ok()) else {
        return report.warn("disk", "the free space cannot be asked for");
    };
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    let text = format!("{:.1} GiB free for {}", free as f64 / f64::from(1 << 30), config.data_dir.display());
    match free {
        ..NOTHING => report.fail("disk", format!("{text}: the database cannot grow")),
        NOTHING..LITTLE => report.warn("disk", format!("{text}: that is little")),
        _ => report.ok("disk", text),
    }
}

pub(super) fn blobs(config: &Config, report: &mut Report) {
    match config.blobs.uri(&config.data_dir) {
        Err(error) => report.fail("blobs", error),
        Ok(uri) => {
            let path = uri.strip_prefix("file:").unwrap_or(&uri);
            let there = Path::new(path.strip_prefix("//").unwrap_or(path)).is_dir();
            report.ok("blobs", if there { uri } else { format!("{uri} (the first start makes it)") });
        }
    }
}

pub(super) fn series(config: &Config, report: &mut Report) {
    match config.series.uri(&config.data_dir) {
        Err(error) => report.fail("series", error),
        Ok(uri) => {
            let path = uri.strip_prefix("file:").unwrap_or(&uri);
            let folder = Path::new(path.strip_prefix("//").unwrap_or(path));
            if !folder.is_dir() {
                return report.ok("series", format!("{uri} (the first start makes it)"));
            }
            let damaged = std::fs::read_dir(folder.join("quarantine")).map_or(0, Iterator::count);
            if damaged > 0 {
                report.warn(
                    "series",
                    format!(
                        "{damaged} damaged files were set aside in {}: what they hold is missing from answers; \
                         look at the disk, restore them from a backup, or remove them",
                        folder.join("quarantine").display()
                    ),
                );
            }
            let free =
                statvfs(folder).map_or(u64::MAX, |about| about.f_bavail.saturating_mul(about.f_frsize));
            if free < config.series.min_free_bytes.0 {
                report.fail(
                    "series",
                    format!(
                        "{uri} takes nothing in: less space is free than series.min_free_bytes; free some"
                    ),
                );
            } else {
                report.ok("series", uri);
            }
        }
    }
}

pub(super) async fn database(config: &Config, report: &mut Report) {
    let uri = match config.database.uri(&config.data_dir) {
        Ok(uri) => uri,
        Err(error) => return report.fail("database", error),
    };
    // To open a file that is not there would make it.
    if let Some(path) = uri.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if !Path::new(path).exists() {
            return report.ok("database", format!("{path} is not there yet: the first start makes it"));
        }
    }
    let registry = match SqlRegistry::connect(&uri, &config.database.build(), NoObserver).await {
        Ok(registry) => registry,
        Err(error) => {
            return report.fail("database", Failure::because("it cannot be opened", &error).message);
        }
    };
    let location = registry.location();
    match registry.check_schema().await {
        // A server's database is there before its first start.
        Err(SchemaError::Older { found: 0, .. }) => {
            report.ok("database", format!("{location} is empty: the first start makes its schema"));
        }
        Ok(()) => report.ok("database", format!("{location} is of this version")),
        Err(error) => report.warn("database", Failure::because(&location, &error).message),
    }
    match registry.find_damage().await {
        Ok(None) => report.ok("database", "no damage was found"),
        Ok(Some(damage)) => {
            report.fail("database", format!("it is damaged ({damage}): restore it from a backup"))
        }
        Err(error) => report.fail("database", Failure::because("it does not answer", &error).message),
    }
    if registry.check_schema().await.is_ok() {
        match registry.check_tallies().await {
            Ok(differences) if differences.is_empty() => {
                report.ok("counts", "counts and search index say what the tables say");
            }
            Ok(differences) => report.fail(
                "counts",
                format!(
                    "what is counted differs from what is there ({}): stop the server and run `argosy migrate --recount`, and \
                     tell us",
                    differences.join("; ")
                ),
            ),
            Err(error) => report.fail("counts", Failure::because("they cannot be checked", &error).message),
        }
    }
    registry.close().await;
}
