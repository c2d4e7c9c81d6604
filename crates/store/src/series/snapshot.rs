//! A consistent copy while everything goes on.

use std::fs::{self, File};
use std::path::Path;

use argosy_domain::ports::{PortError, PortErrorKind, PortResult, SeriesKind};
use sqlx::Executor as _;
use sqlx::sqlite::SqliteConnection;

use super::journal::sync_folder;
use super::open::EmbeddedSeries;
use super::partition::{classify, io_error};

const OPERATION: &str = "copy series";

impl EmbeddedSeries {
    /// Everything durable is moved into partitions first; each is then copied as one read transaction sees it. Rows that are moved
    /// meanwhile may be in one copy and not in another: they are of after the call.
    pub(super) async fn copy_into(&self, into: &Path) -> PortResult<()> {
        let failed = |error| io_error(OPERATION, error);
        fs::create_dir_all(into).map_err(failed)?;
        if fs::read_dir(into).map_err(failed)?.next().is_some() {
            let why = format!("{} is not empty", into.display());
            return Err(PortError::new(OPERATION, PortErrorKind::Conflict).with_source(why));
        }
        self.flush_all().await?;
        fs::create_dir_all(into.join("journal")).map_err(failed)?;
        for kind in SeriesKind::ALL {
            let folder = into.join(kind.as_str());
            fs::create_dir_all(&folder).map_err(failed)?;
            for partition in self.partitions(kind) {
                let Some(name) = partition.path.file_name() else { continue };
                let Some(mut reader) = self.reader(&partition, OPERATION).await? else { continue };
                let copied = vacuum_into(&mut reader, &folder.join(name)).await;
                self.settle(&partition, reader, OPERATION, copied)?;
            }
            sync_folder(&folder).map_err(failed)?;
        }
        let mut reader = self.latest.readers.get().await.map_err(|error| classify(OPERATION, error))?;
        vacuum_into(&mut reader, &into.join("latest.db"))
            .await
            .map_err(|error| classify(OPERATION, error))?;
        self.latest.readers.give_back(reader);
        sync_folder(into).map_err(failed)
    }
}

/// SQLite does not sync what it copies: done here.
async fn vacuum_into(reader: &mut SqliteConnection, target: &Path) -> sqlx::Result<()> {
    super::partition::make_file(target)?;
    // To SQLite the copy is a write, although nothing of the partition is changed.
    reader.execute("PRAGMA query_only = OFF").await?;
    sqlx::query("VACUUM INTO ?").bind(target.display().to_string()).execute(&mut *reader).await?;
    reader.execute("PRAGMA query_only = ON").await?;
    File::open(target)?.sync_all()?;
    Ok(())
}
