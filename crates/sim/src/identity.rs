//! Keys and certificates of a fleet, kept in one folder and used again by the next run.
//!
//! `identities.jsonl` has a line for each device (ten thousand devices are one file, not twenty thousand); `roots.pem` is what
//! servers are verified by. A folder `{key}/` with `key.pem` and `cert.pem`, and `ca.pem` beside the folders, is read too: that
//! is how identities are brought that Argosy did not issue.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use argosy_proto::DeviceKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};

const STORE: &str = "identities.jsonl";
const ROOTS: &str = "roots.pem";

/// A private key and its certificate chain, both DER. `Debug` shows neither.
#[derive(Clone)]
pub struct Identity {
    pub(crate) private_key: Vec<u8>,
    pub(crate) chain: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// Identities cannot be kept or used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line of the store is not an identity.
    #[error("line {line} of {} is not an identity", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A PEM file does not hold what it should.
    #[error("{} holds no readable key or certificate", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// A private key is of a kind that cannot be used.
    #[error("the private key of device {key} cannot be used")]
    Key {
        /// The device.
        key: DeviceKey,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: DeviceKey,
    private_key: String,
    chain: Vec<String>,
}

impl Identity {
    /// Ready for handshakes.
    pub(crate) fn certified(&self, key: &DeviceKey) -> Result<Arc<CertifiedKey>, IdentityError> {
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.private_key.clone()));
        let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der)
            .map_err(|source| IdentityError::Key { key: key.clone(), source })?;
        let chain = self.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        Ok(Arc::new(CertifiedKey::new(chain, signer)))
    }
}

/// A folder of identities.
#[derive(Debug)]
pub struct IdentityStore {
    folder: PathBuf,
    known: HashMap<DeviceKey, Identity>,
    roots: Option<Vec<u8>>,
}

impl IdentityStore {
    /// Opens a folder, making it if it is not there (readable by its owner only).
    ///
    /// # Errors
    /// The folder or what is in it cannot be read.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, IdentityError> {
        let folder = folder.into();
        let write = |source| IdentityError::Write { path: folder.clone(), source };
        std::os::unix::fs::DirBuilderExt::mode(fs::DirBuilder::new().recursive(true), 0o700)
            .create(&folder)
            .map_err(write)?;
        let mut known = read_store(&folder.join(STORE))?;
        read_folders(&folder, &mut known)?;
        let mut roots = None;
        for name in [ROOTS, "ca.pem"] {
            if roots.is_none() {
                roots = read_if_there(&folder.join(name))?;
            }
        }
        Ok(Self { folder, known, roots })
    }

    /// What servers are verified by, PEM.
    pub fn roots_pem(&self) -> Option<&[u8]> {
        self.roots.as_deref()
    }

    /// Verifies servers by `pem` from now on, without keeping it.
    pub fn trust(&mut self, pem: Vec<u8>) {
        self.roots = Some(pem);
    }

    /// A device's identity.
    pub fn get(&self, key: &DeviceKey) -> Option<&Identity> {
        self.known.get(key)
    }

    /// Adds identities and keeps them.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn add(&mut self, new: Vec<(DeviceKey, Identity)>) -> Result<(), IdentityError> {
        let path = self.folder.join(STORE);
        let mut text = Vec::new();
        for (key, identity) in &new {
            let line = Line {
                key: key.clone(),
                private_key: BASE64.encode(&identity.private_key),
                chain: identity.chain.iter().map(|der| BASE64.encode(der)).collect(),
            };
            // A struct of texts always has a JSON form.
            serde_json::to_writer(&mut text, &line)
                .map_err(|error| IdentityError::Write { path: path.clone(), source: error.into() })?;
            text.push(b'\n');
        }
        append_private(&path, &text).map_err(|source| IdentityError::Write { path, source })?;
        self.known.extend(new);
        Ok(())
    }

    /// Keeps what servers are verified by.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_roots(&mut self, pem: &[u8]) -> Result<(), IdentityError> {
        if self.roots.as_deref() != Some(pem) {
            let path = self.folder.join(ROOTS);
            fs::write(&path, pem).map_err(|source| IdentityError::Write { path, source })?;
            self.roots = Some(pem.to_vec());
        }
        Ok(())
    }
}

