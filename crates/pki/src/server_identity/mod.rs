//! The server's own certificate: made when there is none, exchanged when two thirds of its life are over.
//!
//! Boards of an imported CA trust only that one. With its key here, everybody is sent our root's cross-certificates by the imported
//! CAs behind our own chain: whoever trusts our root ignores them, whoever trusts an imported CA finds its way through them. A client
//! that speaks no ECDSA, or one that [`ServingRules`] name, gets a certificate directly under the imported CA instead, with a key of
//! that CA's kind. Both are made in memory, at every start and every import.
//!
//! `server.pem` holds key, leaf and intermediate in one file of mode 0600, so that no crash can leave a key beside a
//! certificate of another one. It can always be made again: a damaged one is replaced, only one that others can read is refused.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::ports::RenewalKeys;
use rcgen::KeyPair;
use rustls::ServerConfig;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::extensions::GeneralName;

use crate::authority::{Authority, AuthorityError};
use crate::keyfile::{self, KeyFileError};
use crate::leaf::{LeafFacts, leaf_facts, parse};
use crate::names::ServerNames;
use crate::tls::{self, ServerCerts, SwappableCert, TlsError, https_config, mqtt_config};

/// How long a server certificate lives.
const LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Why there is no server certificate.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Its file.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// It could not be issued.
    #[error("cannot issue the server certificate")]
    Issue(#[from] AuthorityError),
    /// The key could not be generated.
    #[error("cannot generate the server's key")]
    Key(#[source] rcgen::Error),
    /// TLS does not take it.
    #[error("TLS cannot use the server certificate")]
    Unusable(#[source] rustls::Error),
}

/// Where the certificate in use came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityOrigin {
    /// It was on disk and still good.
    Loaded,
    /// There was none.
    First,
    /// The one on disk was of other names, another authority, too old, from the future or damaged.
    Replaced,
}

/// Who gets the server certificate directly under an imported CA, beside clients that speak no ECDSA.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServingRules {
    /// Clients that ask for one of these names (SNI).
    pub imported_names: Vec<String>,
    /// Clients that ask for no name (they connect to an IP address).
    pub imported_without_name: bool,
}

/// The server certificate of a running server.
pub struct ServerIdentity {
    authority: Arc<Authority>,
    names: ServerNames,
    certificate: Arc<SwappableCert>,
    certs: Arc<ServerCerts>,
    facts: Mutex<LeafFacts>,
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerIdentity").field("names", &self.names).finish_non_exhaustive()
    }
}

impl ServerIdentity {
    /// Loads the certificate for `names`, or makes one if there is none that is good at `now`.
    ///
    /// # Errors
    /// [`IdentityError`]: the file is open to other users or cannot be written, or the authority has ended.
    pub fn current(
        authority: Arc<Authority>,
        names: ServerNames,
        rules: ServingRules,
        now: Timestamp,
    ) -> Result<(Self, IdentityOrigin), IdentityError> {
        let (loaded, otherwise) = match keyfile::read_secret(&path(authority.folder())) {
            Ok(Some(pem)) => (usable(&pem, &authority, &names, now), IdentityOrigin::Replaced),
            Ok(None) => (None, IdentityOrigin::First),
            Err(KeyFileError::Damaged { .. }) => (None, IdentityOrigin::Replaced),
            Err(error) => return Err(error.into()),
        };
        let ((key, facts), origin) = match loaded {
            Some(found) => (found, IdentityOrigin::Loaded),
            None => (issue(&authority, &names, now)?, otherwise),
        };
        let certificate = Arc::new(SwappableCert::new(key));
        let certs = Arc::new(ServerCerts::new(Arc::clone(&certificate), rules));
        let identity = Self { authority, names, certificate, certs, facts: Mutex::new(facts) };
        identity.follow_imports(now)?;
        Ok((identity, origin))
    }

    /// Makes and swaps in a new certificate if two thirds of the life of this one are over. To be called about hourly: on an
    /// error the old one stays in use, with a month to go.
    ///
    /// # Errors
    /// [`IdentityError`], as [`Self::current`].
    pub fn renew_if_due(&self, now: Timestamp) -> Result<Option<LeafFacts>, IdentityError> {
        // Held while renewing: of two callers the second finds a fresh one.
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_due(&facts, now) {
            return Ok(None);
        }
        let (key, fresh) = issue(&self.authority, &self.names, now)?;
        self.certificate.swap(key);
        facts.clone_from(&fresh);
        drop(facts);
        self.follow_imports(now)?;
        Ok(Some(fresh))
    }

