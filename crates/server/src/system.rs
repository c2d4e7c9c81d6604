//! The real clock and the real randomness: what the ports `Clock` and `Entropy` are composed with.

use std::time::{SystemTime, UNIX_EPOCH};

use argosy_domain::Timestamp;
use argosy_domain::ports::{Clock, Entropy};
use rand::TryRngCore as _;

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the binary composes the real clock, here only")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness there is no secret and no key: better no server than a guessable one.
        rand::rngs::OsRng.try_fill_bytes(bytes).expect("the operating system has randomness");
    }
}

/// This machine's name, if it has one.
pub(crate) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty() && name != "(none)").then(|| name.to_owned())
}
