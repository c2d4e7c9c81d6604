//! `pki` and `shutdown`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use argosy_engine::IdentityRules;
use argosy_pki::{AuthorityParams, ServingRules};

use crate::config::check::Findings;
use crate::config::key::section;
use crate::config::value::{List, Switch};

section! {
    /// Argosy's own certificate authority.
    Pki at "pki" {
        /// Organisation in the names of the authority's certificates. Used when the authority is made, at the first start.
        organization: String = "Argosy".to_owned(), Limit::Said("1 to 64 characters, no control characters");
        /// Days that a device certificate lives.
        device_life_days: u32 = 365, Limit::Range(1, 3650);
        /// Days that a device's older certificates stay good after its renewed one has been seen in use.
        superseded_grace_days: u32 = 7, Limit::Range(0, 3650);
        /// Days that a list of revocations (`/crl/device.crl`) is valid. A new one is made at every revocation, and when half of
        /// them are over.
        crl_days: u32 = 7, Limit::Range(1, 365);
        /// The address of the list of revocations as it stands in device certificates, for other servers that check them;
        /// `"off"`: none stands there.
        crl_url: Switch<String> = Switch::Off, Limit::Said("`http://host/crl/device.crl`, or https");
        /// The file of revocations, outside the data folder, so that a restore of the data cannot undo one. Empty:
        /// `<data_dir>-revocations.log`.
        revocations_file: String = String::new(), Limit::Any;
        /// Server names (SNI) under which boards of an imported CA connect that need our certificate directly under that CA.
        /// Others find their way from their old root to our chain by themselves.
        imported_names: List = List::default(), Limit::Said("host names");
        /// Clients that send no server name (they connect to an IP address) get our certificate directly under the
        /// imported CA. New devices of ours would not trust it: leave it off unless old boards need it.
        imported_without_name: bool = false, Limit::Any;
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
            crl_url: self.crl_url.value().cloned(),
        }
    }

    /// As the engine takes them.
    pub(crate) fn rules(&self) -> IdentityRules {
        let days = |n: u32| Duration::from_secs(u64::from(n) * 24 * 60 * 60);
        IdentityRules {
            superseded_grace: days(self.superseded_grace_days),
            crl_life: days(self.crl_days),
            ..IdentityRules::default()
        }
    }

    /// Who gets our certificate directly under an imported CA.
    pub(crate) fn serving(&self) -> ServingRules {
        ServingRules {
            imported_names: self.imported_names.0.clone(),
            imported_without_name: self.imported_without_name,
        }
    }

    /// Where revocations are kept.
    pub(crate) fn revocations(&self, data: &Path) -> PathBuf {
        if !self.revocations_file.is_empty() {
            return PathBuf::from(&self.revocations_file);
        }
        // Beside the folder, not in it, however it was written (`./argosy-data/`).
        let mut name = data.components().as_path().as_os_str().to_owned();
        name.push("-revocations.log");
        PathBuf::from(name)
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
        if let Some(url) = self.crl_url.value() {
            let good = url.starts_with("http://") || url.starts_with("https://");
            if !good || url.len() > 512 || !url.bytes().all(|b| b.is_ascii_graphic()) {
                found.error(
                    "pki.crl_url",
                    format!("{url:?} is no address of a list of revocations"),
                    "write http://host/crl/device.crl, 512 ASCII characters at most",
                );
            }
        }
    }
}
