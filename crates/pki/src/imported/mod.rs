//! CAs of older systems, whose boards come over without being touched.
//!
//! An imported CA is a trust anchor for *clients* only, and only for leaves that it issued directly: what it signs in between is not
//! followed, so that a name of ours in its branch means nothing. Its leaves need no extended key usage (old CAs wrote none), and may
//! be X.509 version 1; everything else is checked as strictly as ours. If its key comes along, our server certificate is served
//! under it too (see [`crate::ServerIdentity`]), since its boards trust nothing else.
//!
//! On disk: `imported/<id>/ca.pem`, and `ca.key` of mode 0600 beside it if there is one; `<id>` is the first 16 hexadecimal digits of
//! the certificate's SHA-256.

mod files;
mod leaf;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use argosy_domain::Timestamp;
use argosy_domain::ports::ImportedCa;
use rcgen::{Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;

use crate::authority::{AuthorityError, key_kind, subject_key_id};
use crate::keyfile::KeyFileError;
use crate::leaf::{moment, parse};
use crate::names::dn_text;

/// The most CAs that can be imported: each is one more certificate in every handshake.
pub(crate) const MAX_IMPORTED: usize = 8;

/// The longest issuer name that the registry keeps.
const MAX_NAME: usize = 255;

/// Why a CA cannot be imported, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The certificate.
    #[error("the certificate cannot be imported: {0}")]
    Certificate(String),
    /// The key.
    #[error("the key cannot be imported: {0}")]
    Key(&'static str),
    /// One of the same name is there.
    #[error(
        "the name {0:?} belongs to an authority that is known already: two of one name cannot be told apart"
    )]
    Name(String),
    /// There are as many as may be.
    #[error("{MAX_IMPORTED} CAs are imported, which is the most: remove one first")]
    TooMany,
    /// Its files.
    #[error(transparent)]
    File(#[from] KeyFileError),
}

/// One imported CA.
pub(crate) struct Anchor {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) certificate: CertificateDer<'static>,
    /// Its name in DER: what a leaf's issuer is compared with.
    subject: Vec<u8>,
    not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) key_kind: String,
    /// How many CA certificates may stand below it; `None`: any number.
    pub(crate) path_len: Option<u32>,
    pub(crate) issuer: Option<Issuer<'static, KeyPair>>,
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anchor").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Anchor {
    /// Whether it is a CA, and its key, if there is one, its own and able to sign what we need signed.
    fn read(certificate: CertificateDer<'static>, key: Option<KeyPair>) -> Result<Self, ImportError> {
        let bad = |why: &str| ImportError::Certificate(why.to_owned());
        let parsed = parse(&certificate).map_err(|e| bad(&e.to_string()))?;
        let self_signed = parsed.issuer() == parsed.subject() && parsed.verify_signature(None).is_ok();
        let constraints = parsed.basic_constraints().map_err(|_| bad("its basic constraints stand twice"))?;
        // Version 1 knows no extensions: one that signs itself can only be meant as a CA.
        let is_ca = match &constraints {
            Some(found) => found.value.ca,
            None => self_signed && parsed.extensions().is_empty(),
        };
        if !is_ca {
            return Err(bad("it is not a CA certificate"));
        }
        if let Ok(Some(usage)) = parsed.key_usage()
            && !usage.value.key_cert_sign()
        {
            return Err(bad("its key may not sign certificates"));
        }
        let spki = parsed.public_key();
        let key_kind = key_kind(spki)
            .ok_or_else(|| bad("its key is neither RSA of 2048 to 8192 bits nor ECDSA on P-256 or P-384"))?;
        let name = dn_text(parsed.subject());
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(bad("its name must have 1 to 255 characters as text"));
        }
        let issuer = key.map(|key| usable_key(&parsed, &certificate, key)).transpose()?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate);
        Ok(Self {
            id: hex::encode(&digest.as_ref()[..8]),
            name,
            subject: parsed.subject().as_raw().to_vec(),
            not_before: moment(parsed.validity().not_before.timestamp()),
            not_after: moment(parsed.validity().not_after.timestamp()),
            key_kind,
            path_len: constraints.and_then(|found| found.value.path_len_constraint),
            issuer,
            certificate,
        })
    }

    /// Whether it is named as the issuer of `leaf`.
    pub(crate) fn is_issuer_of(&self, leaf: &X509Certificate<'_>) -> bool {
        leaf.issuer().as_raw() == self.subject
    }

    /// How its key is called in what it signs.
    pub(crate) fn key_id(&self) -> KeyIdMethod {
        let id = parse(&self.certificate).ok().and_then(|parsed| subject_key_id(&parsed));
        id.map_or(KeyIdMethod::Sha256, KeyIdMethod::PreSpecified)
    }

    /// Whether it can sign lists of revocations.
    pub(crate) fn signs_lists(&self) -> bool {
        let may = |issuer: &Issuer<'static, KeyPair>| {
            let usages = issuer.key_usages();
            usages.is_empty() || usages.contains(&KeyUsagePurpose::CrlSign)
        };
        self.issuer.as_ref().is_some_and(may)
    }

    fn about(&self) -> ImportedCa {
        ImportedCa {
            id: self.id.clone(),
            name: self.name.clone(),
            key_kind: self.key_kind.clone(),
            not_before: self.not_before,
            not_after: self.not_after,
            has_key: self.issuer.is_some(),
        }
    }
}

