//! The life of identities: who comes in with which certificate, renewal, revocation, identities of imported CAs.

mod admit;
mod imported;
mod renewal;
mod renewals;
mod revocation;

use std::time::Duration;

pub use imported::{ImportRow, MAX_IMPORT_ROWS};
pub(crate) use renewals::Renewals;
pub(crate) use revocation::CrlCache;
pub use revocation::{Crl, CrlFormat};

/// Habits of certificates' lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRules {
    /// How long a device's older certificates stay good after its new one has been seen in use.
    pub superseded_grace: Duration,
    /// How long a list of revocations is valid; a new one is made when half of it is over, and at every revocation.
    pub crl_life: Duration,
    /// How long an operator can allow a device to renew with a certificate that has ended, at most.
    pub longest_allowance: Duration,
}

impl Default for IdentityRules {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self { superseded_grace: 7 * day, crl_life: 7 * day, longest_allowance: 90 * day }
    }
}
