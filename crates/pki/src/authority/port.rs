//! The authority as the use cases see it.

use argosy_domain::Timestamp;
use argosy_domain::ports::{
    CertificateAuthority, CrlIssuer, CrlRequest, ImportedCa, IssueError, IssuedCertificate, PortError,
    PortErrorKind, PortResult, PresentedCertificate,
};
use argosy_proto::DeviceKey;

use super::{Authority, AuthorityError};
use crate::csr::parse_csr;
use crate::imported::ImportError;
use crate::leaf::{LeafError, MAX_CERTIFICATE_BYTES, imported_facts, leaf_facts, parse};

impl Authority {
    /// Who presents a verified certificate, in the words of the allow-list.
    ///
    /// # Errors
    /// [`LeafError`] if it can be read in two ways.
    pub fn presented(&self, der: &[u8]) -> Result<PresentedCertificate, LeafError> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(LeafError::TooLong);
        }
        let leaf = parse(der)?;
        let anchor = self.imported.issuer_of(&leaf);
        let facts = match &anchor {
            Some(_) => imported_facts(&leaf)?,
            None => leaf_facts(der)?,
        };
        Ok(PresentedCertificate {
            common_name: facts.common_name,
            issuer: facts.issuer,
            serial: facts.serial.into(),
            not_before: facts.not_before,
            not_after: facts.not_after,
            imported: anchor.is_some(),
        })
    }
}

fn failed(operation: &'static str, error: AuthorityError) -> PortError {
    PortError::new(operation, PortErrorKind::Internal).with_source(error)
}

fn refused(operation: &'static str) -> impl Fn(AuthorityError) -> IssueError {
    move |error| match error {
        AuthorityError::Refused(refusal) => IssueError::BadRequest(refusal.to_string()),
        AuthorityError::Import(
            error @ (ImportError::Certificate(_)
            | ImportError::Key(_)
            | ImportError::Name(_)
            | ImportError::TooMany),
        ) => IssueError::BadRequest(error.to_string()),
        other => IssueError::Failed(failed(operation, other)),
    }
}

impl CertificateAuthority for Authority {
    fn issue_device(
        &self,
        key: &DeviceKey,
        csr: &[u8],
        now: Timestamp,
    ) -> Result<IssuedCertificate, IssueError> {
        let issued = Self::issue_device(self, key, csr, now).map_err(refused("authority.issue_device"))?;
        Ok(IssuedCertificate {
            certificate_pem: issued.certificate_pem(),
            chain_pem: issued.chain_pem(),
            issuer: issued.facts.issuer,
            serial: issued.facts.serial.into(),
            not_before: issued.facts.not_before,
            not_after: issued.facts.not_after,
            public_key: issued.public_key,
        })
    }

    fn public_key_of(&self, csr: &[u8]) -> Result<Vec<u8>, IssueError> {
        parse_csr(csr)
            .map(|csr| csr.public_key())
            .map_err(|refusal| IssueError::BadRequest(refusal.to_string()))
    }

    fn roots_pem(&self) -> String {
        self.server_roots_pem()
    }

    fn all_roots_pem(&self) -> String {
        let imported = self.imported.all();
        self.server_roots_pem() + &imported.iter().map(|a| super::pem(&[&a.certificate])).collect::<String>()
    }

    fn crl_issuers(&self) -> Vec<CrlIssuer> {
        let own = CrlIssuer { id: "device".to_owned(), issuer: self.device.name.clone() };
        let imported = self.imported.all();
        let imported = imported.iter().filter(|anchor| anchor.signs_lists());
        let imported = imported.map(|a| CrlIssuer { id: a.id.clone(), issuer: a.name.clone() });
        std::iter::once(own).chain(imported).collect()
    }

    fn sign_crl(&self, request: &CrlRequest<'_>) -> PortResult<Vec<u8>> {
        self.sign_list(request).map_err(|error| failed("authority.sign_crl", error))
    }

    fn import_ca(
        &self,
        certificate_pem: &str,
        key_pem: Option<&str>,
        now: Timestamp,
    ) -> Result<ImportedCa, IssueError> {
        let about = self.import(certificate_pem, key_pem).map_err(refused("authority.import_ca"))?;
        self.tell_followers(now).map_err(refused("authority.import_ca"))?;
        Ok(about)
    }

    fn imported_cas(&self) -> Vec<ImportedCa> {
        self.imported.list()
    }

    fn remove_imported_ca(&self, id: &str, now: Timestamp) -> PortResult<bool> {
        const OPERATION: &str = "authority.remove_imported_ca";
        let removed = self.imported.remove(id).map_err(|error| failed(OPERATION, error.into()))?;
        if removed {
            self.tell_followers(now).map_err(|error| failed(OPERATION, error))?;
        }
        Ok(removed)
    }
}
