//! The rate limiter of a deployment: a token bucket in whole numbers.

use std::time::Duration;

use crate::Timestamp;

/// A token bucket. It counts thousandths of a token, so that a rate per second is exact by the millisecond: over any window of `t`
/// milliseconds (both ends included) at most [`TokenBucket::burst`] `+ rate * t / 1000` tokens are given. It lives in memory and
/// begins empty, so that a process that dies again and again does not exceed the rate either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    thousandths: u64,
    at: Timestamp,
}

impl TokenBucket {
    /// An empty bucket, filled from `now` on.
    pub const fn empty(now: Timestamp) -> Self {
        Self { thousandths: 0, at: now }
    }

    /// The most tokens it holds: what comes together in 200 ms, and one at least.
    pub const fn burst(rate_per_s: u32) -> u64 {
        let burst = rate_per_s as u64 / 5;
        if burst == 0 { 1 } else { burst }
    }

    /// Tokens worth waking for: half a burst, so that a late wake-up loses none.
    const fn batch(rate_per_s: u32) -> u64 {
        let batch = rate_per_s as u64 / 10;
        if batch == 0 { 1 } else { batch }
    }

    /// The bucket as it is at `now`. A clock that went back gives no token.
    #[must_use]
    pub fn refilled(self, rate_per_s: u32, now: Timestamp) -> Self {
        let elapsed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        let came = elapsed.saturating_mul(rate_per_s.into());
        let most = Self::burst(rate_per_s) * 1000;
        Self { thousandths: self.thousandths.saturating_add(came).min(most), at: now }
    }

    /// Whole tokens in it.
    pub const fn whole(&self) -> u64 {
        self.thousandths / 1000
    }

    /// The bucket after `count` tokens were taken (no more than there are).
    #[must_use]
    pub(super) const fn taken(self, count: u64) -> Self {
        Self { thousandths: self.thousandths.saturating_sub(count.saturating_mul(1000)), at: self.at }
    }

    /// When there is something to spend on `wanted` requests: all of them, or a batch.
    pub(super) fn ready_at(&self, wanted: u64, rate_per_s: u32) -> Timestamp {
        let needed = wanted.min(Self::batch(rate_per_s)) * 1000;
        let missing = needed.saturating_sub(self.thousandths);
        self.at + Duration::from_millis(missing.div_ceil(u64::from(rate_per_s).max(1)))
    }
}
