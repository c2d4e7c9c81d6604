//! What can be set, with what it is when it is not.

use std::collections::BTreeMap;
use std::time::Duration;

use argosy_domain::model::EventKind;
use argosy_domain::ports::SeriesKind;

/// Settings of the embedded series store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesOptions {
    /// Days that rows of a kind are kept at least; their partition goes when its last possible row is older. A kind that is not
    /// here is kept for its [default](default_retention_days). 0 keeps for ever.
    pub retention_days: BTreeMap<SeriesKind, u32>,
    /// Bytes of all partitions at most; beyond it the oldest go, but never those that are still written. 0 is no limit.
    pub max_total_bytes: u64,
    /// Rows waiting in memory (and in the journal) are moved into partitions when they take so many bytes.
    pub head_bytes: usize,
    /// … or when the first of them has waited so long.
    pub flush_after: Duration,
    /// Appends fail with `Full` when the file system has fewer bytes free: what is left is the registry's.
    pub min_free_bytes: u64,
    /// Dead letters kept at most; the oldest go first.
    pub max_dead_letters: u64,
}

impl Default for SeriesOptions {
    fn default() -> Self {
        Self {
            retention_days: BTreeMap::new(),
            max_total_bytes: 0,
            head_bytes: 64 << 20,
            flush_after: Duration::from_secs(600),
            min_free_bytes: 128 << 20,
            max_dead_letters: 10_000,
        }
    }
}

impl SeriesOptions {
    /// Days that rows of `kind` are kept; `None` is for ever.
    pub fn days(&self, kind: SeriesKind) -> Option<u32> {
        let days = self.retention_days.get(&kind).copied().unwrap_or_else(|| default_retention_days(kind));
        (days > 0).then_some(days)
    }
}

/// Days that rows of a kind are kept when nothing is configured.
pub const fn default_retention_days(kind: SeriesKind) -> u32 {
    match kind {
        SeriesKind::Status | SeriesKind::Data => 30,
        SeriesKind::Event(EventKind::Sale) => 730,
        SeriesKind::Event(EventKind::Log | EventKind::Download | EventKind::Presence) => 180,
        SeriesKind::Event(EventKind::Note | EventKind::DeadLetter) => 30,
    }
}

/// Milliseconds of a partition of a kind. Fixed: the width is part of the files' names and of what lies in them. A day for what
/// comes every few seconds, a week for the rest, so that even years are a hundred files.
pub const fn partition_width_ms(kind: SeriesKind) -> i64 {
    const DAY: i64 = 86_400_000;
    match kind {
        SeriesKind::Status | SeriesKind::Data => DAY,
        SeriesKind::Event(_) => 7 * DAY,
    }
}
