//! An authority that issues names instead of certificates.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argosy_proto::DeviceKey;

use crate::Timestamp;
use crate::model::Revocation;
use crate::ports::{
    CertificateAuthority, CrlIssuer, CrlRequest, ImportedCa, IssueError, IssuedCertificate, PortResult,
    RevocationJournal,
};

/// The fake authority: serials count up from 1; a CSR is any text that holds `CERTIFICATE REQUEST`.
#[derive(Debug, Default)]
pub struct FakeAuthority {
    issued: AtomicU64,
    imported: Mutex<BTreeMap<String, ImportedCa>>,
}

impl FakeAuthority {
    /// How it names itself as issuer.
    pub const ISSUER: &'static str = "fake-device-ca";
    /// A certificate request that it accepts.
    pub const CSR: &'static str =
        "-----BEGIN CERTIFICATE REQUEST-----\nZmFrZQ==\n-----END CERTIFICATE REQUEST-----\n";
    /// How long its certificates are valid.
    pub const VALIDITY: Duration = Duration::from_secs(365 * 86_400);

    fn imported(&self) -> MutexGuard<'_, BTreeMap<String, ImportedCa>> {
        self.imported.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
            public_key: csr.to_vec(),
        })
    }

    fn public_key_of(&self, csr: &[u8]) -> Result<Vec<u8>, IssueError> {
        if !String::from_utf8_lossy(csr).contains("CERTIFICATE REQUEST") {
            return Err(IssueError::BadRequest("it is not a PEM certificate request".to_owned()));
        }
        Ok(csr.to_vec())
    }

    fn roots_pem(&self) -> String {
        "fake root\n".to_owned()
    }

    fn all_roots_pem(&self) -> String {
        let imported = self.imported_cas().into_iter().map(|ca| format!("fake imported root {}\n", ca.name));
        self.roots_pem() + &imported.collect::<String>()
    }

    fn crl_issuers(&self) -> Vec<CrlIssuer> {
        vec![CrlIssuer { id: "device".to_owned(), issuer: Self::ISSUER.to_owned() }]
    }

    fn sign_crl(&self, request: &CrlRequest<'_>) -> PortResult<Vec<u8>> {
        let serials: Vec<_> = request.revoked.iter().map(|r| r.certificate.serial.as_str()).collect();
        Ok(format!("crl {} {}", request.number, serials.join(",")).into_bytes())
    }

    fn import_ca(
        &self,
        certificate_pem: &str,
        key_pem: Option<&str>,
        now: Timestamp,
    ) -> Result<ImportedCa, IssueError> {
        let ca = ImportedCa {
            id: format!("{:016x}", certificate_pem.len()),
            name: certificate_pem.trim().to_owned(),
            key_kind: "RSA-2048".to_owned(),
            not_before: now,
            not_after: now + Self::VALIDITY,
            has_key: key_pem.is_some(),
        };
        self.imported().insert(ca.id.clone(), ca.clone());
        Ok(ca)
    }

    fn imported_cas(&self) -> Vec<ImportedCa> {
        self.imported().values().cloned().collect()
    }

    fn remove_imported_ca(&self, id: &str, _: Timestamp) -> PortResult<bool> {
        Ok(self.imported().remove(id).is_some())
    }
}

/// A journal of revocations in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct FakeJournal(std::sync::Arc<Mutex<Vec<Revocation>>>);

impl RevocationJournal for FakeJournal {
    fn append(&self, revocations: &[Revocation]) -> PortResult<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(revocations);
        Ok(())
    }

    fn read(&self) -> PortResult<Vec<Revocation>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