fn append_private(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, IdentityError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IdentityError::Read { path: path.to_owned(), source }),
    }
}

fn read_store(path: &Path) -> Result<HashMap<DeviceKey, Identity>, IdentityError> {
    let mut known = HashMap::new();
    let Some(text) = read_if_there(path)? else { return Ok(known) };
    for (place, line) in text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let wrong = || IdentityError::Line { path: path.to_owned(), line: place + 1 };
        let line: Line = serde_json::from_slice(line).map_err(|_| wrong())?;
        let private_key = BASE64.decode(&line.private_key).map_err(|_| wrong())?;
        let chain: Result<Vec<_>, _> = line.chain.iter().map(|der| BASE64.decode(der)).collect();
        known.insert(line.key, Identity { private_key, chain: chain.map_err(|_| wrong())? });
    }
    Ok(known)
}

fn read_folders(folder: &Path, known: &mut HashMap<DeviceKey, Identity>) -> Result<(), IdentityError> {
    let read = |source| IdentityError::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        let Some(key) = entry.file_name().to_str().and_then(|name| DeviceKey::new(name).ok()) else {
            continue;
        };
        let (key_path, cert_path) = (entry.path().join("key.pem"), entry.path().join("cert.pem"));
        if !key_path.is_file() || !cert_path.is_file() {
            continue;
        }
        let pem = |path: &Path, source| IdentityError::Pem { path: path.to_owned(), source };
        let private_key =
            PrivatePkcs8KeyDer::from_pem_file(&key_path).map_err(|error| pem(&key_path, error))?;
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(&cert_path).map_err(|error| pem(&cert_path, error))?.collect();
        let chain = chain.map_err(|error| pem(&cert_path, error))?.iter().map(|der| der.to_vec()).collect();
        known.insert(key, Identity { private_key: private_key.secret_pkcs8_der().to_vec(), chain });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn key(text: &str) -> DeviceKey {
        DeviceKey::new(text).unwrap()
    }

    #[test]
    fn identities_are_found_again_and_the_store_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = IdentityStore::open(folder.path().join("ids")).unwrap();
        assert!(store.roots_pem().is_none());
        let identity = Identity { private_key: vec![1, 2, 3], chain: vec![vec![4], vec![5, 6]] };
        store.add(vec![(key("a"), identity.clone())]).unwrap();
        store.add(vec![(key("b"), identity)]).unwrap();
        store.set_roots(b"roots").unwrap();

        let again = IdentityStore::open(folder.path().join("ids")).unwrap();
        assert_eq!(again.roots_pem(), Some(&b"roots"[..]));
        assert_eq!(again.get(&key("b")).unwrap().chain, [vec![4], vec![5, 6]]);
        assert!(again.get(&key("c")).is_none());
        let mode = fs::metadata(folder.path().join("ids").join(STORE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(STORE), "{\"key\":\"a\"}\n").unwrap();
        let error = IdentityStore::open(folder.path()).unwrap_err();
        assert!(matches!(error, IdentityError::Line { line: 1, .. }), "{error}");
    }

    #[test]
    fn folders_with_pem_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(["dev-1".to_owned()]).unwrap();
        let device = folder.path().join("dev-1");
        fs::create_dir(&device).unwrap();
        fs::write(device.join("key.pem"), own.signing_key.serialize_pem()).unwrap();
        fs::write(device.join("cert.pem"), own.cert.pem()).unwrap();
        fs::write(folder.path().join("ca.pem"), "ca").unwrap();
        let store = IdentityStore::open(folder.path()).unwrap();
        assert_eq!(store.roots_pem(), Some(&b"ca"[..]));
        store.get(&key("dev-1")).unwrap().certified(&key("dev-1")).unwrap();
    }
}
