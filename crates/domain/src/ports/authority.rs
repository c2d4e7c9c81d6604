//! The certificate authority as the use cases see it.

use argosy_proto::DeviceKey;

use super::PortError;
use crate::Timestamp;

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

    /// The roots that devices must trust to reach us, PEM.
    fn roots_pem(&self) -> String;
}
