//! A dump ([`super::dump`]) becomes a registry again, on any engine.

use std::collections::BTreeMap;
use std::path::Path;

use argosy_domain::ports::UnitOfWork;
use serde_json::Value;
use tokio::io::AsyncBufReadExt as _;

use super::batch::{Batch, Cell};
use super::dialect::{Column, Dialect, bytes, int, text};
use super::dump::{DumpSummary, Holds, TableEnd, TableHead};
use super::migrate::{self, SchemaError};
use super::query::Query;
use super::registry::SqlRegistry;
use super::session::Session;

/// Rows of one statement.
const ROWS: usize = 1000;

/// Why a dump was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is something in the database.
    #[error("the database is not empty (it has the table {table}): restore into an empty one")]
    NotEmpty {
        /// One of its tables.
        table: String,
    },
    /// The schema could not be made.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The dump cannot be read.
    #[error("the dump of the registry cannot be read")]
    Read(#[from] std::io::Error),
    /// The dump is none that this program writes.
    #[error("line {line} of the dump of the registry is not as it should be: {what}")]
    Damaged {
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// The database refused it.
    #[error("could not load the registry")]
    Refused(#[from] argosy_domain::ports::PortError),
}

/// Reads lines, and knows where it is.
struct Lines {
    lines: tokio::io::Lines<tokio::io::BufReader<tokio::fs::File>>,
    number: u64,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<Value>, LoadError> {
        let Some(line) = self.lines.next_line().await? else { return Ok(None) };
        self.number += 1;
        serde_json::from_str(&line).map(Some).map_err(|error| self.damaged(error.to_string()))
    }

    fn damaged(&self, what: impl Into<String>) -> LoadError {
        LoadError::Damaged { line: self.number, what: what.into() }
    }

    fn parsed<T: serde::de::DeserializeOwned>(&self, value: Value) -> Result<T, LoadError> {
        serde_json::from_value(value).map_err(|error| self.damaged(error.to_string()))
    }
}

/// A member of a bulk insert. Its name lives as long as the program: a restore is the last that this one does.
fn column(name: &str, holds: Holds) -> Column {
    let name: &'static str = name.to_owned().leak();
    match holds {
        Holds::Int => int(name),
        Holds::Text => text(name),
        Holds::Bytes => bytes(name),
    }
}

/// Whether it is a plain name: it becomes part of a statement.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

impl Session {
    /// Loads one table, after its head; how many rows it had.
    async fn load_table(&mut self, head: &TableHead, lines: &mut Lines) -> Result<u64, LoadError> {
        const OPERATION: &str = "load a table";
        let here = self.table_head(head.table.clone()).await?;
        if here.columns.iter().collect::<std::collections::BTreeSet<_>>()
            != head.columns.iter().collect::<std::collections::BTreeSet<_>>()
        {
            return Err(lines.damaged(format!("the columns of {} are not those of this schema", head.table)));
        }
        let columns: Vec<Column> = head.columns.iter().map(|(name, holds)| column(name, *holds)).collect();
        let (mut count, mut pending) = (0_u64, 0_usize);
        let mut batch = Batch::numbered(self.dialect, &columns);
        loop {
            let line = lines.next().await?.ok_or_else(|| lines.damaged("it ends before its table does"))?;
            let Value::Array(row) = line else {
                self.insert_all(OPERATION, &head.table, batch).await?;
                let end: TableEnd = lines.parsed(line)?;
                if end.rows != count {
                    return Err(lines.damaged(format!("{} has {count} rows, not {}", head.table, end.rows)));
                }
                return Ok(count);
            };
            if row.len() != columns.len() {
                return Err(lines.damaged("a row of another length"));
            }
            let mut cells = Vec::with_capacity(row.len());
            for (value, (name, holds)) in row.into_iter().zip(&head.columns) {
                cells.push(match (value, holds) {
                    (Value::Null, _) => Cell::Null,
                    (Value::Number(number), Holds::Int) => {
                        Cell::Int(number.as_i64().ok_or_else(|| lines.damaged("a number too large"))?)
                    }
                    (Value::String(value), Holds::Text | Holds::Bytes) => Cell::from(value),
                    _ => return Err(lines.damaged(format!("{name} is not what its column holds"))),
                });
            }
            batch.row(&cells);
            (count, pending) = (count + 1, pending + 1);
            if pending == ROWS {
                let full = std::mem::replace(&mut batch, Batch::numbered(self.dialect, &columns));
                self.insert_all(OPERATION, &head.table, full).await?;
                pending = 0;
            }
        }
    }

    /// The table gives `next` next, or a higher id.
    pub(super) async fn set_next_id(&mut self, table: &str, next: i64) -> Result<(), LoadError> {
        const OPERATION: &str = "set the next id of a table";
        match self.dialect {
            Dialect::Sqlite => {
                let gone = Query::new("DELETE FROM sqlite_sequence WHERE name = ?").bind(table);
                self.run(OPERATION, gone).await?;
                let set = Query::new("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)");
                self.run(OPERATION, set.bind(table).bind(next - 1)).await?;
            }
            Dialect::Postgres => {
                // A value that counts as given: of one that does not, pg_sequences tells nothing, and a dump would lose it.
                let (last, given) = if next > 1 { (next - 1, "true") } else { (1, "false") };
                let set = format!("SELECT setval(pg_get_serial_sequence(?, 'id'), ?, {given})");
                self.one(OPERATION, Query::new(set).bind(table).bind(last), |row| row.int()).await?;
            }
            // Not within a transaction: it would end it.
            Dialect::Mysql => {
                self.run(OPERATION, Query::new(format!("ALTER TABLE {table} AUTO_INCREMENT = {next}")))
                    .await?;
            }
        }
        Ok(())
    }
}

impl SqlRegistry {
    /// Makes the empty database what `file` says, which a [`dump`](Self::dump) wrote with a schema of these `migrations`; then brings
    /// the schema up to date. All in one transaction, as far as the engine has them: MySQL makes tables outside of any.
    ///
    /// # Errors
    /// [`LoadError`]; the database is then to be thrown away.
    pub async fn load(&self, file: &Path, migrations: &[i64]) -> Result<DumpSummary, LoadError> {
        const OPERATION: &str = "load the registry";
        let mut session = self.reader_session(OPERATION).await?;
        let tables = session.all(OPERATION, Query::new(session.dialect.tables()), |row| row.text()).await?;
        drop(session);
        if let Some(table) = tables.into_iter().find(|name| name != "_sqlx_migrations") {
            return Err(LoadError::NotEmpty { table });
        }
        let mut connection = self.writer_connection().await?;
        migrate::migrate_to(self.dialect(), &mut connection, migrations).await?;
        drop(connection);

        let file = tokio::fs::File::open(file).await?;
        let lines = tokio::io::BufReader::with_capacity(1 << 20, file).lines();
        let mut lines = Lines { lines, number: 0 };
        let mut session = self.unit("restore").await?;
        // What the migrations themselves put there is in the dump too.
        for table in session.ordered_tables().await?.iter().rev() {
            session.run(OPERATION, Query::new(format!("DELETE FROM {table}"))).await?;
        }
        let mut summary = DumpSummary { migrations: migrations.to_vec(), tables: BTreeMap::new() };
        let mut next_ids = Vec::new();
        while let Some(line) = lines.next().await? {
            let head: TableHead = lines.parsed(line)?;
            if !is_name(&head.table) || !head.columns.iter().all(|(name, _)| is_name(name)) {
                return Err(lines.damaged("a name of a table or a column that is none"));
            }
            let rows = session.load_table(&head, &mut lines).await?;
            if let Some(next) = head.next_id {
                next_ids.push((head.table.clone(), next));
            }
            summary.tables.insert(head.table, rows);
        }
        let mysql = session.dialect == Dialect::Mysql;
        if !mysql {
            for (table, next) in &next_ids {
                session.set_next_id(table, *next).await?;
            }
        }
        Box::new(session).commit().await?;
        if mysql {
            let mut session = Session::reader(self.writer_connection().await?, self.dialect());
            for (table, next) in &next_ids {
                session.set_next_id(table, *next).await?;
            }
        }
        self.migrate().await?;
        Ok(summary)
    }
}
