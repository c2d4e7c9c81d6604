//! The certificate authority as the use cases see it.

use argosy_proto::DeviceKey;

use super::{PortError, PortResult};
use crate::Timestamp;
use crate::model::{CertificateName, Revocation};

/// A certificate just issued to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// Issuer, as the authority names itself.
    pub issuer: String,
    /// Serial number in the canonical form of the allow-list.
    pub serial: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// The leaf, PEM.
    pub certificate_pem: String,
    /// The leaf's intermediates, PEM, leaf's issuer first.
    pub chain_pem: String,
    /// The public key that it is for: SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
}

impl IssuedCertificate {
    /// What it is called on the allow-list.
    pub fn name(&self) -> CertificateName {
        CertificateName { issuer: self.issuer.clone(), serial: self.serial.clone() }
    }
}

/// An authority that can publish a list of what it has revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlIssuer {
    /// How its list is called in URLs: `device`, or the id of an imported CA.
    pub id: String,
    /// Its name, as in the certificates that it issued.
    pub issuer: String,
}

/// A list of revocations to be signed.
#[derive(Debug)]
pub struct CrlRequest<'a> {
    /// By whom: [`CrlIssuer::issuer`].
    pub issuer: &'a str,
    /// Its number; each is higher than the one before.
    pub number: i64,
    /// What is revoked.
    pub revoked: &'a [Revocation],
    /// Made at.
    pub this_update: Timestamp,
    /// The next one comes before then.
    pub next_update: Timestamp,
}

/// A CA of an older system, whose clients are accepted by import row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedCa {
    /// Its id: the first 16 hexadecimal digits of its certificate's SHA-256.
    pub id: String,
    /// Its name, as the issuer in its certificates.
    pub name: String,
    /// The kind of its key, for people (`RSA-2048`, `ECDSA P-256`).
    pub key_kind: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Whether its private key is here: without it, boards that trust only this CA cannot verify our server, and it has no CRL.
    pub has_key: bool,
}

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The CSR is not acceptable; the text says why and what to do, and may be shown to the caller.
    #[error("the certificate request is not acceptable: {0}")]
    BadRequest(String),
    /// The authority could not.
    #[error(transparent)]
    Failed(#[from] PortError),
}

/// Issues device certificates. CPU-bound and synchronous: callers run it off the async workers.
pub trait CertificateAuthority: Send + Sync + 'static {
    /// Issues a certificate with CN = `key` for the public key in `csr` (PEM). The CSR's subject is ignored.
    ///
    /// # Errors
    /// [`IssueError::BadRequest`] for a CSR that is refused.
    fn issue_device(
        &self,
        key: &DeviceKey,
        csr: &[u8],
        now: Timestamp,
    ) -> Result<IssuedCertificate, IssueError>;

    /// The public key (SubjectPublicKeyInfo, DER) of a request that [`Self::issue_device`] would accept. Cheaper than issuing.
    ///
    /// # Errors
    /// [`IssueError::BadRequest`] for a CSR that is refused.
    fn public_key_of(&self, csr: &[u8]) -> Result<Vec<u8>, IssueError>;

    /// The roots that devices must trust to reach us, PEM.
    fn roots_pem(&self) -> String;

    /// [`Self::roots_pem`], then the imported CAs: what a board that moves over may trust. PEM.
    fn all_roots_pem(&self) -> String;

    /// Who publishes lists of revocations: our device CA first.
    fn crl_issuers(&self) -> Vec<CrlIssuer>;

    /// Signs a list; DER.
    ///
    /// # Errors
    /// An unknown issuer, or the crypto library failed.
    fn sign_crl(&self, request: &CrlRequest<'_>) -> PortResult<Vec<u8>>;

    /// Accepts the clients of another CA from now on, and serves our server certificate under it too if its key comes along. The same
    /// certificate again is no error: a key that was missing is added.
    ///
    /// # Errors
    /// [`IssueError::BadRequest`] says what cannot be accepted and why.
    fn import_ca(
        &self,
        certificate_pem: &str,
        key_pem: Option<&str>,
        now: Timestamp,
    ) -> Result<ImportedCa, IssueError>;

    /// The CAs that were imported, by id.
    fn imported_cas(&self) -> Vec<ImportedCa>;

    /// No longer accepts its clients; its key is deleted. `false` if there is none of that id.
    ///
    /// # Errors
    /// Its files cannot be removed.
    fn remove_imported_ca(&self, id: &str, now: Timestamp) -> PortResult<bool>;
}

/// Revocations in a place of their own, outside the data folder: a restore of the data cannot undo one. Blocking: callers run it
/// off the async workers.
pub trait RevocationJournal: Send + Sync + 'static {
    /// Appends; returns when they are durable.
    ///
    /// # Errors
    /// The file cannot be written; nothing may be taken for revoked by it then.
    fn append(&self, revocations: &[Revocation]) -> PortResult<()>;

    /// Everything that was appended, in order; what is damaged is left out (and said in the log).
    ///
    /// # Errors
    /// The file is there and cannot be read.
    fn read(&self) -> PortResult<Vec<Revocation>>;
}

/// Public keys that boards have asked certificates for. A board that has overwritten its private key and lost the answer can show
/// only its old certificate, and prove only its new key: the TLS layer accepts that pair.
pub trait RenewalKeys: Send + Sync + 'static {
    /// The keys (SubjectPublicKeyInfo, DER) for which a connection with this certificate has asked for a new one. In memory, cheap.
    fn keys_of(&self, certificate: &CertificateName) -> Vec<Vec<u8>>;
}
