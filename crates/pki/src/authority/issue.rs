//! Issuing leaves.

use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::ports::{CertificateAuthority, IssueError, IssuedCertificate, PortError, PortErrorKind};
use argosy_proto::DeviceKey;
use rcgen::{ExtendedKeyUsagePurpose, PublicKeyData};
use rustls_pki_types::CertificateDer;

use super::build::{self, LeafSpec};
use super::{Authority, AuthorityError, pem};
use crate::csr::parse_csr;
use crate::leaf::{LeafFacts, leaf_facts};
use crate::names::ServerNames;

/// A certificate just issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// What stands in it.
    pub facts: LeafFacts,
    /// The leaf.
    pub certificate: CertificateDer<'static>,
    /// Its intermediates, the issuer first; without the root.
    pub chain: Vec<CertificateDer<'static>>,
}

impl Issued {
    /// The leaf, PEM.
    pub fn certificate_pem(&self) -> String {
        pem(&[&self.certificate])
    }

    /// The intermediates, PEM, the issuer first.
    pub fn chain_pem(&self) -> String {
        pem(&self.chain.iter().collect::<Vec<_>>())
    }

    /// Leaf and intermediates in the order that TLS sends them, PEM: what a device stores as its certificate.
    pub fn full_chain_pem(&self) -> String {
        self.certificate_pem() + &self.chain_pem()
    }
}

impl Authority {
    /// Issues a client certificate with CN = `key` for the public key in `csr` (PEM or DER). Whatever else the request asks
    /// for is ignored. The certificate begins an hour before `now`, for devices whose clock runs behind.
    ///
    /// # Errors
    /// [`AuthorityError::Refused`] for a request that is not acceptable, [`AuthorityError::IssuerExpired`] when the
    /// intermediate has ended.
    pub fn issue_device(
        &self,
        key: &DeviceKey,
        csr: &[u8],
        now: Timestamp,
    ) -> Result<Issued, AuthorityError> {
        let csr = parse_csr(csr)?;
        let spec = LeafSpec {
            common_name: key.as_str().to_owned(),
            names: Vec::new(),
            purpose: ExtendedKeyUsagePurpose::ClientAuth,
            life: self.device_life,
        };
        let leaf = build::leaf(&self.device, spec, csr.key(), now, self.entropy.as_ref())?;
        issued(leaf.into(), &self.device.certificate)
    }

    pub(crate) fn issue_server(
        &self,
        names: &ServerNames,
        key: &impl PublicKeyData,
        life: Duration,
        now: Timestamp,
    ) -> Result<Issued, AuthorityError> {
        let spec = LeafSpec {
            common_name: names.common_name(),
            names: names.to_sans().map_err(build::crypto("write the server's names"))?,
            purpose: ExtendedKeyUsagePurpose::ServerAuth,
            life,
        };
        let leaf = build::leaf(&self.server, spec, key, now, self.entropy.as_ref())?;
        issued(leaf.into(), &self.server.certificate)
    }

    /// The certificate that server certificates are issued by.
    pub(crate) fn server_issuer(&self) -> &CertificateDer<'static> {
        &self.server.certificate
    }
}

fn issued(
    certificate: CertificateDer<'static>,
    issuer: &CertificateDer<'static>,
) -> Result<Issued, AuthorityError> {
    // Read back rather than assembled from what was asked for: the allow-list must hold what a peer will show.
    let facts = leaf_facts(&certificate)?;
    Ok(Issued { facts, certificate, chain: vec![issuer.clone()] })
}

impl CertificateAuthority for Authority {
    fn issue_device(
        &self,
        key: &DeviceKey,
        csr: &[u8],
        now: Timestamp,
    ) -> Result<IssuedCertificate, IssueError> {
        let issued = Self::issue_device(self, key, csr, now).map_err(|error| match error {
            AuthorityError::Refused(refusal) => IssueError::BadRequest(refusal.to_string()),
            other => {
                let failed = PortError::new("authority.issue_device", PortErrorKind::Internal);
                IssueError::Failed(failed.with_source(other))
            }
        })?;
        Ok(IssuedCertificate {
            certificate_pem: issued.certificate_pem(),
            chain_pem: issued.chain_pem(),
            issuer: issued.facts.issuer,
            serial: issued.facts.serial.into(),
            not_before: issued.facts.not_before,
            not_after: issued.facts.not_after,
        })
    }

    fn roots_pem(&self) -> String {
        self.server_roots_pem()
    }
}
