//! The authority's files: made all at once, checked at every start.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use argosy_domain::Timestamp;
use argosy_domain::ports::Entropy;
use rcgen::{ExtendedKeyUsagePurpose, Issuer, KeyPair, PublicKeyData};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ExtendedKeyUsage;

use super::build::{self, CaName, NewCa, crypto};
use super::{AuthorityError, AuthorityParams, Intermediate};
use crate::keyfile::{self, KeyFileError};
use crate::leaf::{moment, parse};
use crate::names::dn_text;
use crate::server_identity;

const FINISHED: &str = "ca";
const UNFINISHED: &str = "ca.new";
const ROOT: &str = "root";
const SERVER: &str = "server-ca";
const DEVICE: &str = "device-ca";

pub(super) struct Loaded {
    pub(super) root: CertificateDer<'static>,
    pub(super) server: Intermediate,
    pub(super) device: Intermediate,
}

/// Whether there is an authority to load: only a folder without any trace of one may get a new one.
pub(super) fn exists(folder: &Path) -> Result<bool, AuthorityError> {
    let there = |path: &Path| path.try_exists().map_err(|e| read_error(path, e));
    let ca = folder.join(FINISHED);
    if there(&ca)? {
        return Ok(true);
    }
    if there(&server_identity::path(folder))? {
        return Err(AuthorityError::Incomplete { missing: ca, folder: folder.to_owned() });
    }
    Ok(false)
}

pub(super) fn create(
    folder: &Path,
    params: &AuthorityParams,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<(), AuthorityError> {
    let unfinished = folder.join(UNFINISHED);
    // Left by a crash. It never got its name, so nothing it signed has ever left this function.
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(write_error(&unfinished, error)),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(&unfinished).map_err(|e| write_error(&unfinished, e))?;
    let name = CaName::new(&params.organization, entropy);
    let root = build::root(&name, now, entropy)?;
    let server =
        build::intermediate(&root, name.dn("Server CA"), ExtendedKeyUsagePurpose::ServerAuth, now, entropy)?;
    let device =
        build::intermediate(&root, name.dn("Device CA"), ExtendedKeyUsagePurpose::ClientAuth, now, entropy)?;
    for (file, ca) in [(ROOT, &root), (SERVER, &server), (DEVICE, &device)] {
        write_ca(&unfinished, file, ca)?;
    }
    keyfile::sync_folder(&unfinished)?;
    let finished = folder.join(FINISHED);
    fs::rename(&unfinished, &finished).map_err(|e| write_error(&finished, e))?;
    keyfile::sync_parent(&finished)?;
    Ok(())
}

fn write_ca(folder: &Path, name: &str, ca: &NewCa) -> Result<(), KeyFileError> {
    let (certificate, key) = paths(folder, name);
    keyfile::write_atomically(&key, ca.key.serialize_pem().as_bytes(), 0o600)?;
    keyfile::write_atomically(&certificate, ca.certificate.pem().as_bytes(), 0o644)
}

pub(super) fn load(folder: &Path) -> Result<Loaded, AuthorityError> {
    let ca = folder.join(FINISHED);
    let root = load_root(folder, &ca)?;
    let server = load_intermediate(folder, &ca, SERVER, ExtendedKeyUsagePurpose::ServerAuth, &root)?;
    let device = load_intermediate(folder, &ca, DEVICE, ExtendedKeyUsagePurpose::ClientAuth, &root)?;
    Ok(Loaded { root, server, device })
}

fn load_root(folder: &Path, ca: &Path) -> Result<CertificateDer<'static>, AuthorityError> {
    let (path, key_path) = paths(ca, ROOT);
    let root = load_certificate(folder, &path)?;
    let parsed = parsed(&path, &root)?;
    if !parsed.is_ca() || parsed.verify_signature(None).is_err() {
        return Err(AuthorityError::Unfit { path, reason: "it is not a self-signed CA certificate" });
    }
    // The key may have been taken offline; if it is here, it must be the right one.
    if let Some(pem) = keyfile::read_secret(&key_path)? {
        let key = parse_key(&key_path, &pem)?;
        check_pair(&key, &key_path, &parsed, &path)?;
    }
    Ok(root)
}

