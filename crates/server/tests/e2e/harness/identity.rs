//! Keys and certificates in files, as foreign clients take them.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair,
};

/// A device's files.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The leaf and its intermediates, PEM.
    pub(crate) certificate: PathBuf,
    /// The private key, PEM.
    pub(crate) key: PathBuf,
}

impl Identity {
    pub(crate) fn write(folder: &Path, name: &str, private_key: &str, chain: &str) -> Self {
        let certificate = folder.join(format!("{name}.crt"));
        let key = folder.join(format!("{name}.key"));
        fs::write(&certificate, chain).expect("a file");
        fs::write(&key, private_key).expect("a file");
        Self { certificate, key }
    }

    /// A certificate of a device signed behind the registry's back with the authority's own key, as whoever stole it could.
    pub(crate) fn forged(data: &Path, folder: &Path, device: &str) -> Self {
        let (issuer, chain) = authority_pair(data, "device-ca");
        let issued = leaf(device, &issuer);
        Self::write(folder, &format!("{device}-forged"), &issued.1, &format!("{}\n{chain}", issued.0))
    }

    /// A certificate of a device from an authority that is not Argosy's.
    pub(crate) fn foreign(folder: &Path, device: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("A foreign authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
        let issued = leaf(device, &ca);
        Self::write(folder, &format!("{device}-foreign"), &issued.1, &format!("{}\n{}", issued.0, ca.pem()))
    }
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// A client certificate and its key, PEM.
fn leaf<S: rcgen::SigningKey>(device: &str, issuer: &Issuer<'_, S>) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name = name(device);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

/// One of the server's authorities (`device-ca`, `server-ca`): what signs, and its certificate as PEM.
pub(crate) fn authority_pair(data: &Path, which: &str) -> (Issuer<'static, KeyPair>, String) {
    let folder = data.join("pki").join("ca");
    let read = |extension: &str| {
        fs::read_to_string(folder.join(format!("{which}.{extension}"))).expect("the authority's file")
    };
    let certificate = read("pem");
    let key = KeyPair::from_pem(&read("key")).expect("a key");
    (Issuer::from_ca_cert_pem(&certificate, key).expect("an issuer"), certificate)
}

/// A device's key, and its request for a certificate.
pub(crate) struct Csr {
    pub(crate) private_key: String,
    pub(crate) csr: String,
}

/// Makes the key of a device and asks for its certificate.
pub(crate) fn make_csr(device: &str) -> Csr {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name = name(device);
    let csr = params.serialize_request(&key).and_then(|csr| csr.pem()).expect("a request");
    Csr { private_key: key.serialize_pem(), csr }
}
