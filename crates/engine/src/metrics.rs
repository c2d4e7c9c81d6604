//! Counters of the engine; `/metrics` reads them.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Monotonic counters.
        #[derive(Debug, Default)]
        pub struct EngineMetrics { $($(#[$doc])* pub $name: AtomicU64),* }

        impl EngineMetrics {
            /// Every counter with its name, for `/metrics`.
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed))),*]
            }
        }
    };
}

counters! {
    /// Upward messages taken in.
    messages_total,
    /// Upward messages that could not be understood.
    dead_letters_total,
    /// Commits of ingest.
    ingest_commits_total,
    /// Ingest batches that failed (their messages were not acknowledged).
    ingest_failures_total,
    /// Facts stored.
    facts_total,
    /// Groups in which they were stored, each with one sync.
    fact_groups_total,
    /// Groups of facts that failed (their messages were not acknowledged).
    fact_failures_total,
    /// Facts given up: presence when the queue is full, and steps of downloads while the series store is full.
    facts_dropped_total,
    /// Update requests decided.
    updates_dispatched_total,
    /// Update requests handed to the device plane.
    requests_sent_total,
    /// Device updates that succeeded.
    updates_succeeded_total,
    /// Device updates that ended otherwise.
    updates_failed_total,
    /// Leases released.
    leases_released_total,
    /// Connections refused, whatever the reason.
    connections_refused_total,
    /// Requests that a held server kept for later.
    deferred_total,
    /// Devices registered by a code.
    registrations_total,
    /// Registrations of devices that were registered already, by the same code or another.
    registrations_repeated_total,
    /// Registrations refused for a wrong or expired code.
    registrations_refused_total,
    /// Registrations of devices locked after too many wrong codes.
    registrations_locked_total,
    /// Renewals stored: new ones, and requests that were repeated.
    renewals_total,
    /// Renewals refused.
    renewals_refused_total,
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
