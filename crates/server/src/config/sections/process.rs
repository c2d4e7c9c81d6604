//! `pki` and `shutdown`.

use std::time::Duration;

use argosy_pki::AuthorityParams;

use crate::config::check::Findings;
use crate::config::key::section;

section! {
    /// Argosy's own certificate authority.
    Pki at "pki" {
        /// Organisation in the names of the authority's certificates. Used when the authority is made, at the first start.
        organization: String = "Argosy".to_owned(), Limit::Said("1 to 64 characters, no control characters");
        /// Days that a device certificate lives.
        device_life_days: u32 = 365, Limit::Range(1, 3650);
    }
}

section! {
    /// How the server ends.
    Shutdown at "shutdown" {
        /// Seconds that running requests, downloads and connections have to end after SIGTERM or SIGINT. A second signal
        /// ends them at once.
        soft_seconds: u32 = 15, Limit::Range(0, 600);
    }
}

impl Pki {
    /// As the authority takes them.
    pub(crate) fn build(&self) -> AuthorityParams {
        let days = u64::from(self.device_life_days);
        AuthorityParams {
            organization: self.organization.clone(),
            device_life: Duration::from_secs(days * 24 * 60 * 60),
        }
    }

    pub(crate) fn check(&self, found: &mut Findings<'_>) {
        let characters = self.organization.chars().count();
        if !(1..=64).contains(&characters) || self.organization.chars().any(char::is_control) {
            found.error(
                "pki.organization",
                format!("{:?} cannot stand in a certificate", self.organization),
                "write 1 to 64 characters without control characters",
            );
        }
    }
}
