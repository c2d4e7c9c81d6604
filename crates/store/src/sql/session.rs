//! A read session or a unit of work: one connection, and how statements are run on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{PortError, PortErrorKind, PortResult, UnitOfWork};
use async_trait::async_trait;
use futures::stream::BoxStream;
use sqlx::any::AnyRow;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Executor as _};
use tokio::sync::OwnedSemaphorePermit;

use super::dialect::Dialect;
use super::error::classify;
use super::options::TxObserver;
use super::query::{Query, cursor};
use super::row::{Columns, Decoded};
use super::tally::Pending;

/// Over this, a write transaction is worth a line in the log: others wait for it.
const LONG: Duration = Duration::from_millis(50);

/// Implements every port trait of the registry; the registry hands it out as a reader or as a unit of work.
pub(super) struct Session {
    /// Taken when the session is dropped, never before.
    connection: Option<PoolConnection<Any>>,
    pub(super) dialect: Dialect,
    /// A statement is on its way. True when dropped: its future was given up in the middle, and what the server has still to say
    /// would be taken for the answer to the next statement on the connection.
    busy: bool,
    /// What a unit of work has changed and not yet written to the tallies.
    pub(super) pending: Pending,
    /// A transaction is open.
    open: bool,
    /// A statement failed: PostgreSQL would answer a commit with a silent roll-back, so commit is refused on every engine.
    failed: bool,
    // After the connection: the next unit of work begins when this one's connection is on its way back.
    unit: Option<Unit>,
}

/// What a unit of work holds beside its connection.
pub(super) struct Unit {
    pub(super) purpose: &'static str,
    pub(super) began: Instant,
    pub(super) observer: Arc<dyn TxObserver>,
    pub(super) committed: bool,
    /// One unit of work at a time in this process.
    pub(super) _turn: OwnedSemaphorePermit,
}

