//! Everything that devices say goes through here, in one of two lanes, in group commits; what a message says is durable before it is
//! acknowledged.
//!
//! - **Facts** (`facts`): status, logs, sales, streams, tests, answers, dead letters go to the series store.
//! - **Transitions** (`transitions`, `batch`): acks, progress, results, `hello`, a status that says something new, and who came and
//!   went go to the registry, and what they say as facts (steps of a download) to the series store as well.
//!
//! Registration and renewal are neither: each is judged by itself (`registration`, `renewal`).
//!
//! **Order.** Within a lane a device's messages are taken in the order in which they came. Between the lanes there is none: a status
//! that came before a result may be seen after it. Nothing hangs on that, because a late message never moves a device backwards.
//!
//! A status moves something only when it differs from what is remembered of its device (`briefs`); when it was heard goes to the
//! registry later, in bulk (`heard`). Most messages therefore cost the registry nothing.

mod batch;
mod briefs;
mod content;
mod facts;
mod gate;
mod heard;
mod legacy;
mod registration;
mod reports;
mod rows;
mod sort;
mod transitions;
mod updates;
mod upkeep;

use std::time::Duration;

pub(crate) use briefs::Briefs;
pub(crate) use facts::{FactQueue, run as run_facts};
pub(crate) use heard::{Heard, run as run_heard};
pub(crate) use rows::dispatched;
pub(crate) use transitions::{TransitionQueue, run as run_transitions};
pub(crate) use upkeep::run as run_upkeep;

/// After the soft signal a lane ends when nothing has come for so long.
const QUIET: Duration = Duration::from_millis(500);

/// Limits of ingest.
#[derive(Debug, Clone)]
pub struct IngestLimits {
    /// Messages waiting in a lane for the next commit at most; beyond it the device plane waits.
    pub queue: usize,
    /// Messages of one commit to the registry at most.
    pub batch: usize,
    /// Messages of one append to the series store at most.
    pub fact_batch: usize,
    /// Bytes of a dead letter's payload that are kept.
    pub dead_letter_bytes: usize,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self { queue: 8192, batch: 1000, fact_batch: 4096, dead_letter_bytes: 4096 }
    }
}
