//! One partition: a SQLite file with the rows of one kind and one stretch of time.
//!
//! Rows come in one synced transaction a flush, together with the number of the journal segment up to which the file has
//! everything (`upto`): a flush that is repeated after a crash finds that and leaves the file alone.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::ports::{PortError, PortErrorKind, SeriesKind};
use argosy_proto::DeviceTime;
use parking_lot::Mutex;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, Executor as _, Row as _};

use super::options::partition_width_ms;

/// `ARGS`, in the header of our files.
const APPLICATION_ID: i64 = 1_095_911_251;

/// The layout of our files.
const VERSION: i64 = 1;

/// Idle connections kept for reading, over all partitions.
const IDLE: usize = 32;
static IDLE_NOW: AtomicUsize = AtomicUsize::new(0);

const SAMPLES: &str = "
CREATE TABLE IF NOT EXISTS chunk (
    id INTEGER PRIMARY KEY, device INTEGER NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    rows INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS chunk_of ON chunk (device, stream, first, last);";

const EVENTS: &str = "
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, device INTEGER NOT NULL, device_time INTEGER, ref_id INTEGER, amount INTEGER,
    percent INTEGER, duration INTEGER, speed REAL, word TEXT, label TEXT, text TEXT, extra TEXT, body BLOB
);
CREATE INDEX IF NOT EXISTS event_at ON event (at);
CREATE INDEX IF NOT EXISTS event_of ON event (device, at);
CREATE INDEX IF NOT EXISTS event_ref ON event (ref_id, at) WHERE ref_id IS NOT NULL;";

const META: &str = "
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;";

/// What SQLite's error means here.
pub(super) fn classify(operation: &'static str, error: sqlx::Error) -> PortError {
    let kind = match &error {
        sqlx::Error::Io(source) if source.kind() == io::ErrorKind::StorageFull => PortErrorKind::Full,
        sqlx::Error::Database(source) => match primary_code(source.as_ref()) {
            // FULL; a write that the disk did not take.
            Some(13) => PortErrorKind::Full,
            // BUSY, LOCKED, IOERR, CANTOPEN.
            Some(5 | 6 | 10 | 14) => PortErrorKind::Unavailable,
            _ => PortErrorKind::Internal,
        },
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => PortErrorKind::Unavailable,
        _ => PortErrorKind::Internal,
    };
    PortError::new(operation, kind).with_source(error)
}

fn primary_code(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    // Extended codes keep the primary one in the low byte.
    error.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff)
}

/// Whether the file itself is damaged: CORRUPT, NOTADB.
pub(super) fn is_damage(error: &PortError) -> bool {
    let source = error.source.as_ref().and_then(|source| source.downcast_ref::<sqlx::Error>());
    match source {
        Some(sqlx::Error::Database(source)) => matches!(primary_code(source.as_ref()), Some(11 | 26)),
        _ => error.source.as_ref().is_some_and(|source| source.is::<super::codec::Malformed>()),
    }
}

/// A failure of reading or writing a file.
pub(super) fn io_error(operation: &'static str, error: io::Error) -> PortError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            PortErrorKind::Full
        }
        _ => PortErrorKind::Unavailable,
    };
    PortError::new(operation, kind).with_source(error)
}

/// Makes an SQLite file that only its owner may read; its side files get the same mode.
pub(super) fn make_file(file: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// How long a flush waits for readers, and readers for the end of a flush.
const WAIT: Duration = Duration::from_secs(30);

/// A connection that may write.
///
/// With a rollback journal, not a write-ahead log: a flush mostly adds pages, which are then written once instead of twice; a
/// partition is one file; and it can be read when the disk is so full that a log's index could not be made. EXTRA: the
/// removal of the journal, which is the commit, is synced too, because the flush then removes the rows' other copy.
pub(super) async fn writer(file: &Path, page_size: u32) -> sqlx::Result<SqliteConnection> {
    make_file(file)?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .page_size(page_size)
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Extra)
        .busy_timeout(WAIT)
        .pragma("temp_store", "MEMORY")
        // Pages that do not fit would be written before the commit, and shut readers out until it.
        .pragma("cache_spill", "OFF")
        .pragma("cache_size", "-8192");
    SqliteConnection::connect_with(&options).await
}

/// A connection that only reads.
pub(super) async fn reader(file: &Path) -> sqlx::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(WAIT)
        .pragma("query_only", "ON")
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", "-2048");
    SqliteConnection::connect_with(&options).await
}

