//! Wall time in the simulator: read once by the binary, then counted on by the monotonic clock. The library never asks the
//! operating system what time it is.

use std::time::Instant;

/// Milliseconds since the epoch that never go back.
#[derive(Debug, Clone, Copy)]
pub struct WallClock {
    epoch_ms: u64,
    since: Instant,
}

impl WallClock {
    /// A clock that shows `epoch_ms` now.
    pub fn starting_at(epoch_ms: u64) -> Self {
        Self { epoch_ms, since: Instant::now() }
    }

    /// Milliseconds since the epoch.
    pub fn now_ms(&self) -> u64 {
        self.epoch_ms + u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
