//! Certificates for tests, and the reader that the broker is given.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::ports::PresentedCertificate;
use argosy_mqtt::embedded::CertificateReader;
use parking_lot::RwLock;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

/// A certificate with its key.
pub struct Leaf {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    pem: String,
    key_pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Self { der: certificate.der().clone(), pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    fn leaf(&self, name: &str, serial: u64, usage: ExtendedKeyUsagePurpose) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    pub fn device(&self, name: &str, serial: u64) -> Leaf {
        self.leaf(name, serial, ExtendedKeyUsagePurpose::ClientAuth)
    }

    pub fn server(&self, serial: u64) -> Leaf {
        self.leaf("localhost", serial, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        Arc::new(roots)
    }

    /// A client's TLS configuration that trusts this authority.
    pub fn client(
        &self,
        leaf: Option<&Leaf>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<rustls::ClientConfig> {
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots());
        Arc::new(match leaf {
            Some(leaf) => builder.with_client_auth_cert(leaf.chain.clone(), leaf.key.clone_key()).unwrap(),
            None => builder.with_no_client_auth(),
        })
    }
}

impl Leaf {
    /// Writes certificate and key, PEM, for another program.
    pub fn write(&self, folder: &std::path::Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        std::fs::write(&certificate, &self.pem).unwrap();
        std::fs::write(&key, &self.key_pem).unwrap();
        (certificate, key)
    }

    fn certified(&self) -> Arc<CertifiedKey> {
        let key = aws_lc_rs::sign::any_supported_type(&self.key).unwrap();
        Arc::new(CertifiedKey::new(self.chain.clone(), key))
    }

    pub fn der(&self) -> &[u8] {
        &self.chain[0]
    }
}

/// A server certificate that can be exchanged.
#[derive(Debug)]
pub struct Swappable(RwLock<Arc<CertifiedKey>>);

impl Swappable {
    pub fn new(leaf: &Leaf) -> Arc<Self> {
        Arc::new(Self(RwLock::new(leaf.certified())))
    }

    pub fn swap(&self, leaf: &Leaf) {
        *self.0.write() = leaf.certified();
    }
}

impl ResolvesServerCert for Swappable {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}

/// TLS 1.2 and 1.3, client certificate of `devices` required.
pub fn server_config(devices: &Authority, certificate: Arc<Swappable>) -> Arc<rustls::ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(devices.roots(), provider.clone()).build().unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificate);
    Arc::new(config)
}

pub fn reader() -> CertificateReader {
    Arc::new(|der| {
        let (_, leaf) = x509_parser::parse_x509_certificate(der)?;
        let name = leaf.subject().iter_common_name().next().ok_or("no CN")?.as_str()?.to_owned();
        Ok(PresentedCertificate {
            common_name: name,
            issuer: leaf.issuer().to_string(),
            serial: leaf.raw_serial().iter().map(|b| format!("{b:02x}")).collect(),
            not_before: Timestamp(leaf.validity().not_before.timestamp() * 1000),
            not_after: Timestamp(leaf.validity().not_after.timestamp() * 1000),
            imported: false,
        })
    })
}

/// The serial as [`reader`] writes it.
pub fn serial(leaf: &Leaf) -> String {
    reader()(leaf.der()).unwrap().serial
}

/// How long a test waits for what must come.
pub const LIMIT: Duration = Duration::from_secs(20);
