//! The registry itself: its pools, its turn to write, its schema.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argosy_domain::ports::{PortError, PortErrorKind, PortResult, ReadSession, Registry, UnitOfWork};
use async_trait::async_trait;
use sqlx::{Any, Pool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect::{self, OpenError};
use super::dialect::Dialect;
use super::error::classify;
use super::migrate::{self, AppliedMigration, SchemaError};
use super::options::{SqlOptions, TxObserver};
use super::query::Query;
use super::session::{Session, Unit};
use super::sole::{SoleError, SoleUse};
use super::uri::DatabaseUri;

/// The registry on a relational database. Clones share its connections.
#[derive(Clone)]
pub struct SqlRegistry {
    uri: Arc<DatabaseUri>,
    writer: Pool<Any>,
    reader: Pool<Any>,
    /// One permit: units of work come one after the other, first come, first served.
    turn: Arc<Semaphore>,
    wait: Duration,
    observer: Arc<dyn TxObserver>,
}

impl fmt::Debug for SqlRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlRegistry").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl SqlRegistry {
    /// Opens the database that `uri` names (`sqlite:PATH`, `postgres://…`, `mysql://…`, `mariadb://…`); SQLite's file is made,
    /// readable by its owner only, its folder is not. The schema is left alone: see [`Self::migrate`].
    ///
    /// # Errors
    /// The URI is none that is known, the database cannot be reached or is not ours, or a server does not flush at commit.
    pub async fn connect(
        uri: &str,
        options: &SqlOptions,
        observer: impl TxObserver,
    ) -> Result<Self, OpenError> {
        let uri = DatabaseUri::parse(uri)?;
        let connect::Pools { writer, reader } = connect::open(&uri, options).await?;
        Ok(Self {
            uri: Arc::new(uri),
            writer,
            reader,
            turn: Arc::new(Semaphore::new(1)),
            wait: options.wait,
            observer: Arc::new(observer),
        })
    }

    /// Which engine it is.
    pub fn dialect(&self) -> Dialect {
        self.uri.dialect
    }

    /// The URI without its password, for people.
    pub fn location(&self) -> String {
        self.uri.to_string()
    }

    /// Takes the database for this server alone; on SQLite the data folder's lock does.
    ///
    /// # Errors
    /// Another server has it, or it does not answer.
    pub async fn sole_use(&self) -> Result<SoleUse, SoleError> {
        SoleUse::take(Arc::clone(&self.uri)).await
    }

    /// Brings the schema up to date; returns what was applied, nothing if it was already.
    ///
    /// # Errors
    /// The database is of a newer version, a migration broke off or failed.
    pub async fn migrate(&self) -> Result<Vec<AppliedMigration>, SchemaError> {
        let mut connection = self.writer.acquire().await.map_err(|error| SchemaError::Read(error.into()))?;
        let applied = migrate::migrate(self.uri.dialect, &mut connection).await?;
        drop(connection);
        self.fill_names().await.map_err(|error| SchemaError::Apply(error.into()))?;
        Ok(applied)
    }

    /// Whether the schema is the one that this program needs.
    ///
    /// # Errors
    /// It is older, newer, or was left by a migration that broke off.
    pub async fn check_schema(&self) -> Result<(), SchemaError> {
        let mut connection = self.writer.acquire().await.map_err(|error| SchemaError::Read(error.into()))?;
        migrate::check(&mut connection).await
    }

    /// Looks for damage (`argosy doctor`): SQLite reads its whole file, which takes seconds for a large fleet; the servers look
    /// after themselves and are only asked whether they answer. `None`: nothing found; else what the engine says.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn find_damage(&self) -> PortResult<Option<String>> {
        if self.uri.dialect != Dialect::Sqlite {
            return self.ping().await.map(|()| None);
        }
        let said: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&self.reader)
            .await
            .map_err(|error| classify("find_damage", error))?;
        Ok(Some(said).filter(|said| said != "ok"))
    }

    /// Folds SQLite's write-ahead log into its file, beside the writers; to be called twice a second or so by a background job.
    /// Without it a unit of work does so every 16 MiB, and takes long that one time. Returns the pages that are still only in
    /// the log (a reader held them); 0 on the servers, which look after their logs themselves.
    ///
    /// # Errors
    /// The database does not answer, or has no space left.
    pub async fn fold_log(&self) -> PortResult<u64> {
        const OPERATION: &str = "fold_log";
        if self.uri.dialect != Dialect::Sqlite {
            return Ok(0);
        }
        // Most of the work without stopping anybody; then, since a log that always grows behind the one who folds it is never
        // begun anew, the last few pages while nobody writes.
        let left = self.fold_once(OPERATION).await?;
        if left == 0 {
            return Ok(0);
        }
        self.fold_once(OPERATION).await?;
        let _turn = self.turn(OPERATION).await?;
        self.fold_once(OPERATION).await
    }

    async fn fold_once(&self, operation: &'static str) -> PortResult<u64> {
        let connection = self.reader.acquire().await.map_err(|error| classify(operation, error))?;
        let mut session = Session::reader(connection, self.uri.dialect);
        let query = Query::new("PRAGMA wal_checkpoint(PASSIVE)");
        let folded = session.one(operation, query, |row| Ok((row.int()?, row.int()?, row.int()?))).await?;
        let left = folded.map_or(0, |(_, pages, folded)| pages - folded);
        Ok(u64::try_from(left).unwrap_or(0))
    }

    /// A session for reading.
    pub(super) async fn reader(&self, operation: &'static str) -> PortResult<Session> {
        let connection = self.reader.acquire().await.map_err(|error| classify(operation, error))?;
        Ok(Session::reader(connection, self.uri.dialect))
    }

    /// A unit of work.
    pub(super) async fn unit(&self, purpose: &'static str) -> PortResult<Session> {
        const OPERATION: &str = "begin";
        let turn = self.turn(OPERATION).await?;
        let connection = self.writer.acquire().await.map_err(|error| classify(OPERATION, error))?;
        let mut session = Session::reader(connection, self.uri.dialect);
        session.begin().await?;
        session.counts_as(Unit {
            purpose,
            began: Instant::now(),
            observer: self.observer.clone(),
            committed: false,
            _turn: turn,
        });
        Ok(session)
    }

    /// A session for reading, as the registry's own work takes it.
    pub(super) async fn reader_session(&self, operation: &'static str) -> PortResult<Session> {
        let connection = self.reader.acquire().await.map_err(|error| classify(operation, error))?;
        Ok(Session::reader(connection, self.uri.dialect))
    }

    /// A connection for writing.
    pub(super) async fn writer_connection(&self) -> PortResult<sqlx::pool::PoolConnection<Any>> {
        self.writer.acquire().await.map_err(|error| classify("connect", error))
    }

    /// Waits for the turn to write.
    async fn turn(&self, operation: &'static str) -> PortResult<OwnedSemaphorePermit> {
        let unavailable = || PortError::new(operation, PortErrorKind::Unavailable);
        match tokio::time::timeout(self.wait, self.turn.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(closed)) => Err(unavailable().with_source(closed)),
            Err(late) => Err(unavailable().with_source(late)),
        }
    }

    /// Closes all connections; SQLite's log is folded into its file. Sessions that are still open end first.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl Registry for SqlRegistry {
    async fn read(&self) -> PortResult<Box<dyn ReadSession>> {
        Ok(Box::new(self.reader("read").await?))
    }

    async fn begin(&self, purpose: &'static str) -> PortResult<Box<dyn UnitOfWork>> {
        Ok(Box::new(self.unit(purpose).await?))
    }

    async fn ping(&self) -> PortResult<()> {
        let connection = self.reader.acquire().await.map_err(|error| classify("ping", error))?;
        let mut session = Session::reader(connection, self.uri.dialect);
        session.count("ping", Query::new("SELECT 1")).await.map(drop)
    }
}
