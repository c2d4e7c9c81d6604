//! The whole registry as text, for backups: the same for every engine, so that a backup moves a registry from one to another.
//!
//! Lines of JSON. A table begins with an object: its name, its columns and what each holds, and the next id that it gives; then
//! an array a row; then an object with the number of rows. Which tables and columns there are is asked of the database, so a
//! new migration needs nothing here. People's sessions are left out: a cookie does not outlive a restore.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use argosy_domain::ports::{PortError, PortErrorKind, PortResult};
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use tokio::io::AsyncWriteExt as _;

use super::dialect::Dialect;
use super::error::classify;
use super::query::Query;
use super::registry::SqlRegistry;
use super::session::Session;

/// Left out.
const SESSIONS: &str = "sessions";
/// What is gathered before it is written.
const CHUNK: usize = 256 << 10;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Holds {
    Int,
    Text,
    /// As lower-case hexadecimal text.
    Bytes,
}

/// A table's first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableHead {
    pub(super) table: String,
    pub(super) columns: Vec<(String, Holds)>,
    /// The next id that it gives, if it gives ids: one is never given twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next_id: Option<i64>,
}

/// A table's last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableEnd {
    pub(super) rows: u64,
}

/// What was dumped, or loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpSummary {
    /// Numbers of the migrations that made the schema.
    pub migrations: Vec<i64>,
    /// Rows by table.
    pub tables: BTreeMap<String, u64>,
}

impl Dialect {
    /// The tables of the schema.
    pub(super) const fn tables(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
            }
            Self::Postgres => {
                "SELECT table_name::text FROM information_schema.tables \
                 WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
            }
            Self::Mysql => {
                "SELECT CAST(table_name AS CHAR) FROM information_schema.tables \
                 WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
            }
        }
    }

    /// Which table refers to which.
    const fn references(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "SELECT m.name, f.\"table\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'"
            }
            Self::Postgres => {
                "SELECT a.relname::text, b.relname::text FROM pg_constraint c JOIN pg_class a ON a.oid = c.conrelid \
                 JOIN pg_class b ON b.oid = c.confrelid \
                 WHERE c.contype = 'f' AND a.relnamespace = current_schema()::regnamespace"
            }
            Self::Mysql => {
                "SELECT CAST(table_name AS CHAR), CAST(referenced_table_name AS CHAR) FROM information_schema.key_column_usage \
                 WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL"
            }
        }
    }

    /// Columns of a table and their types, in their order.
    const fn columns(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT name, lower(type) FROM pragma_table_info(?) ORDER BY cid",
            Self::Postgres => {
                "SELECT column_name::text, data_type::text FROM information_schema.columns \
                 WHERE table_schema = current_schema() AND table_name = ? ORDER BY ordinal_position"
            }
            Self::Mysql => {
                "SELECT CAST(column_name AS CHAR), CAST(data_type AS CHAR) FROM information_schema.columns \
                 WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position"
            }
        }
    }

    /// The next id of a table that gives ids; no row if it gives none.
    pub(super) const fn next_id(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT seq + 1 FROM sqlite_sequence WHERE name = ?",
            Self::Postgres => {
                "SELECT COALESCE(last_value + increment_by, start_value)::bigint FROM pg_sequences \
                 WHERE schemaname = current_schema() AND sequencename = ? || '_id_seq'"
            }
            Self::Mysql => {
                "SELECT CAST(auto_increment AS SIGNED) FROM information_schema.tables \
                 WHERE table_schema = DATABASE() AND table_name = ? AND auto_increment IS NOT NULL"
            }
        }
    }

    /// How a session begins that sees one moment to its end.
    const fn begin_snapshot(self) -> &'static str {
        match self {
            // The first statement fixes what it sees.
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::Mysql => {
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
            }
        }
    }
}

/// What a column of this type holds.
fn holds(data_type: &str) -> Option<Holds> {
    Some(match data_type {
        "integer" | "bigint" | "int" | "smallint" | "tinyint" => Holds::Int,
        "text" | "varchar" | "character varying" | "char" | "longtext" | "mediumtext" | "tinytext" => {
            Holds::Text
        }
        "blob" | "bytea" | "longblob" | "mediumblob" | "varbinary" | "binary" => Holds::Bytes,
        _ => return None,
    })
}

fn broken(operation: &'static str, why: String) -> PortError {
    PortError::new(operation, PortErrorKind::Internal).with_source(why)
}

