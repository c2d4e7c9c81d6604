//! Opens the pools and settles how each connection behaves.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AssertSqlSafe, Executor as _, Pool};

use super::dialect::Dialect;
use super::options::{Durability, SqlOptions};
use super::uri::{DatabaseUri, UriError};

/// `ARGO`, in the header of our SQLite files.
const APPLICATION_ID: i64 = 1_095_911_247;

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URI.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// SQLite's file could not be made or opened.
    #[error("could not open the database file {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The engine refused the connection or its settings.
    #[error("could not connect to {uri}")]
    Connect {
        /// The URI without its password.
        uri: String,
        /// What the engine says.
        #[source]
        source: sqlx::Error,
    },
    /// Another program's SQLite file.
    #[error("{} is a database, but not one of Argosy", file.display())]
    NotOurs {
        /// The file.
        file: PathBuf,
    },
    /// The server confirms commits before they are on disk.
    #[error(
        "{uri} confirms commits before they are on disk ({setting}): an acknowledged message could be lost by power loss; \
         change the setting, or accept the risk in the configuration"
    )]
    NotDurable {
        /// The URI without its password.
        uri: String,
        /// The setting and its value.
        setting: String,
    },
}

/// The two pools.
pub(super) struct Pools {
    pub(super) writer: Pool<Any>,
    pub(super) reader: Pool<Any>,
}

pub(super) async fn open(uri: &DatabaseUri, options: &SqlOptions) -> Result<Pools, OpenError> {
    sqlx::any::install_default_drivers();
    let failed = |source| OpenError::Connect { uri: uri.to_string(), source };
    if let Some(file) = &uri.file {
        make_file(file).map_err(|source| OpenError::File { file: file.clone(), source })?;
    }
    // SQLite has one writer. A server gets a second connection, since one that was dropped in the middle of a unit of work is
    // rolled back on its way to the pool, and the next unit need not wait for that.
    let writers = if uri.dialect == Dialect::Sqlite { 1 } else { 2 };
    let writer = pool(uri.dialect, options, writers, writer_settings(uri.dialect, options), &uri.connect);
    let writer = writer.await.map_err(failed)?;
    if let Some(file) = &uri.file {
        let ours = is_ours(&writer).await.map_err(failed)?;
        if !ours {
            return Err(OpenError::NotOurs { file: file.clone() });
        }
    }
    check_durability(&writer, uri, options).await?;
    let settings = reader_settings(uri.dialect, options);
    let reader =
        pool(uri.dialect, options, options.readers.max(1), settings, &uri.connect).await.map_err(failed)?;
    Ok(Pools { writer, reader })
}

/// The file holds password hashes: only its owner may read it. SQLite gives its side files the same mode.
fn make_file(file: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).open(file).map(drop)
        }
        made => made.map(drop),
    }
}

async fn pool(
    dialect: Dialect,
    options: &SqlOptions,
    size: u32,
    settings: String,
    connect: &AnyConnectOptions,
) -> sqlx::Result<Pool<Any>> {
    let settings: std::sync::Arc<str> = settings.into();
    let mut pool = AnyPoolOptions::new()
        .max_connections(size)
        .min_connections(1)
        .acquire_timeout(options.wait)
        // A file does not go away; a server's connection may have, and is tried before it is given out.
        .test_before_acquire(dialect != Dialect::Sqlite)
        .after_connect(move |connection, _| {
            let settings = settings.clone();
            Box::pin(async move {
                connection.execute(AssertSqlSafe(settings.to_string())).await?;
                Ok(())
            })
        });
    if dialect == Dialect::Sqlite {
        // Opening anew would throw its warm cache away. A unit of work that was dropped leaves its transaction open: this is the
        // end of it, before the next one gets the connection. (Without a transaction it is an error, and cheap.)
        pool = pool.idle_timeout(None).max_lifetime(None).after_release(|connection, _| {
            Box::pin(async move {
                let _ = connection.execute("ROLLBACK").await;
                Ok(true)
            })
        });
    }
    pool.connect_with(connect.clone()).await
}