fn usable_key(
    parsed: &X509Certificate<'_>,
    certificate: &CertificateDer<'static>,
    key: KeyPair,
) -> Result<Issuer<'static, KeyPair>, ImportError> {
    if key.subject_public_key_info() != parsed.public_key().raw {
        return Err(ImportError::Key("it is not the key of this certificate"));
    }
    let issuer = Issuer::from_ca_cert_der(certificate, key)
        .map_err(|_| ImportError::Key("its certificate cannot be used to issue others"))?;
    Ok(issuer)
}

/// The imported CAs of an authority. Read at every handshake, written when an operator imports or removes one.
#[derive(Debug)]
pub(crate) struct ImportedCas {
    folder: PathBuf,
    anchors: RwLock<Arc<[Arc<Anchor>]>>,
}

impl ImportedCas {
    /// Loads what was imported below `folder`.
    pub(crate) fn load(folder: &Path) -> Result<Self, AuthorityError> {
        let folder = folder.join("imported");
        let anchors = files::load(&folder)?;
        Ok(Self { folder, anchors: RwLock::new(anchors.into()) })
    }

    pub(crate) fn all(&self) -> Arc<[Arc<Anchor>]> {
        Arc::clone(&self.anchors.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn list(&self) -> Vec<ImportedCa> {
        self.all().iter().map(|anchor| anchor.about()).collect()
    }

    /// The CA that issued a leaf, by the issuer's name in DER.
    pub(crate) fn issuer_of(&self, leaf: &X509Certificate<'_>) -> Option<Arc<Anchor>> {
        self.all().iter().find(|anchor| anchor.is_issuer_of(leaf)).cloned()
    }

    /// Adds one, or the missing key of one that is there. `taken`: names of authorities of our own.
    pub(crate) fn import(
        &self,
        certificate_pem: &str,
        key_pem: Option<&str>,
        taken: &[&str],
    ) -> Result<ImportedCa, ImportError> {
        let certificate = files::certificate(certificate_pem)?;
        let key = key_pem.map(files::key).transpose()?;
        let anchor = Anchor::read(certificate, key)?;
        let mut anchors = self.anchors.write().unwrap_or_else(PoisonError::into_inner);
        let known = anchors.iter().find(|a| a.name == anchor.name || a.subject == anchor.subject);
        match known {
            Some(known) if known.certificate != anchor.certificate => {
                return Err(ImportError::Name(anchor.name));
            }
            Some(known) if anchor.issuer.is_none() => return Ok(known.about()),
            Some(_) => {}
            None if taken.contains(&anchor.name.as_str()) => return Err(ImportError::Name(anchor.name)),
            None if anchors.len() >= MAX_IMPORTED => return Err(ImportError::TooMany),
            None => {}
        }
        files::save(&self.folder, &anchor, key_pem)?;
        let about = anchor.about();
        let mut all: Vec<_> = anchors.iter().filter(|a| a.id != anchor.id).cloned().collect();
        all.push(Arc::new(anchor));
        all.sort_by(|a, b| a.id.cmp(&b.id));
        *anchors = all.into();
        Ok(about)
    }

    /// Forgets one and deletes its files; `false` if there is none of that id.
    pub(crate) fn remove(&self, id: &str) -> Result<bool, KeyFileError> {
        let mut anchors = self.anchors.write().unwrap_or_else(PoisonError::into_inner);
        if !anchors.iter().any(|a| a.id == id) {
            return Ok(false);
        }
        files::remove(&self.folder, id)?;
        *anchors = anchors.iter().filter(|a| a.id != id).cloned().collect();
        Ok(true)
    }
}