impl Session {
    /// The tables that a dump has, each after those that it refers to; without the one of the migrations.
    pub(super) async fn ordered_tables(&mut self) -> PortResult<Vec<String>> {
        const OPERATION: &str = "list the tables";
        let names = self.all(OPERATION, Query::new(self.dialect.tables()), |row| row.text()).await?;
        let query = Query::new(self.dialect.references());
        let references = self.all(OPERATION, query, |row| Ok((row.text()?, row.text()?))).await?;
        let mut left: BTreeSet<String> =
            names.into_iter().filter(|name| name != "_sqlx_migrations" && name != SESSIONS).collect();
        let mut ordered = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let waits = |name: &String| {
                references.iter().any(|(from, to)| from == name && to != name && left.contains(to))
            };
            let (ready, later): (BTreeSet<_>, BTreeSet<_>) =
                left.iter().cloned().partition(|name| !waits(name));
            if ready.is_empty() {
                return Err(broken(OPERATION, format!("tables refer to each other in a circle: {later:?}")));
            }
            ordered.extend(ready);
            left = later;
        }
        Ok(ordered)
    }

    pub(super) async fn table_head(&mut self, table: String) -> PortResult<TableHead> {
        const OPERATION: &str = "describe a table";
        let query = Query::new(self.dialect.columns()).bind(table.as_str());
        let described = self.all(OPERATION, query, |row| Ok((row.text()?, row.text()?))).await?;
        let mut columns = Vec::with_capacity(described.len());
        for (name, data_type) in described {
            let holds = holds(&data_type.to_ascii_lowercase())
                .ok_or_else(|| broken(OPERATION, format!("{table}.{name} is a {data_type}")))?;
            columns.push((name, holds));
        }
        let has_id = columns.first().is_some_and(|(name, holds)| name == "id" && *holds == Holds::Int);
        let next_id = if has_id {
            let query = Query::new(self.dialect.next_id()).bind(table.as_str());
            self.one(OPERATION, query, |row| row.int()).await?
        } else {
            None
        };
        Ok(TableHead { table, columns, next_id })
    }
}

/// One row as a JSON array.
fn line(row: &AnyRow, columns: &[(String, Holds)], out: &mut String) -> Result<(), sqlx::Error> {
    let encode = |text: &str| serde_json::to_string(text).map_err(|error| sqlx::Error::Decode(error.into()));
    out.push('[');
    for (at, (_, holds)) in columns.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        // Writing to a string cannot fail.
        let _ = match holds {
            Holds::Int => match row.try_get::<Option<i64>, _>(at)? {
                Some(value) => write!(out, "{value}"),
                None => write!(out, "null"),
            },
            Holds::Text => match row.try_get::<Option<String>, _>(at)? {
                Some(value) => write!(out, "{}", encode(&value)?),
                None => write!(out, "null"),
            },
            Holds::Bytes => match row.try_get::<Option<Vec<u8>>, _>(at)? {
                Some(value) => write!(out, "\"{}\"", hex::encode(value)),
                None => write!(out, "null"),
            },
        };
    }
    out.push_str("]\n");
    Ok(())
}

/// A file being written, and what is not in it yet.
struct Out {
    file: tokio::fs::File,
    text: String,
}

impl Out {
    async fn flush(&mut self, over: usize) -> PortResult<()> {
        if self.text.len() <= over {
            return Ok(());
        }
        let written = self.file.write_all(self.text.as_bytes()).await;
        self.text.clear();
        written.map_err(|error| {
            let kind = match error.kind() {
                std::io::ErrorKind::StorageFull => PortErrorKind::Full,
                _ => PortErrorKind::Internal,
            };
            PortError::new("write the dump of the registry", kind).with_source(error)
        })
    }

    fn push<T: Serialize>(&mut self, value: &T) -> PortResult<()> {
        self.text.push_str(&super::query::json("write the dump of the registry", value)?);
        self.text.push('\n');
        Ok(())
    }
}

impl SqlRegistry {
    /// Writes the whole registry as it is at one moment to `file` (made anew, readable by its owner only). Work goes on beside it;
    /// SQLite's log cannot be folded meanwhile.
    ///
    /// # Errors
    /// The database does not answer, or the file cannot be written.
    pub async fn dump(&self, file: &Path) -> PortResult<DumpSummary> {
        const OPERATION: &str = "dump the registry";
        let mut options = tokio::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(file).await;
        let file =
            file.map_err(|error| PortError::new(OPERATION, PortErrorKind::Internal).with_source(error))?;
        let mut out = Out { file, text: String::new() };
        let mut session = self.reader_session(OPERATION).await?;
        let begin = session.dialect.begin_snapshot();
        session.begin_with(begin).await?;
        let migrations = Query::new("SELECT version FROM _sqlx_migrations ORDER BY version");
        let mut summary = DumpSummary {
            migrations: session.all(OPERATION, migrations, |row| row.int()).await?,
            tables: BTreeMap::new(),
        };
        for table in session.ordered_tables().await? {
            let head = session.table_head(table).await?;
            out.push(&head)?;
            let names = head.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            let mut rows = session.stream(format!("SELECT {names} FROM {}", head.table));
            let mut count = 0;
            while let Some(row) = rows.try_next().await.map_err(|error| classify(OPERATION, error))? {
                line(&row, &head.columns, &mut out.text).map_err(|error| classify(OPERATION, error))?;
                count += 1;
                out.flush(CHUNK).await?;
            }
            drop(rows);
            out.push(&TableEnd { rows: count })?;
            summary.tables.insert(head.table, count);
        }
        session.end_snapshot().await?;
        out.flush(0).await?;
        let synced = out.file.sync_all().await;
        synced.map_err(|error| PortError::new(OPERATION, PortErrorKind::Internal).with_source(error))?;
        Ok(summary)
    }
}
