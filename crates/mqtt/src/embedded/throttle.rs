//! The rate limit of one device: a token bucket (GCRA) that first slows a device down, then gives up on it.

use std::time::Duration;

use tokio::time::Instant;

/// How much one device may say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Packets a second, on average.
    pub per_second: f64,
    /// Packets at once after a pause.
    pub burst: u32,
    /// How long a device may keep sending faster than that before it is disconnected. Until then it is slowed down to its rate.
    pub patience: Duration,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { per_second: 50.0, burst: 500, patience: Duration::from_secs(30) }
    }
}

impl RateLimit {
    fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.per_second.max(0.001))
    }
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Take it.
    Pass,
    /// Take it after this time, and read nothing more until then.
    Wait(Duration),
    /// Disconnect.
    TooMuch,
}

/// The state of one bucket.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// When the bucket will be full again.
    full_at: Option<Instant>,
    /// Since when the device has been over its rate without a break.
    over_since: Option<Instant>,
}

impl Throttle {
    /// Takes one token at `now`.
    pub(super) fn charge(&mut self, now: Instant, limit: &RateLimit) -> Verdict {
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + limit.interval();
        let allowed_at = full_at.checked_sub(limit.interval() * limit.burst.max(1)).unwrap_or(now);
        self.full_at = Some(full_at);
        if allowed_at <= now {
            self.over_since = None;
            return Verdict::Pass;
        }
        let over_since = *self.over_since.get_or_insert(now);
        if now.duration_since(over_since) >= limit.patience {
            return Verdict::TooMuch;
        }
        Verdict::Wait(allowed_at - now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(per_second: f64, burst: u32, patience_s: u64) -> RateLimit {
        RateLimit { per_second, burst, patience: Duration::from_secs(patience_s) }
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let limit = limit(10.0, 5, 60);
        let mut throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..5 {
            assert_eq!(throttle.charge(now, &limit), Verdict::Pass);
        }
        let Verdict::Wait(wait) = throttle.charge(now, &limit) else { panic!("the sixth must wait") };
        assert_eq!(wait, Duration::from_millis(100));
        assert_eq!(throttle.charge(now + wait + Duration::from_secs(1), &limit), Verdict::Pass);
    }

    #[test]
    fn patience_ends() {
        let limit = limit(1.0, 1, 10);
        let mut throttle = Throttle::default();
        let mut now = Instant::now();
        let start = now;
        loop {
            match throttle.charge(now, &limit) {
                Verdict::Pass => {}
                Verdict::Wait(wait) => now += wait,
                Verdict::TooMuch => break,
            }
            assert!(now - start < Duration::from_secs(20), "never given up");
        }
        assert!(now - start >= Duration::from_secs(10));
    }

    proptest! {
        /// However a device sends, what is taken in any time stays within burst + rate x time.
        #[test]
        fn never_more_than_burst_and_rate(
            per_second in 0.5f64..100.0,
            burst in 1u32..50,
            gaps in proptest::collection::vec(0u64..500, 1..200),
        ) {
            let limit = limit(per_second, burst, 1_000_000);
            let mut throttle = Throttle::default();
            let start = Instant::now();
            let mut now = start;
            let mut taken = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                if let Verdict::Wait(wait) = throttle.charge(now, &limit) {
                    now += wait;
                }
                taken.push(now);
            }
            for (i, from) in taken.iter().enumerate() {
                for (j, to) in taken.iter().enumerate().skip(i) {
                    let allowed = f64::from(burst) + per_second * (*to - *from).as_secs_f64() + 1e-3;
                    prop_assert!((j - i + 1) as f64 <= allowed + 1.0, "{} in {:?}", j - i + 1, *to - *from);
                }
            }
        }
    }
}
