//! The files of imported CAs, and what operators hand in.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::KeyPair;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{Anchor, ImportError};
use crate::authority::AuthorityError;
use crate::keyfile::{self, KeyFileError};

const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";

/// Exactly one certificate, PEM.
pub(super) fn certificate(pem: &str) -> Result<CertificateDer<'static>, ImportError> {
    if pem.contains("PRIVATE KEY") {
        return Err(ImportError::Certificate(
            "it holds a private key: hand the key in as the key".to_owned(),
        ));
    }
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found.as_deref() {
        Ok([one]) => Ok(one.clone()),
        Ok([]) | Err(_) => Err(ImportError::Certificate("it is no certificate in PEM".to_owned())),
        Ok(_) => Err(ImportError::Certificate(
            "it holds several certificates: import the one that issued the boards' certificates".to_owned(),
        )),
    }
}

/// A private key in PEM: PKCS #8, PKCS #1 (`RSA PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`), not encrypted. What is wrong with it is not
/// repeated: a parser's message about a key has no place in a log.
pub(super) fn key(pem: &str) -> Result<KeyPair, ImportError> {
    if pem.contains("ENCRYPTED") {
        return Err(ImportError::Key(
            "it is encrypted: decrypt it first (openssl pkey -in old.key -out plain.key)",
        ));
    }
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| ImportError::Key("it is no private key in PEM"))?;
    KeyPair::try_from(&der).map_err(|_| ImportError::Key("it is neither RSA nor ECDSA on P-256 or P-384"))
}

pub(super) fn load(folder: &Path) -> Result<Vec<Arc<Anchor>>, AuthorityError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|e| read_error(folder, e))?,
    };
    let mut anchors = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| read_error(folder, e))?.path();
        // `.new`: left by a crash; it never was in use.
        if path.extension().is_some() || !path.is_dir() {
            continue;
        }
        anchors.push(Arc::new(load_one(&path)?));
    }
    anchors.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(anchors)
}

fn load_one(folder: &Path) -> Result<Anchor, AuthorityError> {
    let (path, key_path) = (folder.join(CERTIFICATE), folder.join(KEY));
    let damaged = |path: &Path, why: String| AuthorityError::from(KeyFileError::damaged(path, why));
    let pem = keyfile::read_public(&path)?.ok_or_else(|| damaged(&path, "it is missing".to_owned()))?;
    let certificate =
        certificate(&String::from_utf8_lossy(&pem)).map_err(|e| damaged(&path, e.to_string()))?;
    let pem = keyfile::read_secret(&key_path)?;
    let key = pem.map(|pem| key(&String::from_utf8_lossy(&pem))).transpose();
    let key = key.map_err(|e| damaged(&key_path, e.to_string()))?;
    Anchor::read(certificate, key).map_err(|e| damaged(&path, e.to_string()))
}

/// All of it or nothing: the folder gets its name when its files are durable.
pub(super) fn save(folder: &Path, anchor: &Anchor, key_pem: Option<&str>) -> Result<(), KeyFileError> {
    keyfile::private_folder(folder)?;
    let (finished, unfinished) = (folder.join(&anchor.id), folder.join(format!("{}.new", anchor.id)));
    if finished.is_dir() {
        // Its certificate is there; the key alone was missing.
        return match key_pem {
            Some(key) => keyfile::write_atomically(&finished.join(KEY), key.as_bytes(), 0o600),
            None => Ok(()),
        };
    }
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(KeyFileError::write(&unfinished, error));
        }
        _ => {}
    }
    keyfile::private_folder(&unfinished)?;
    if let Some(key) = key_pem {
        keyfile::write_atomically(&unfinished.join(KEY), key.as_bytes(), 0o600)?;
    }
    let pem = crate::authority::pem(&[&anchor.certificate]);
    keyfile::write_atomically(&unfinished.join(CERTIFICATE), pem.as_bytes(), 0o644)?;
    fs::rename(&unfinished, &finished).map_err(|e| KeyFileError::write(&finished, e))?;
    keyfile::sync_parent(&finished)
}

pub(super) fn remove(folder: &Path, id: &str) -> Result<(), KeyFileError> {
    let path = folder.join(id);
    // Not in use any more from the rename on, whatever happens to the rest.
    let going = folder.join(format!("{id}.old"));
    fs::rename(&path, &going).map_err(|e| KeyFileError::write(&path, e))?;
    keyfile::sync_folder(folder)?;
    fs::remove_dir_all(&going).map_err(|e| KeyFileError::write(&going, e))
}

fn read_error(path: &Path, source: io::Error) -> AuthorityError {
    KeyFileError::Read { path: path.to_owned(), source }.into()
}
