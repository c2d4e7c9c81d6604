//! `registration`: one-time codes with which devices register.

use argosy_engine::{RegistrationRules, SecretKey};

use crate::config::check::Findings;
use crate::config::key::section;

section! {
    /// One-time codes with which devices register themselves.
    Registration at "registration" {
        /// Seconds that a code can be used.
        code_ttl: u32 = 300, Limit::Range(30, 86_400);
        /// Codes open at once at most: a guess hits with the probability of this number in a million.
        max_open: u32 = 1000, Limit::Range(1, 100_000);
        /// Wrong codes that lock a device.
        max_wrong: u32 = 5, Limit::Range(1, 100);
        /// Seconds that it is locked then; wrong codes are forgotten after as long without another one.
        lock_seconds: u32 = 900, Limit::Range(10, 604_800);
        /// Codes judged a second, all devices together; who comes faster waits up to 10 seconds, and is then asked to come again.
        tries_per_second: u32 = 10, Limit::Range(1, 1000);
    }
}

impl Registration {
    /// As the engine takes it.
    pub(crate) fn build(&self, key: SecretKey) -> RegistrationRules {
        RegistrationRules {
            code_ttl_s: self.code_ttl,
            max_open: self.max_open,
            max_wrong: self.max_wrong,
            lock_s: self.lock_seconds,
            tries_per_second: self.tries_per_second,
            key: Some(key),
        }
    }

    pub(crate) fn check(&self, found: &mut Findings<'_>) {
        if self.max_open > 10_000 {
            found.warning(
                "registration.max_open",
                format!("with {} codes open one guess in {} hits", self.max_open, 1_000_000 / self.max_open),
                "let fewer codes be open at once",
            );
        }
    }
}
