//! The private certificate authority: one root, and one intermediate each for servers and for devices.
//!
//! On disk, below the folder that [`Authority::open_or_create`] is given:
//! `ca/root.{pem,key}`, `ca/server-ca.{pem,key}`, `ca/device-ca.{pem,key}`, and `server.pem` of [`crate::ServerIdentity`].
//! The six CA files are made in `ca.new` and appear together by one rename, so a crash leaves a whole authority or none, and
//! a file that is missing later is damage, never a reason to make a new one that no device trusts.
//!
//! `root.key` is needed only to make intermediates: an operator may take it away to a safe place.

mod build;
mod issue;
mod store;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::ports::Entropy;
use rcgen::{Issuer, KeyPair};
use rustls_pki_types::CertificateDer;

use crate::keyfile::{self, KeyFileError};
use crate::leaf::LeafError;
use crate::{CsrRefusal, DeviceTrust};

#[cfg(test)]
pub(crate) use build::pem_block;
pub use issue::Issued;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What an operator decides about the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityParams {
    /// Organisation in the names of the CA certificates: 1 to 64 characters, no control characters. Used at creation only.
    pub organization: String,
    /// How long a device certificate lives: from an hour to ten years. It never outlives its issuer.
    pub device_life: Duration,
}

impl Default for AuthorityParams {
    fn default() -> Self {
        Self { organization: "Argosy".to_owned(), device_life: 365 * DAY }
    }
}

/// Why the authority could not be opened, made or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A parameter is out of its range.
    #[error("{0}")]
    Params(&'static str),
    /// A file could not be read or written, is open to others, or is damaged.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// Some files of an authority are there and others are not.
    #[error(
        "{} is missing, but other files of the same authority are there. Restore the folder {} from a backup; \
         a new authority would lock out every device",
        missing.display(), folder.display()
    )]
    Incomplete {
        /// What is missing.
        missing: PathBuf,
        /// The authority's folder.
        folder: PathBuf,
    },
    /// A key file does not belong to the certificate beside it.
    #[error("{} is not the key of {}: restore both from the same backup", key.display(), certificate.display())]
    KeyMismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        certificate: PathBuf,
    },
    /// An intermediate was not issued by the root beside it, or may not do its work.
    #[error("{} does not fit the authority: {reason}", path.display())]
    Unfit {
        /// The certificate file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The intermediate's own time is over.
    #[error("the issuing certificate `{issuer}` ended at {ended} (ms since 1970): it can issue nothing more")]
    IssuerExpired {
        /// Its name.
        issuer: String,
        /// When.
        ended: Timestamp,
    },
    /// The request for a certificate is refused.
    #[error(transparent)]
    Refused(#[from] CsrRefusal),
    /// The clock shows a year that no certificate can hold.
    #[error("the moment {0} (ms since 1970) cannot stand in a certificate: check the server's clock")]
    Clock(Timestamp),
    /// The crypto library failed.
    #[error("cannot {operation}")]
    Crypto {
        /// What was tried.
        operation: &'static str,
        /// What the library said.
        #[source]
        source: rcgen::Error,
    },
    /// What was just issued cannot be read back.
    #[error("the certificate just issued cannot be read back")]
    ReadBack(#[from] LeafError),
}

/// The private certificate authority. Cheap to share in an [`Arc`]; every method takes `&self`.
pub struct Authority {
    folder: PathBuf,
    root: CertificateDer<'static>,
    server: Intermediate,
    device: Intermediate,
    device_life: Duration,
    entropy: Arc<dyn Entropy>,
}

/// A certificate that issues leaves, with its key.
struct Intermediate {
    name: String,
    certificate: CertificateDer<'static>,
    not_after: Timestamp,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("folder", &self.folder)
            .field("device_issuer", &self.device.name)
            .field("server_issuer", &self.server.name)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens the authority in `folder`, or makes it if `folder` holds none. The caller holds the lock of the data folder.
    ///
    /// # Errors
    /// [`AuthorityError`]: key files that others can read, that are damaged or missing, or that do not belong together are
    /// refused with advice; nothing is overwritten.
    pub fn open_or_create(
        folder: &Path,
        params: &AuthorityParams,
        now: Timestamp,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, AuthorityError> {
        check_params(params)?;
        keyfile::private_folder(folder)?;
        if !store::exists(folder)? {
            store::create(folder, params, now, entropy.as_ref())?;
        }
        let store::Loaded { root, server, device } = store::load(folder)?;
        Ok(Self { folder: folder.to_owned(), root, server, device, device_life: params.device_life, entropy })
    }

    /// The roots that a client must trust to reach our servers, PEM.
    pub fn server_roots_pem(&self) -> String {
        pem(&[&self.root])
    }

    /// Everything that a TLS server which is not ours (an external broker) needs to verify devices: device intermediate and
    /// root, PEM.
    pub fn device_trust_pem(&self) -> String {
        pem(&[&self.device.certificate, &self.root])
    }

    /// What our own listeners verify devices by: the device intermediate alone. A device need not send it along, and nothing
    /// that another branch of the root has issued gets in.
    pub fn device_trust(&self) -> DeviceTrust {
        DeviceTrust::new(vec![self.device.certificate.clone()])
    }

    /// The issuer's name in the device certificates that we issue, as [`crate::LeafFacts::issuer`] shows it.
    pub fn device_issuer(&self) -> &str {
        &self.device.name
    }

    /// When the earlier one of the two intermediates ends: a warning belongs well before.
    pub fn ends_at(&self) -> Timestamp {
        self.device.not_after.min(self.server.not_after)
    }

    /// The folder it lives in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn check_params(params: &AuthorityParams) -> Result<(), AuthorityError> {
    let name = &params.organization;
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(AuthorityError::Params(
            "the authority's organisation has 1 to 64 characters, none of them a control character",
        ));
    }
    if params.device_life < Duration::from_secs(60 * 60) || params.device_life > 3650 * DAY {
        return Err(AuthorityError::Params("device certificates live from one hour to 3650 days"));
    }
    Ok(())
}

/// Certificates as PEM blocks, 64 columns, one after the other.
pub(crate) fn pem(certificates: &[&CertificateDer<'_>]) -> String {
    certificates.iter().map(|c| build::pem_block("CERTIFICATE", c.as_ref())).collect()
}

#[cfg(test)]
mod tests;
