//! The private certificate authority: one root, and one intermediate each for servers and for devices.
//!
//! On disk, below the folder that [`Authority::open_or_create`] is given:
//! `ca/root.{pem,key}`, `ca/server-ca.{pem,key}`, `ca/device-ca.{pem,key}`, and `server.pem` of [`crate::ServerIdentity`].
//! The six CA files are made in `ca.new` and appear together by one rename, so a crash leaves a whole authority or none, and
//! a file that is missing later is damage, never a reason to make a new one that no device trusts.
//!
//! `root.key` is needed only to make intermediates: an operator may take it away to a safe place.

mod build;
mod crl;
mod issue;
mod port;
mod serving;
mod store;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::ports::{Entropy, RenewalKeys};
use rcgen::{Issuer, KeyPair};
use rustls_pki_types::CertificateDer;
use x509_parser::oid_registry as oid;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::csr::RSA_BITS;
use crate::imported::{ImportError, ImportedCas};
use crate::keyfile::{self, KeyFileError};
use crate::leaf::LeafError;
use crate::{CsrRefusal, DeviceTrust};

#[cfg(test)]
pub(crate) use build::pem_block;
pub(crate) use build::subject_key_id;
pub use issue::Issued;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What an operator decides about the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityParams {
    /// Organisation in the names of the CA certificates: 1 to 64 characters, no control characters. Used at creation only.
    pub organization: String,
    /// How long a device certificate lives: from an hour to ten years. It never outlives its issuer.
    pub device_life: Duration,
    /// Where the list of revoked device certificates can be fetched, if that shall stand in them (`http://…/crl/device.crl`).
    pub crl_url: Option<String>,
}

impl Default for AuthorityParams {
    fn default() -> Self {
        Self { organization: "Argosy".to_owned(), device_life: 365 * DAY, crl_url: None }
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
    /// A CA cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Our server certificate cannot be made to follow what was imported.
    #[error("the server certificate cannot be made for boards of the imported CAs")]
    Serving(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Asked to sign for an authority that is none of ours, or whose key is not here.
    #[error("no key of the authority `{0}` is here")]
    UnknownIssuer(String),
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
    crl_url: Option<String>,
    pub(crate) imported: Arc<ImportedCas>,
    /// Told when CAs were imported or removed.
    followers: Mutex<Vec<Follower>>,
    entropy: Arc<dyn Entropy>,
}

/// Called when the imported CAs have changed; an error is one of the import's.
pub type Follower = Box<dyn Fn(Timestamp) -> Result<(), AuthorityError> + Send + Sync>;

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

impl AuthorityError {
    /// What a [`Follower`] says that could not follow.
    pub fn serving(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Serving(Box::new(error))
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
        let imported = Arc::new(ImportedCas::load(folder)?);
        Ok(Self {
            folder: folder.to_owned(),
            root,
            server,
            device,
            device_life: params.device_life,
            crl_url: params.crl_url.clone(),
            imported,
            followers: Mutex::default(),
            entropy,
        })
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
    /// that another branch of the root has issued gets in. Imported CAs are followed as they come and go; `renewals` knows the keys of
    /// boards that lost the answer to a renewal.
    pub fn device_trust(&self, renewals: Option<Arc<dyn RenewalKeys>>) -> DeviceTrust {
        DeviceTrust::new(vec![self.device.certificate.clone()], Arc::clone(&self.imported), renewals)
    }

    /// Calls `follower` whenever CAs were imported or removed from now on.
    pub fn follow(&self, follower: Follower) {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner).push(follower);
    }

    fn tell_followers(&self, now: Timestamp) -> Result<(), AuthorityError> {
        let followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.iter().try_for_each(|follower| follower(now))
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

/// What kind of key it is, if it is one that may sign: RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384.
pub(crate) fn key_kind(spki: &SubjectPublicKeyInfo<'_>) -> Option<String> {
    match spki.parsed().ok()? {
        PublicKey::RSA(rsa) => {
            let first = rsa.modulus.iter().position(|b| *b != 0)?;
            let bits = (rsa.modulus.len() - first) * 8 - rsa.modulus[first].leading_zeros() as usize;
            RSA_BITS.contains(&bits).then(|| format!("RSA-{bits}"))
        }
        PublicKey::EC(_) => {
            let curve = spki.algorithm.parameters.as_ref()?.as_oid().ok()?;
            let known = [(oid::OID_EC_P256, "ECDSA P-256"), (oid::OID_NIST_EC_P384, "ECDSA P-384")];
            known.iter().find(|(id, _)| *id == curve).map(|(_, name)| (*name).to_owned())
        }
        _ => None,
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
    if let Some(url) = &params.crl_url {
        let plain = url.len() <= 512 && url.bytes().all(|b| b.is_ascii_graphic());
        if !plain || !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(AuthorityError::Params(
                "the address of the list of revocations is an http:// or https:// URL of 512 ASCII characters at most",
            ));
        }
    }
    Ok(())
}

/// Certificates as PEM blocks, 64 columns, one after the other.
pub(crate) fn pem(certificates: &[&CertificateDer<'_>]) -> String {
    certificates.iter().map(|c| build::pem_block("CERTIFICATE", c.as_ref())).collect()
}

#[cfg(test)]
mod tests;
