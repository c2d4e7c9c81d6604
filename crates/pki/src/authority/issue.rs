//! Issuing leaves.

use std::time::Duration;

use argosy_domain::Timestamp;
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
    /// The public key that it is for: SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
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
            crl_url: self.crl_url.clone(),
        };
        let leaf = build::leaf(&self.device, spec, csr.key(), now, self.entropy.as_ref())?;
        issued(leaf.into(), &self.device.certificate, csr.public_key())
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
            crl_url: None,
        };
        let leaf = build::leaf(&self.server, spec, key, now, self.entropy.as_ref())?;
        issued(leaf.into(), &self.server.certificate, key.subject_public_key_info())
    }

    /// The certificate that server certificates are issued by.
    pub(crate) fn server_issuer(&self) -> &CertificateDer<'static> {
        &self.server.certificate
    }
}

fn issued(
    certificate: CertificateDer<'static>,
    issuer: &CertificateDer<'static>,
    public_key: Vec<u8>,
) -> Result<Issued, AuthorityError> {
    // Read back rather than assembled from what was asked for: the allow-list must hold what a peer will show.
    let facts = leaf_facts(&certificate)?;
    Ok(Issued { facts, certificate, chain: vec![issuer.clone()], public_key })
}