/// Connections for reading one file.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<SqliteConnection>>,
    used: AtomicBool,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Vec::new()), used: AtomicBool::new(false) }
    }

    /// An idle connection, or a new one.
    pub(super) async fn get(&self) -> sqlx::Result<SqliteConnection> {
        self.used.store(true, Ordering::Relaxed);
        let idle = self.idle.lock().pop();
        match idle {
            Some(connection) => {
                IDLE_NOW.fetch_sub(1, Ordering::Relaxed);
                Ok(connection)
            }
            None => reader(&self.path).await,
        }
    }

    /// Gives a connection back after it was of use.
    pub(super) fn give_back(&self, connection: SqliteConnection) {
        if IDLE_NOW.fetch_add(1, Ordering::Relaxed) < IDLE {
            self.idle.lock().push(connection);
        } else {
            IDLE_NOW.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes the idle connections, if nobody has read since the last call, or in any case.
    pub(super) fn rest(&self, anyway: bool) -> Vec<SqliteConnection> {
        if self.used.swap(false, Ordering::Relaxed) && !anyway {
            return Vec::new();
        }
        let idle = std::mem::take(&mut *self.idle.lock());
        IDLE_NOW.fetch_sub(idle.len(), Ordering::Relaxed);
        idle
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.rest(true);
    }
}

/// A partition.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) kind: SeriesKind,
    /// When it begins.
    pub(super) start: i64,
    pub(super) path: PathBuf,
    pub(super) rows: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// It has everything of the segments up to this one.
    pub(super) upto: AtomicU64,
    /// What the journal still had of these segments when the store was opened was already here, and was not taken into memory.
    skipped: u64,
    pub(super) readers: Readers,
}

impl Partition {
    pub(super) fn new(folder: &Path, kind: SeriesKind, start: i64) -> Self {
        let path = folder.join(kind.as_str()).join(format!("{}.db", day(start)));
        let number = || AtomicU64::new(0);
        let readers = Readers::new(path.clone());
        Self { kind, start, path, rows: number(), bytes: number(), upto: number(), skipped: 0, readers }
    }

    /// When it ends (exclusive).
    pub(super) fn end(&self) -> i64 {
        self.start.saturating_add(partition_width_ms(self.kind))
    }

    pub(super) fn overlaps(&self, span: argosy_domain::ports::TimeSpan) -> bool {
        span.overlaps(Timestamp(self.start), Timestamp(self.end()))
    }

    /// Rows of segments below this one are to be read here, for a view whose memory begins at `floor`. As an id.
    pub(super) fn floor_id(&self, floor: u64) -> i64 {
        i64::try_from(floor.max(self.skipped + 1)).unwrap_or(i64::MAX >> 32) << 32
    }

    const fn page_size(&self) -> u32 {
        // Chunks are some kilobytes: larger pages waste less of their ends.
        match self.kind {
            SeriesKind::Event(_) => 4096,
            _ => 16384,
        }
    }

    /// A connection with the tables there, for the one flush that is on its way.
    pub(super) async fn writer(&self) -> sqlx::Result<SqliteConnection> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut connection = writer(&self.path, self.page_size()).await?;
        if meta(&mut connection).await?.is_none() {
            let tables = if matches!(self.kind, SeriesKind::Event(_)) { EVENTS } else { SAMPLES };
            let sql = format!(
                "BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; {tables} {META} COMMIT"
            );
            connection.execute(sqlx::AssertSqlSafe(sql)).await?;
        }
        Ok(connection)
    }

    /// Reads what the file says of itself; called once, when the store is opened. `false` if a crash left it without tables: the
    /// next flush makes them.
    pub(super) async fn look(&mut self) -> sqlx::Result<bool> {
        let mut connection = reader(&self.path).await?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await?;
        if version > VERSION {
            let why = format!("{} was written by a newer version of Argosy ({version})", self.path.display());
            return Err(sqlx::Error::Configuration(why.into()));
        }
        let found = meta(&mut connection).await?;
        if let Some((upto, rows)) = found {
            self.skipped = upto;
            self.upto = AtomicU64::new(upto);
            self.rows = AtomicU64::new(rows);
        }
        connection.close().await?;
        self.measure();
        Ok(found.is_some())
    }

    /// Sets the numbers that a flush has just committed.
    pub(super) fn moved(&self, rows: u64, upto: u64) {
        self.rows.store(rows, Ordering::Relaxed);
        self.upto.store(upto, Ordering::Relaxed);
        self.measure();
    }

    fn measure(&self) {
        let size = std::fs::metadata(&self.path).map_or(0, |meta| meta.len());
        self.bytes.store(size, Ordering::Relaxed);
    }

    /// Its files: the database and what SQLite keeps beside it.
    pub(super) fn files(&self) -> [PathBuf; 2] {
        [self.path.clone(), side_file(&self.path)]
    }
}

/// The rollback journal of a file.
pub(super) fn side_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-journal");
    PathBuf::from(name)
}

/// `upto` and `rows`; `None` of a file that has nothing yet.
pub(super) async fn meta(connection: &mut SqliteConnection) -> sqlx::Result<Option<(u64, u64)>> {
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_master WHERE name = 'meta'")
        .fetch_one(&mut *connection)
        .await?;
    if tables == 0 {
        return Ok(None);
    }
    let (mut upto, mut rows) = (0, 0);
    for row in sqlx::query("SELECT name, value FROM meta").fetch_all(connection).await? {
        let value = u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0);
        match row.try_get::<&str, _>(0)? {
            "upto" => upto = value,
            "rows" => rows = value,
            _ => {}
        }
    }
    Ok(Some((upto, rows)))
}

/// The day of a time, as `2025-07-03`: the name of a file.
pub(super) fn day(at: i64) -> String {
    let mut text = DeviceTime::from_unix_ms(at).to_string();
    text.truncate(10);
    text
}

/// The start that a file's name says.
pub(super) fn start_of(name: &str) -> Option<i64> {
    let day = name.strip_suffix(".db")?;
    format!("{day}T00:00:00Z").parse::<DeviceTime>().ok().map(DeviceTime::unix_ms)
}
