//! TLS configurations. One provider for the whole process: AES-128-GCM first (the devices' hardware has AES), X25519,
//! and no resumption, so that every connection is a full handshake as a restarted board makes it.

use std::sync::Arc;

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// What servers are judged by, and the configurations made from it.
#[derive(Debug)]
pub(crate) struct Trust {
    anonymous: Arc<ClientConfig>,
}

/// The trust cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("the root certificates are not readable PEM")]
    Pem(#[source] rustls_pki_types::pem::Error),
    #[error("a root certificate cannot be trusted")]
    Root(#[source] rustls::Error),
    #[error("there is no root certificate: no server could be verified")]
    NoRoot,
    #[error("TLS cannot be set up")]
    Provider(#[source] rustls::Error),
}

impl Trust {
    /// Trusts the roots in `pem`, and nothing else.
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(pem) {
            roots.add(root.map_err(TrustError::Pem)?).map_err(TrustError::Root)?;
        }
        if roots.is_empty() {
            return Err(TrustError::NoRoot);
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Provider)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Self { anonymous: Arc::new(config) })
    }

    /// For servers that ask for no certificate.
    pub(crate) fn anonymous(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.anonymous)
    }

    /// For servers that ask for this device's certificate.
    pub(crate) fn with_identity(&self, identity: Arc<CertifiedKey>) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.anonymous);
        config.client_auth_cert_resolver = Arc::new(OneIdentity(identity));
        Arc::new(config)
    }
}

fn provider() -> CryptoProvider {
    use aws_lc_rs::{cipher_suite as suite, kx_group};
    CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ],
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1],
        ..aws_lc_rs::default_provider()
    }
}

/// Always this identity, whichever issuers the server names: a device has one.
#[derive(Debug)]
struct OneIdentity(Arc<CertifiedKey>);

impl ResolvesClientCert for OneIdentity {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
