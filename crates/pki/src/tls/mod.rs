//! What the listeners run TLS with. The crypto provider is passed explicitly everywhere: no process-wide default is installed.

mod verifier;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use argosy_domain::ports::RenewalKeys;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ServerConfig, SignatureScheme};
use rustls_pki_types::CertificateDer;

use self::verifier::DeviceVerifier;
use crate::imported::ImportedCas;
use crate::server_identity::ServingRules;

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

/// Our server certificate for everybody, and a direct one under an imported CA for boards that need it.
pub struct ServerCerts {
    own: Arc<SwappableCert>,
    direct: RwLock<Option<Arc<CertifiedKey>>>,
    rules: ServingRules,
}

impl fmt::Debug for ServerCerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCerts").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl ServerCerts {
    pub(crate) fn new(own: Arc<SwappableCert>, rules: ServingRules) -> Self {
        Self { own, direct: RwLock::default(), rules }
    }

    pub(crate) fn set_direct(&self, direct: Option<Arc<CertifiedKey>>) {
        *self.direct.write().unwrap_or_else(PoisonError::into_inner) = direct;
    }

    /// The one that everybody gets who does not need the other.
    pub fn own(&self) -> Arc<CertifiedKey> {
        self.own.current()
    }

    fn needs_direct(&self, hello: &ClientHello<'_>) -> bool {
        let named = match hello.server_name() {
            Some(name) => self.rules.imported_names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)),
            None => self.rules.imported_without_name,
        };
        named || !speaks_ecdsa(hello)
    }
}

/// Whether the client could use our own certificate at all.
fn speaks_ecdsa(hello: &ClientHello<'_>) -> bool {
    let signs = hello.signature_schemes().contains(&SignatureScheme::ECDSA_NISTP256_SHA256);
    let suite = hello.cipher_suites().iter().any(|suite| {
        matches!(
            suite,
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS13_AES_256_GCM_SHA384
                | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        )
    });
    signs && suite
}

impl ResolvesServerCert for ServerCerts {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let direct = self.direct.read().unwrap_or_else(PoisonError::into_inner).clone();
        match direct {
            Some(direct) if self.needs_direct(&hello) => Some(direct),
            _ => Some(self.own()),
        }
    }
}

/// What device certificates are verified against: our own CA, and those that were imported.
#[derive(Clone)]
pub struct DeviceTrust {
    anchors: Vec<CertificateDer<'static>>,
    imported: Arc<ImportedCas>,
    renewals: Option<Arc<dyn RenewalKeys>>,
}

impl fmt::Debug for DeviceTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceTrust").field("anchors", &self.anchors.len()).finish_non_exhaustive()
    }
}

impl DeviceTrust {
    pub(crate) fn new(
        anchors: Vec<CertificateDer<'static>>,
        imported: Arc<ImportedCas>,
        renewals: Option<Arc<dyn RenewalKeys>>,
    ) -> Self {
        Self { anchors, imported, renewals }
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
    let verifier = DeviceVerifier::new(&trust.anchors, Arc::clone(&trust.imported), trust.renewals.clone())?;
    let verifier = Arc::new(verifier);
    let mut config = ServerConfig::builder_with_provider(provider())
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
