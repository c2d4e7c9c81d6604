//! `sessions` and `ingest`: habits of the engine.

use argosy_engine::IngestLimits;

use crate::config::check::Findings;
use crate::config::key::section;
use crate::config::value::Size;

section! {
    /// People and programs that use the API.
    Sessions at "sessions" {
        /// Hours after which a person must log in again.
        hours: u32 = 12, Limit::Range(1, 8760);
        /// Hours that the answer to a creating call with an idempotency key is kept, so that a repeat gets the same answer.
        idempotency_hours: u32 = 24, Limit::Range(1, 720);
    }
}

section! {
    /// What devices say, on its way to the database and the series store.
    Ingest at "ingest" {
        /// Messages that wait for the next commit at most; beyond it devices wait.
        queue: u32 = 8192, Limit::Range(16, 1_000_000);
        /// Messages of one commit to the database at most.
        batch: u32 = 1000, Limit::Range(1, 10_000);
        /// Messages of one append to the series store at most.
        fact_batch: u32 = 4096, Limit::Range(1, 100_000);
        /// Bytes kept of the payload of a message that is not understood.
        dead_letter_bytes: Size = Size(4096), Limit::Range(64, 65_536);
    }
}

impl Ingest {
    /// As the engine takes them.
    pub(crate) fn build(&self) -> IngestLimits {
        IngestLimits {
            queue: self.queue as usize,
            batch: self.batch as usize,
            fact_batch: self.fact_batch as usize,
            dead_letter_bytes: usize::try_from(self.dead_letter_bytes.0).unwrap_or(usize::MAX),
        }
    }

    pub(crate) fn check(&self, found: &mut Findings<'_>) {
        if self.queue < self.batch {
            found.warning(
                "ingest.queue",
                format!("a queue of {} never fills a batch of {}", self.queue, self.batch),
                "let the queue be several times ingest.batch",
            );
        }
    }
}
