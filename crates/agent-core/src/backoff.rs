//! Waiting between attempts: exponential, with full jitter, so that a fleet that lost its server together does not come
//! back together.

/// A small deterministic source of jitter (xorshift64*). Not for secrets.
#[derive(Debug, Clone, Copy)]
pub struct Jitter(u64);

impl Jitter {
    /// Seeds it. Devices need different seeds; a hash of the device key will do.
    pub const fn new(seed: u64) -> Self {
        // Zero is the one state that xorshift never leaves.
        Self(if seed == 0 { 0x9E37_79B9_7F4A_7C15 } else { seed })
    }

    /// A number in `0..=max`.
    pub const fn up_to(&mut self, max: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D);
        if max == u64::MAX { value } else { value % (max + 1) }
    }
}

/// The waits of one kind of attempt, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The ceiling of the first wait.
    pub first_ms: u32,
    /// The ceiling of every wait.
    pub max_ms: u32,
}

impl Backoff {
    /// How long to wait after `failures` (at least 1) failures in a row: between half the ceiling and the ceiling,
    /// where the ceiling doubles with every failure. Never zero time for a device that hammers a dead server.
    pub fn wait_ms(&self, failures: u32, jitter: &mut Jitter) -> u64 {
        let doublings = failures.saturating_sub(1).min(31);
        let ceiling = (u64::from(self.first_ms) << doublings).min(u64::from(self.max_ms)).max(1);
        ceiling / 2 + jitter.up_to(ceiling - ceiling / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wait_stays_between_half_its_ceiling_and_its_ceiling(seed: u64, failures in 1_u32..100, first in 1_u32..10_000) {
            let backoff = Backoff { first_ms: first, max_ms: 60_000 };
            let ceiling = u64::from(first).saturating_mul(1 << failures.saturating_sub(1).min(31)).min(60_000);
            let wait = backoff.wait_ms(failures, &mut Jitter::new(seed));
            prop_assert!(wait >= ceiling / 2 && wait <= ceiling, "{wait} for a ceiling of {ceiling}");
        }
    }

    #[test]
    fn two_seeds_do_not_wait_alike() {
        let backoff = Backoff { first_ms: 60_000, max_ms: 60_000 };
        let waits = |seed| {
            let mut jitter = Jitter::new(seed);
            std::vec::Vec::from_iter((0..8).map(|_| backoff.wait_ms(1, &mut jitter)))
        };
        assert_ne!(waits(1), waits(2));
        assert_eq!(waits(7), waits(7));
    }
}
