//! One download: which range comes next, what was received, when to try again.

use crate::action::Actions;
use crate::{Action, Digest, Jitter, Offer, Policy, Report};

/// A download in progress. `received` bytes are in the slot and in the digest; ranges up to `requested` were asked for.
#[derive(Debug)]
pub(crate) struct Download<D, L> {
    pub(crate) offer: Offer<L>,
    pub(crate) digest: D,
    pub(crate) received: u32,
    requested: u32,
    /// Failures in a row without a byte between them.
    pub(crate) failures: u16,
    /// Complete downloads that had the wrong hash.
    pub(crate) bad_images: u8,
    /// The locator is of no use any more: nothing is asked for until there is a fresh one.
    stale: bool,
    /// Set while waiting (after a failure, or between chunks): ask for the next range then.
    pub(crate) resume_at: Option<u64>,
    began_ms: u64,
    reported_ms: u64,
    reported_percent: u8,
    /// What progress is told of: a set of files of which this is one. Bytes of those before it, and of all.
    before: u32,
    total: u32,
}

impl<D: Digest, L> Download<D, L> {
    pub(crate) fn new(now_ms: u64, offer: Offer<L>, digest: D) -> Self {
        Self {
            before: 0,
            total: offer.image.size,
            offer,
            digest,
            received: 0,
            requested: 0,
            failures: 0,
            bad_images: 0,
            stale: false,
            resume_at: None,
            began_ms: now_ms,
            reported_ms: now_ms,
            reported_percent: 0,
        }
    }

    /// Makes it one of several files that are told of as one.
    pub(crate) fn part_of(mut self, before: u32, total: u32) -> Self {
        (self.before, self.total) = (before, total);
        self.reported_percent = self.percent();
        self
    }

    fn percent(&self) -> u8 {
        (u64::from(self.before + self.received) * 100 / u64::from(self.total.max(1))) as u8
    }

    pub(crate) fn elapsed_ms(&self, now_ms: u64) -> u32 {
        u32::try_from(now_ms.saturating_sub(self.began_ms)).unwrap_or(u32::MAX)
    }

    /// Asks for as many ranges as may be outstanding.
    pub(crate) fn fetch_next(&mut self, now_ms: u64, policy: &Policy, actions: &mut Actions) {
        if self.stale || self.resume_at.is_some_and(|at| now_ms < at) {
            return;
        }
        self.resume_at = None;
        let size = self.offer.image.size;
        let ahead = if policy.ahead && policy.pause_ms == 0 { policy.chunk } else { 0 };
        while self.requested < size && self.requested - self.received <= ahead {
            let to = size.min(self.requested.saturating_add(policy.chunk.max(1)));
            actions.push(Action::Fetch { from: self.requested, to });
            self.requested = to;
        }
    }

    /// How many of `offered` bytes were asked for; what is beyond them is not wanted.
    pub(crate) fn wanted(&self, offered: usize) -> usize {
        offered.min((self.requested - self.received) as usize)
    }

    /// Counts bytes that are in the slot and in the digest.
    pub(crate) fn advance(&mut self, now_ms: u64, bytes: u32, policy: &Policy, actions: &mut Actions) {
        self.received += bytes;
        self.failures = 0;
        if self.received == self.requested && self.received < self.offer.image.size && policy.pause_ms > 0 {
            self.resume_at = Some(now_ms + u64::from(policy.pause_ms));
        }
        self.report(now_ms, policy, actions);
        self.fetch_next(now_ms, policy, actions);
    }

    fn report(&mut self, now_ms: u64, policy: &Policy, actions: &mut Actions) {
        let (done, total, percent) = (self.before + self.received, self.total, self.percent());
        let due = percent >= self.reported_percent.saturating_add(policy.progress_percent)
            && now_ms.saturating_sub(self.reported_ms) >= u64::from(policy.progress_ms);
        // The end is told by the result.
        if !due || done == total {
            return;
        }
        self.reported_percent = percent;
        self.reported_ms = now_ms;
        let elapsed = u64::from(self.elapsed_ms(now_ms).max(1));
        let kbit_per_s = u32::try_from(u64::from(self.received) * 8 / elapsed).unwrap_or(u32::MAX);
        let command = self.offer.command;
        actions.send(Report::Progress { command, percent, downloaded: done, total, kbit_per_s });
    }

    /// What was asked for will not come. What was received stays; the next range begins behind it.
    pub(crate) fn interrupted(&mut self, now_ms: u64, policy: &Policy, jitter: &mut Jitter) {
        self.failures = self.failures.saturating_add(1);
        self.requested = self.received;
        self.resume_at = Some(now_ms + policy.backoff.wait_ms(u32::from(self.failures), jitter));
    }

    /// The locator is of no use any more. What was received stays; a fresh one goes on behind it.
    pub(crate) fn expired(&mut self) {
        self.requested = self.received;
        self.resume_at = None;
        self.stale = true;
    }

    /// There is a fresh locator: goes on if that was waited for.
    pub(crate) fn readdressed(&mut self, now_ms: u64, policy: &Policy, actions: &mut Actions) {
        if core::mem::take(&mut self.stale) {
            self.failures = 0;
            self.fetch_next(now_ms, policy, actions);
        }
    }

    /// The image was complete and wrong: begins again from nothing.
    pub(crate) fn start_over(&mut self, now_ms: u64, policy: &Policy, jitter: &mut Jitter) {
        self.received = 0;
        self.requested = 0;
        self.reported_percent = 0;
        self.resume_at = Some(now_ms + policy.backoff.wait_ms(u32::from(self.bad_images), jitter));
    }
}