    /// Makes what boards of the imported CAs are sent, as they are now. To be called when they have changed.
    ///
    /// # Errors
    /// [`IdentityError`]; what was sent before stays in use.
    pub fn follow_imports(&self, now: Timestamp) -> Result<(), IdentityError> {
        // Held: an exchange in between would be undone.
        let _facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let crosses = self.authority.cross_certificates(now)?;
        let current = self.certificate.current();
        // Leaf and intermediate are ours; what follows is the crosses of before.
        let chain = current.cert.iter().take(2).cloned().chain(crosses).collect();
        let direct = match self.authority.direct_leaf(&self.names, LIFE, now)? {
            None => None,
            Some((key, leaf)) => {
                // What rcgen generates is PKCS #8, of every kind.
                let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
                let certified = CertifiedKey::from_der(vec![leaf], der, &tls::provider());
                Some(Arc::new(certified.map_err(IdentityError::Unusable)?))
            }
        };
        self.certificate.swap(Arc::new(CertifiedKey::new(chain, Arc::clone(&current.key))));
        self.certs.set_direct(direct);
        Ok(())
    }

    /// What stands in the certificate in use.
    pub fn facts(&self) -> LeafFacts {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When it will be exchanged.
    pub fn renew_at(&self) -> Timestamp {
        renew_at(&self.facts())
    }

    /// What it is valid for.
    pub fn names(&self) -> &ServerNames {
        &self.names
    }

    /// The certificates for listeners; they follow every exchange.
    pub fn certificate(&self) -> Arc<ServerCerts> {
        Arc::clone(&self.certs)
    }

    /// Key, leaf and intermediate in one PEM file, for a listener that can only read files.
    pub fn file(&self) -> PathBuf {
        path(self.authority.folder())
    }

    /// [`https_config`] with this certificate.
    ///
    /// # Errors
    /// As [`https_config`].
    pub fn https_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        https_config(self.certificate())
    }

    /// [`mqtt_config`] with this certificate, the authority's own devices and those of imported CAs; `renewals` as in
    /// [`Authority::device_trust`].
    ///
    /// # Errors
    /// As [`mqtt_config`].
    pub fn mqtt_config(&self, renewals: Option<Arc<dyn RenewalKeys>>) -> Result<Arc<ServerConfig>, TlsError> {
        mqtt_config(self.certificate(), &self.authority.device_trust(renewals))
    }
}

pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("server.pem")
}

fn issue(
    authority: &Authority,
    names: &ServerNames,
    now: Timestamp,
) -> Result<(Arc<CertifiedKey>, LeafFacts), IdentityError> {
    let key = KeyPair::generate().map_err(IdentityError::Key)?;
    let issued = authority.issue_server(names, &key, LIFE, now)?;
    let mut chain = vec![issued.certificate.clone()];
    chain.extend(issued.chain.iter().cloned());
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let certified = CertifiedKey::from_der(chain, der, &tls::provider()).map_err(IdentityError::Unusable)?;
    let pem = key.serialize_pem() + &issued.full_chain_pem();
    keyfile::write_atomically(&path(authority.folder()), pem.as_bytes(), 0o600)?;
    Ok((Arc::new(certified), issued.facts))
}

/// What is on disk, if it can serve as it is.
fn usable(
    pem: &[u8],
    authority: &Authority,
    names: &ServerNames,
    now: Timestamp,
) -> Option<(Arc<CertifiedKey>, LeafFacts)> {
    let key = PrivateKeyDer::from_pem_slice(pem).ok()?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    let [leaf, issuer] = chain.as_slice() else { return None };
    let facts = leaf_facts(leaf).ok()?;
    let good = issuer == authority.server_issuer()
        && parse(leaf).ok()?.verify_signature(Some(parse(issuer).ok()?.public_key())).is_ok()
        && names_of(leaf)? == *names
        && facts.not_before <= now
        && !is_due(&facts, now);
    if !good {
        return None;
    }
    let certified = CertifiedKey::from_der(chain, key, &tls::provider()).ok()?;
    Some((Arc::new(certified), facts))
}

fn names_of(leaf: &CertificateDer<'_>) -> Option<ServerNames> {
    let leaf = parse(leaf).ok()?;
    let names = leaf.subject_alternative_name().ok()??;
    let texts: Option<Vec<String>> = names
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(dns) => Some((*dns).to_owned()),
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::Ipv4Addr::from(b).to_string()),
                _ => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::Ipv6Addr::from(b).to_string()),
            },
            _ => None,
        })
        .collect();
    ServerNames::new(texts?).ok()
}

fn renew_at(facts: &LeafFacts) -> Timestamp {
    let life = facts.not_after.since(facts.not_before);
    facts.not_before + life * 2 / 3
}

fn is_due(facts: &LeafFacts, now: Timestamp) -> bool {
    now >= renew_at(facts)
}

#[cfg(test)]
mod tests;
