//! What a device remembers over restarts for the report, and which of its faults are still to come.

use std::sync::Arc;

use argosy_proto::Sha256Hash;

use crate::choices::Choices;
use crate::context::Context;
use crate::counters::{Counters, Sample};
use crate::device::lasting::Lasting;

/// What is known of the running or last update.
#[derive(Debug, Clone, Copy)]
struct Update {
    hash: Sha256Hash,
    size: u32,
    requested_ms: u64,
    first_get_ms: Option<u64>,
    complete_ms: Option<u64>,
    ended: bool,
}

/// A device's account.
#[derive(Debug)]
pub(crate) struct Ledger {
    context: Arc<Context>,
    update: Option<Update>,
    settled: bool,
    at_target: bool,
    pub(crate) drop_link_at: Option<f64>,
    pub(crate) corrupt_at: Option<f64>,
    /// What the server asked for in `hello/ack`.
    pub(crate) reconnect_jitter_ms: u64,
    /// What the device itself remembers.
    pub(crate) lasting: Lasting,
}

impl Ledger {
    pub(crate) fn new(context: Arc<Context>, choices: &Choices, lasting: Lasting) -> Self {
        Self {
            context,
            update: None,
            settled: false,
            at_target: false,
            drop_link_at: choices.drop_link_at,
            corrupt_at: choices.corrupt_at,
            reconnect_jitter_ms: 0,
            lasting,
        }
    }

    /// A request arrived. Repetitions, and the same image under a new command, belong to the update that runs.
    pub(crate) fn requested(&mut self, hash: Sha256Hash, size: u32) {
        if self.update.is_some_and(|update| update.hash == hash && !update.ended) {
            return;
        }
        Counters::add(&self.context.counters.requests, 1);
        let requested_ms = self.context.now_ms();
        self.update =
            Some(Update { hash, size, requested_ms, first_get_ms: None, complete_ms: None, ended: false });
    }

    /// The size of the image under way.
    pub(crate) fn size(&self) -> u32 {
        self.update.map_or(0, |update| update.size)
    }

    /// A range is being asked for.
    pub(crate) fn fetching(&mut self) {
        let now = self.context.now_ms();
        if let Some(update) = &mut self.update
            && update.first_get_ms.is_none()
        {
            update.first_get_ms = Some(now);
            self.context.counters.fetch_began(now);
        }
    }

    /// The image is complete and right.
    pub(crate) fn verified(&mut self) {
        let now = self.context.now_ms();
        if let Some(update) = &mut self.update
            && update.first_get_ms.is_some()
            && update.complete_ms.is_none()
        {
            update.complete_ms = Some(now);
            self.context.counters.image_complete(now, update.size);
        }
    }

    /// The server knows that the device runs `hash`, confirmed.
    pub(crate) fn runs(&mut self, hash: Sha256Hash) {
        let reached = self.context.config.until_hash == Some(hash);
        if reached != self.at_target {
            self.at_target = reached;
            self.context.counters.target_reached(reached);
        }
        let now = self.context.now_ms();
        let Some(update) = self.update.as_mut().filter(|update| update.hash == hash && !update.ended) else {
            return;
        };
        update.ended = true;
        let since = |from: u64, to: u64| u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);
        let download_ms = match (update.first_get_ms, update.complete_ms) {
            (Some(first), Some(complete)) => since(first, complete),
            _ => 0,
        };
        self.context.counters.success(Sample { update_ms: since(update.requested_ms, now), download_ms });
        self.settle();
    }

    /// The server knows that the update failed.
    pub(crate) fn failed(&mut self, reason: &str, rolled_back: bool) {
        let Some(update) = self.update.as_mut().filter(|update| !update.ended) else { return };
        update.ended = true;
        self.context.counters.failure(reason, rolled_back);
        self.settle();
    }

    /// The update ended without success or failure (it was cancelled).
    pub(crate) fn abandoned(&mut self) {
        if let Some(update) = &mut self.update {
            update.ended = true;
        }
    }

    /// The server knows how a content request ended.
    pub(crate) fn content(&mut self, ended: Result<(), String>) {
        self.context.counters.content(ended);
        self.settle();
    }

    fn settle(&mut self) {
        if !self.settled {
            self.settled = true;
            self.context.counters.first_settled();
        }
    }
}