fn load_intermediate(
    folder: &Path,
    ca: &Path,
    name: &str,
    purpose: ExtendedKeyUsagePurpose,
    root: &CertificateDer<'static>,
) -> Result<Intermediate, AuthorityError> {
    let (path, key_path) = paths(ca, name);
    let certificate = load_certificate(folder, &path)?;
    let pem = keyfile::read_secret(&key_path)?
        .ok_or_else(|| AuthorityError::Incomplete { missing: key_path.clone(), folder: folder.to_owned() })?;
    let key = parse_key(&key_path, &pem)?;
    let parsed_root = parsed(&path, root)?;
    let parsed = parsed(&path, &certificate)?;
    check_pair(&key, &key_path, &parsed, &path)?;
    let unfit = |reason| AuthorityError::Unfit { path: path.clone(), reason };
    if !parsed.is_ca() {
        return Err(unfit("it is not a CA certificate"));
    }
    if parsed.issuer() != parsed_root.subject()
        || parsed.verify_signature(Some(parsed_root.public_key())).is_err()
    {
        return Err(unfit("it was not issued by the root beside it"));
    }
    // Exchanged files would issue certificates that no peer accepts.
    let usage = parsed.extended_key_usage().ok().flatten();
    if !usage.is_some_and(|usage| is_for(&purpose, usage.value)) {
        return Err(unfit("it is for another purpose"));
    }
    let name = dn_text(parsed.subject());
    let not_after = moment(parsed.validity().not_after.timestamp());
    let issuer =
        Issuer::from_ca_cert_der(&certificate, key).map_err(crypto("use an intermediate certificate"))?;
    Ok(Intermediate { name, certificate, not_after, issuer })
}

/// Whether `usage` allows `purpose` and not the other branch's.
fn is_for(purpose: &ExtendedKeyUsagePurpose, usage: &ExtendedKeyUsage<'_>) -> bool {
    let (server, client) = (usage.server_auth, usage.client_auth);
    match purpose {
        ExtendedKeyUsagePurpose::ServerAuth => server && !client,
        _ => client && !server,
    }
}

fn load_certificate(folder: &Path, path: &Path) -> Result<CertificateDer<'static>, AuthorityError> {
    let pem = keyfile::read_public(path)?
        .ok_or_else(|| AuthorityError::Incomplete { missing: path.to_owned(), folder: folder.to_owned() })?;
    CertificateDer::from_pem_slice(&pem)
        .map_err(|_| KeyFileError::damaged(path, "it holds no certificate in PEM").into())
}

fn parsed<'a>(path: &Path, der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, AuthorityError> {
    parse(der).map_err(|_| KeyFileError::damaged(path, "its certificate cannot be read").into())
}

fn parse_key(path: &Path, pem: &[u8]) -> Result<KeyPair, AuthorityError> {
    // Why it cannot be read is not repeated: a parser's message about a key has no place in a log.
    std::str::from_utf8(pem)
        .ok()
        .and_then(|text| KeyPair::from_pem(text).ok())
        .ok_or_else(|| KeyFileError::damaged(path, "it holds no private key in PEM").into())
}

fn check_pair(
    key: &KeyPair,
    key_path: &Path,
    certificate: &X509Certificate<'_>,
    path: &Path,
) -> Result<(), AuthorityError> {
    if key.subject_public_key_info() == certificate.public_key().raw {
        return Ok(());
    }
    Err(AuthorityError::KeyMismatch { key: key_path.to_owned(), certificate: path.to_owned() })
}

fn paths(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")))
}

fn read_error(path: &Path, source: io::Error) -> AuthorityError {
    KeyFileError::Read { path: path.to_owned(), source }.into()
}

fn write_error(path: &Path, source: io::Error) -> AuthorityError {
    KeyFileError::write(path, source).into()
}
