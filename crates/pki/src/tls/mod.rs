//! What the listeners run TLS with. The crypto provider is passed explicitly everywhere: no process-wide default is installed.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;

/// Why a TLS configuration could not be built.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The protocol versions do not fit the provider.
    #[error("cannot set up TLS")]
    Config(#[source] rustls::Error),
    /// A CA certificate for devices cannot be used.
    #[error("a CA certificate for devices cannot be used as a trust anchor")]
    Anchor(#[source] rustls::Error),
    /// The verifier of client certificates.
    #[error("cannot set up the verification of device certificates")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
    /// The ticket keys.
    #[error("cannot make keys for session tickets")]
    Tickets(#[source] rustls::Error),
}

/// The crypto provider of every TLS connection: aws-lc-rs, AES-128-GCM first.
///
/// AES-128-GCM is what microcontrollers have in hardware and what costs the server least a byte; the larger key of rustls'
/// own first choice buys nothing against the threats of a download.
pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    // A stable sort: TLS 1.3 stays before 1.2, and ECDSA before RSA.
    provider.cipher_suites.sort_by_key(|suite| match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => 0,
        CipherSuite::TLS13_AES_256_GCM_SHA384 | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => 1,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 2,
        _ => 3,
    });
    Arc::new(provider)
}

/// The server's certificate as listeners use it. It can be exchanged while they run: the next handshake gets the new one,
/// running connections notice nothing.
pub struct SwappableCert(RwLock<Arc<CertifiedKey>>);

impl SwappableCert {
    /// Begins with `key`.
    pub fn new(key: Arc<CertifiedKey>) -> Self {
        Self(RwLock::new(key))
    }

    /// From now on `key`.
    pub fn swap(&self, key: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// The one in use.
    pub fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for SwappableCert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SwappableCert")
    }
}

impl ResolvesServerCert for SwappableCert {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

/// The CA certificates that device certificates are verified against. An imported CA of an older system is one more of them.
#[derive(Debug, Clone)]
pub struct DeviceTrust {
    anchors: Vec<CertificateDer<'static>>,
}

impl DeviceTrust {
    /// Trusts exactly `anchors`; an intermediate can be one.
    pub fn new(anchors: Vec<CertificateDer<'static>>) -> Self {
        Self { anchors }
    }
}

/// HTTPS: TLS 1.2 and 1.3, HTTP/1.1 (all that our HTTP server speaks), no client certificate (a signature, a session or a token lets the caller in).
///
/// Sessions are resumed from stateless tickets, so that a device that fetches range after range on new connections pays for
/// one full handshake and the server keeps nothing for it. Records are full 16 KiB.
///
/// # Errors
/// [`TlsError`] only if the crypto library is unusable.
pub fn https_config(certificate: Arc<dyn ResolvesServerCert>) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ignore_client_order = true;
    config.max_fragment_size = None;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Tickets)?;
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// MQTT over TLS 1.2 and 1.3 with a client certificate **required**, issued for client authentication under `trust`.
///
/// There is no resumption: every connection proves its key again, and no ticket outlives a revoked certificate.
///
/// # Errors
/// [`TlsError`] if `trust` is empty or holds what is no CA certificate.
pub fn mqtt_config(
    certificate: Arc<dyn ResolvesServerCert>,
    trust: &DeviceTrust,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    for anchor in &trust.anchors {
        roots.add(anchor.clone()).map_err(TlsError::Anchor)?;
    }
    let provider = provider();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(TlsError::Verifier)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificate);
    config.ignore_client_order = true;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
