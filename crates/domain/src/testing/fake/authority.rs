//! An authority that issues names instead of certificates.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use argosy_proto::DeviceKey;

use crate::Timestamp;
use crate::ports::{CertificateAuthority, IssueError, IssuedCertificate};

/// The fake authority: serials count up from 1; a CSR is any text that holds `CERTIFICATE REQUEST`.
#[derive(Debug, Default)]
pub struct FakeAuthority {
    issued: AtomicU64,
}

impl FakeAuthority {
    /// How it names itself as issuer.
    pub const ISSUER: &'static str = "fake-device-ca";
    /// A certificate request that it accepts.
    pub const CSR: &'static str =
        "-----BEGIN CERTIFICATE REQUEST-----\nZmFrZQ==\n-----END CERTIFICATE REQUEST-----\n";
    /// How long its certificates are valid.
    pub const VALIDITY: Duration = Duration::from_secs(365 * 86_400);

    /// Certificates issued so far.
    pub fn issued(&self) -> u64 {
        self.issued.load(Ordering::SeqCst)
    }
}

impl CertificateAuthority for FakeAuthority {
    fn issue_device(
        &self,
        key: &DeviceKey,
        csr: &[u8],
        now: Timestamp,
    ) -> Result<IssuedCertificate, IssueError> {
        if !String::from_utf8_lossy(csr).contains("CERTIFICATE REQUEST") {
            return Err(IssueError::BadRequest("it is not a PEM certificate request".to_owned()));
        }
        let serial = format!("{:x}", self.issued.fetch_add(1, Ordering::SeqCst) + 1);
        Ok(IssuedCertificate {
            issuer: Self::ISSUER.to_owned(),
            certificate_pem: format!("fake certificate {serial} of {key}\n"),
            serial,
            not_before: now,
            not_after: now + Self::VALIDITY,
            chain_pem: "fake chain\n".to_owned(),
        })
    }

    fn roots_pem(&self) -> String {
        "fake root\n".to_owned()
    }
}
