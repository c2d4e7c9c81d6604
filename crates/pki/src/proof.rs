//! Whether a TLS handshake was signed with a given public key: for certificates that the TLS library's own verifier does not read
//! (X.509 version 1, as old CAs issue them), and for keys that stand in no presented certificate at all.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use rustls::{DigitallySignedStruct, SignatureScheme};
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Which TLS version the signature belongs to: 1.3 knows no PKCS #1, and binds a curve to each ECDSA scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Tls12,
    Tls13,
}

/// Whether `dss` over `message` was made with the key `spki` (SubjectPublicKeyInfo, DER). RSA of 2048 to 8192 bits, ECDSA on P-256
/// and P-384; nothing weaker than SHA-256.
pub(crate) fn is_signed_by(
    version: Version,
    spki: &[u8],
    message: &[u8],
    dss: &DigitallySignedStruct,
) -> bool {
    let Ok(([], key)) = SubjectPublicKeyInfo::from_der(spki) else { return false };
    let Some(algorithm) = algorithm(version, &key, dss.scheme) else { return false };
    UnparsedPublicKey::new(algorithm, &key.subject_public_key.data).verify(message, dss.signature()).is_ok()
}

fn algorithm(
    version: Version,
    key: &SubjectPublicKeyInfo<'_>,
    scheme: SignatureScheme,
) -> Option<&'static dyn VerificationAlgorithm> {
    use SignatureScheme as S;
    let tls12 = version == Version::Tls12;
    if key.algorithm.algorithm == oid::OID_PKCS1_RSAENCRYPTION {
        return Some(match scheme {
            S::RSA_PKCS1_SHA256 if tls12 => &signature::RSA_PKCS1_2048_8192_SHA256,
            S::RSA_PKCS1_SHA384 if tls12 => &signature::RSA_PKCS1_2048_8192_SHA384,
            S::RSA_PKCS1_SHA512 if tls12 => &signature::RSA_PKCS1_2048_8192_SHA512,
            S::RSA_PSS_SHA256 => &signature::RSA_PSS_2048_8192_SHA256,
            S::RSA_PSS_SHA384 => &signature::RSA_PSS_2048_8192_SHA384,
            S::RSA_PSS_SHA512 => &signature::RSA_PSS_2048_8192_SHA512,
            _ => return None,
        });
    }
    if key.algorithm.algorithm != oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
        return None;
    }
    let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
    let (p256, p384) = (curve == oid::OID_EC_P256, curve == oid::OID_NIST_EC_P384);
    // In TLS 1.2 the scheme names the hash only.
    Some(match scheme {
        S::ECDSA_NISTP256_SHA256 if p256 => &signature::ECDSA_P256_SHA256_ASN1,
        S::ECDSA_NISTP384_SHA384 if p384 => &signature::ECDSA_P384_SHA384_ASN1,
        S::ECDSA_NISTP256_SHA256 if p384 && tls12 => &signature::ECDSA_P384_SHA256_ASN1,
        S::ECDSA_NISTP384_SHA384 if p256 && tls12 => &signature::ECDSA_P256_SHA384_ASN1,
        _ => return None,
    })
}
