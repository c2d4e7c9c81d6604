//! Verifying a leaf of an imported CA. By hand: the TLS library's verifier reads no X.509 version 1.

use argosy_domain::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry as oid;

use super::Anchor;
use crate::authority::key_kind;
use crate::leaf::{moment, parse};

/// Why a leaf is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LeafRefusal {
    /// It was issued by another one, or changed since.
    #[error("the signature is not the imported CA's")]
    Signature,
    /// Signed with SHA-1, MD5 or another algorithm that proves nothing any more.
    #[error("the certificate is signed with an algorithm that is not accepted")]
    Algorithm,
    /// Its time has not come. One that has ended is the registry's matter.
    #[error("the certificate is not valid yet")]
    NotYet,
    /// It is a CA itself.
    #[error("the certificate is a CA's")]
    Authority,
    /// It is for something else than client authentication.
    #[error("the certificate is not for client authentication")]
    Purpose,
    /// It has a critical extension that is not understood here.
    #[error("the certificate has a critical extension that is not understood")]
    Critical,
    /// Its key is too weak or of another kind.
    #[error("the certificate's key is not accepted")]
    Key,
}

impl Anchor {
    /// Verifies that this CA issued `leaf` directly, for a client; whether it has ended is not asked.
    pub(crate) fn verify(&self, leaf: &X509Certificate<'_>, now: Timestamp) -> Result<(), LeafRefusal> {
        let algorithm = &leaf.signature_algorithm.algorithm;
        let accepted = [
            oid::OID_PKCS1_SHA256WITHRSA,
            oid::OID_PKCS1_SHA384WITHRSA,
            oid::OID_PKCS1_SHA512WITHRSA,
            oid::OID_SIG_ECDSA_WITH_SHA256,
            oid::OID_SIG_ECDSA_WITH_SHA384,
        ];
        if !accepted.contains(algorithm) {
            return Err(LeafRefusal::Algorithm);
        }
        let ours = parse(&self.certificate).map_err(|_| LeafRefusal::Signature)?;
        leaf.verify_signature(Some(ours.public_key())).map_err(|_| LeafRefusal::Signature)?;
        if now < moment(leaf.validity().not_before.timestamp()) {
            return Err(LeafRefusal::NotYet);
        }
        if key_kind(leaf.public_key()).is_none() {
            return Err(LeafRefusal::Key);
        }
        check_extensions(leaf)
    }
}

fn check_extensions(leaf: &X509Certificate<'_>) -> Result<(), LeafRefusal> {
    for extension in leaf.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(found) if found.ca => return Err(LeafRefusal::Authority),
            ParsedExtension::KeyUsage(usage) if !usage.digital_signature() => {
                return Err(LeafRefusal::Purpose);
            }
            ParsedExtension::ExtendedKeyUsage(usage) if !(usage.client_auth || usage.any) => {
                return Err(LeafRefusal::Purpose);
            }
            ParsedExtension::BasicConstraints(_)
            | ParsedExtension::KeyUsage(_)
            | ParsedExtension::ExtendedKeyUsage(_)
            | ParsedExtension::SubjectAlternativeName(_) => {}
            _ if extension.critical => return Err(LeafRefusal::Critical),
            _ => {}
        }
    }
    Ok(())
}