fn writer_settings(dialect: Dialect, options: &SqlOptions) -> String {
    match dialect {
        // WAL: readers and the writer do not wait for each other. synchronous = FULL: in WAL mode only FULL syncs the log at
        // every commit; NORMAL leaves the last commits to the next checkpoint, and power loss takes them, although devices were
        // told that their messages are safe. The log is folded into the file every 4,096 pages (16 MiB): rarer than SQLite's
        // default, since each time costs the unit of work that happens to do it.
        Dialect::Sqlite => format!(
            "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{}; PRAGMA wal_autocheckpoint = 4096; \
             PRAGMA journal_size_limit = 67108864",
            options.wait.as_millis(),
            options.cache_kib,
        ),
        // `off` alone is not durable; `local` and the replicated ones are, and stay as the administrator set them.
        Dialect::Postgres => format!(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'; \
             SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; SET lock_timeout = {}; {POSTGRES}",
            options.wait.as_millis(),
        ),
        Dialect::Mysql => {
            format!("{MYSQL}; SET SESSION innodb_lock_wait_timeout = {}", options.wait.as_secs().max(1))
        }
    }
}

fn reader_settings(dialect: Dialect, options: &SqlOptions) -> String {
    match dialect {
        Dialect::Sqlite => format!(
            "PRAGMA busy_timeout = {}; PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{}",
            options.wait.as_millis(),
            options.cache_kib,
        ),
        Dialect::Postgres => format!("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; {POSTGRES}"),
        Dialect::Mysql => format!("{MYSQL}; SET SESSION TRANSACTION READ ONLY"),
    }
}

/// States are skewed (most devices are active, most updates final): a plan that is good for any value is bad for the one asked.
const POSTGRES: &str = "SET plan_cache_mode = force_custom_plan";

/// Strict: what does not fit is an error, not cut. READ COMMITTED: no locks on gaps between rows.
const MYSQL: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,NO_ZERO_IN_DATE,\
                     ERROR_FOR_DIVISION_BY_ZERO'; \
                     SET NAMES utf8mb4 COLLATE utf8mb4_bin; \
                     SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// An empty file, or one with our mark.
async fn is_ours(writer: &Pool<Any>) -> sqlx::Result<bool> {
    let id: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(writer).await?;
    if id == APPLICATION_ID {
        return Ok(true);
    }
    let tables: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_master WHERE name <> '_sqlx_migrations'")
            .fetch_one(writer)
            .await?;
    Ok(id == 0 && tables == 0)
}

async fn check_durability(
    writer: &Pool<Any>,
    uri: &DatabaseUri,
    options: &SqlOptions,
) -> Result<(), OpenError> {
    let (statement, name, durable): (_, _, &[&str]) = match uri.dialect {
        Dialect::Sqlite => return Ok(()),
        Dialect::Postgres => ("SELECT current_setting('fsync')", "fsync", &["on"]),
        // 3 is MariaDB's: 1, with its older way of group commit.
        Dialect::Mysql => (
            "SELECT CONCAT(CAST(@@GLOBAL.innodb_flush_log_at_trx_commit AS CHAR), '')",
            "innodb_flush_log_at_trx_commit",
            &["1", "3"],
        ),
    };
    let value: String = sqlx::query_scalar(statement)
        .fetch_one(writer)
        .await
        .map_err(|source| OpenError::Connect { uri: uri.to_string(), source })?;
    if durable.contains(&value.as_str()) {
        return Ok(());
    }
    let setting = format!("{name} = {value}");
    match options.durability {
        Durability::Require => Err(OpenError::NotDurable { uri: uri.to_string(), setting }),
        Durability::Warn => {
            tracing::warn!(
                database = %uri,
                setting,
                "the database confirms commits before they are on disk: power loss can lose acknowledged messages"
            );
            Ok(())
        }
    }
}