impl Drop for Unit {
    fn drop(&mut self) {
        let held = self.began.elapsed();
        self.observer.observe(self.purpose, held, self.committed);
        if held > LONG {
            let held_ms = u64::try_from(held.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(
                purpose = self.purpose,
                held_ms,
                committed = self.committed,
                "a unit of work took long"
            );
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.dialect != Dialect::Sqlite && (self.busy || self.open) {
            // Not back to the pool: the server rolls back when the connection is gone. SQLite's goes back, finishes its statement
            // and rolls back on the way (see `connect.rs`).
            drop(connection.detach());
        }
    }
}

impl Session {
    pub(super) fn reader(connection: PoolConnection<Any>, dialect: Dialect) -> Self {
        Self {
            connection: Some(connection),
            dialect,
            busy: false,
            pending: Pending::default(),
            open: false,
            failed: false,
            unit: None,
        }
    }

    /// Makes it a unit of work.
    pub(super) async fn begin(&mut self) -> PortResult<()> {
        self.open = true;
        self.plain("begin", self.dialect.begin()).await
    }

    /// Begins with a statement of its own: a session for reading that sees one moment to its end.
    pub(super) async fn begin_with(&mut self, statement: &'static str) -> PortResult<()> {
        self.open = true;
        self.plain("begin", statement).await
    }

    /// Ends what [`Self::begin_with`] began.
    pub(super) async fn end_snapshot(&mut self) -> PortResult<()> {
        self.plain("rollback", "ROLLBACK").await?;
        self.open = false;
        Ok(())
    }

    /// The rows of a statement without arguments, one by one. To be read to its end, or the session be given up.
    pub(super) fn stream(&mut self, statement: String) -> BoxStream<'_, sqlx::Result<AnyRow>> {
        sqlx::query(AssertSqlSafe(statement)).fetch(self.connection())
    }

    pub(super) fn counts_as(&mut self, unit: Unit) {
        self.unit = Some(unit);
    }

    /// Runs a statement without arguments and rows, in the engine's simple protocol.
    async fn plain(&mut self, operation: &'static str, statement: &'static str) -> PortResult<()> {
        self.busy = true;
        let done = self.connection().execute(statement).await;
        self.busy = false;
        done.map(drop).map_err(|error| self.fail(operation, error))
    }

    fn connection(&mut self) -> &mut AnyConnection {
        self.connection.as_mut().expect("it is taken on drop")
    }

    fn fail(&mut self, operation: &'static str, error: sqlx::Error) -> PortError {
        self.failed = true;
        classify(operation, error)
    }

    /// Runs a statement; how many rows it concerned, and the id it gave if the engine says so.
    async fn execute(&mut self, operation: &'static str, query: Query) -> PortResult<(u64, Option<i64>)> {
        self.busy = true;
        let run = async {
            let (text, arguments) = query.finish(self.dialect)?;
            let result = sqlx::query_with(AssertSqlSafe(text), arguments).execute(self.connection()).await?;
            Ok((result.rows_affected(), result.last_insert_id()))
        };
        let done = run.await;
        self.busy = false;
        done.map_err(|error| self.fail(operation, error))
    }

    /// Runs a statement; how many rows it concerned.
    pub(super) async fn run(&mut self, operation: &'static str, query: Query) -> PortResult<u64> {
        Ok(self.execute(operation, query).await?.0)
    }

    /// Runs an `INSERT` of one row into a table that gives ids; the id.
    pub(super) async fn insert(
        &mut self,
        operation: &'static str,
        mut query: Query,
    ) -> PortResult<Option<i64>> {
        if self.dialect.returns_ids() {
            query.push(" RETURNING id");
            return self.one(operation, query, |row| row.int()).await;
        }
        let (rows, id) = self.execute(operation, query).await?;
        Ok(id.filter(|_| rows > 0))
    }

    /// All rows.
    pub(super) async fn all<T>(
        &mut self,
        operation: &'static str,
        query: Query,
        decode: fn(&mut Columns<'_>) -> Decoded<T>,
    ) -> PortResult<Vec<T>> {
        self.busy = true;
        let run = async {
            let (text, arguments) = query.finish(self.dialect)?;
            let rows: Vec<AnyRow> =
                sqlx::query_with(AssertSqlSafe(text), arguments).fetch_all(self.connection()).await?;
            rows.iter().map(|row| decode(&mut Columns::new(row))).collect::<Result<Vec<T>, sqlx::Error>>()
        };
        let done = run.await;
        self.busy = false;
        done.map_err(|error| self.fail(operation, error))
    }

    /// The first row, if there is one.
    pub(super) async fn one<T>(
        &mut self,
        operation: &'static str,
        query: Query,
        decode: fn(&mut Columns<'_>) -> Decoded<T>,
    ) -> PortResult<Option<T>> {
        self.busy = true;
        let run = async {
            let (text, arguments) = query.finish(self.dialect)?;
            let row =
                sqlx::query_with(AssertSqlSafe(text), arguments).fetch_optional(self.connection()).await?;
            row.as_ref().map(|row| decode(&mut Columns::new(row))).transpose()
        };
        let done = run.await;
        self.busy = false;
        done.map_err(|error| self.fail(operation, error))
    }

    /// A count.
    pub(super) async fn count(&mut self, operation: &'static str, query: Query) -> PortResult<u64> {
        let count = self.one(operation, query, |row| row.int()).await?.unwrap_or(0);
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// One page: `query` gets what is needed of `ids` (the column the list is ordered by), `order` and limit; one row more than
    /// asked for tells whether a next page exists.
    pub(super) async fn page<T>(
        &mut self,
        operation: &'static str,
        page: &PageRequest,
        query: Query,
        decode: fn(&mut Columns<'_>) -> Decoded<T>,
        id: fn(&T) -> i64,
    ) -> PortResult<Page<T>> {
        let mut items = self.all(operation, query, decode).await?;
        let limit = usize::try_from(page.bounded()).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(|item| id(item).to_string()) } else { None };
        Ok(Page { items, next })
    }

    /// SQLite does not say which foreign key was broken: the first of `probes` (constraint, table, ids) with an id that is in no
    /// row names it.
    pub(super) async fn name_reference(
        &mut self,
        mut error: PortError,
        probes: &[(&'static str, &'static str, Vec<i64>)],
    ) -> PortError {
        if error.kind != PortErrorKind::Reference
            || error.constraint.is_some()
            || self.dialect != Dialect::Sqlite
        {
            return error;
        }
        for (constraint, table, ids) in probes {
            for id in ids {
                let query = Query::new(format!("SELECT COUNT(*) FROM {table} WHERE id = ?")).bind(*id);
                if matches!(self.count(error.operation, query).await, Ok(0)) {
                    error.constraint = Some(constraint);
                    return error;
                }
            }
        }
        error
    }
}

/// Which way a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    OldestFirst,
    NewestFirst,
}

impl Order {
    /// The condition for the rows after the cursor, if the request has one.
    pub(super) fn after(
        self,
        operation: &'static str,
        column: &str,
        page: &PageRequest,
    ) -> PortResult<Option<Query>> {
        let sign = if self == Self::OldestFirst { ">" } else { "<" };
        let after = cursor(operation, page)?;
        Ok(after.map(|id| Query::new(format!("{column} {sign} ?")).bind(id)))
    }

    /// ` ORDER BY … LIMIT …`, one row more than the page.
    pub(super) fn limit(self, column: &str, page: &PageRequest) -> Query {
        let way = if self == Self::OldestFirst { "" } else { " DESC" };
        Query::new(format!(" ORDER BY {column}{way} LIMIT ?")).bind(i64::from(page.bounded()) + 1)
    }
}

#[async_trait]
impl UnitOfWork for Session {
    async fn commit(mut self: Box<Self>) -> PortResult<()> {
        const OPERATION: &str = "commit";
        let refused = |why: &'static str| PortError::new(OPERATION, PortErrorKind::Internal).with_source(why);
        if !self.open {
            return Err(refused("this is a read session"));
        }
        if self.failed {
            self.rollback().await?;
            return Err(refused("an earlier statement of this unit of work failed; it was rolled back"));
        }
        self.write_tallies().await?;
        self.write_names().await?;
        self.plain(OPERATION, "COMMIT").await?;
        self.open = false;
        if let Some(unit) = &mut self.unit {
            unit.committed = true;
        }
        Ok(())
    }

    async fn rollback(mut self: Box<Self>) -> PortResult<()> {
        if self.open {
            self.plain("rollback", "ROLLBACK").await?;
            self.open = false;
        }
        Ok(())
    }
}
