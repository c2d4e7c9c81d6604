//! How the registry's database is used.

use std::time::Duration;

/// Hears how long every unit of work held the database, for the histogram in `/metrics`.
pub trait TxObserver: Send + Sync + 'static {
    /// A unit of work for `purpose` ended after `held` (from its begin to the end of its commit or roll-back). Called on the
    /// task that ended it: return at once.
    fn observe(&self, purpose: &'static str, held: Duration, committed: bool);
}

impl<F: Fn(&'static str, Duration, bool) + Send + Sync + 'static> TxObserver for F {
    fn observe(&self, purpose: &'static str, held: Duration, committed: bool) {
        self(purpose, held, committed);
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl TxObserver for NoObserver {
    fn observe(&self, _: &'static str, _: Duration, _: bool) {}
}

/// What to do with a server that confirms commits before they are on disk (PostgreSQL's `fsync = off`, MySQL's
/// `innodb_flush_log_at_trx_commit` other than 1). "No acknowledged message is lost by power loss" is then not true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Refuse to start.
    #[default]
    Require,
    /// Say so in the log, and go on.
    Warn,
}

/// How the database is used.
#[derive(Debug, Clone)]
pub struct SqlOptions {
    /// Connections for reading, 1 or more.
    pub readers: u32,
    /// How long a caller waits for its turn to write, for a connection, or for another process's lock, before the operation
    /// fails as unavailable.
    pub wait: Duration,
    /// What to do with a server that does not flush at commit.
    pub durability: Durability,
    /// SQLite: memory for pages, each connection, in KiB.
    pub cache_kib: u32,
}

impl Default for SqlOptions {
    fn default() -> Self {
        Self {
            readers: 4,
            wait: Duration::from_secs(30),
            durability: Durability::Require,
            cache_kib: 32 * 1024,
        }
    }
}
