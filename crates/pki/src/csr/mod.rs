//! Certificate signing requests: hostile input, from which only a proven public key is taken.
//!
//! What the certificate says is the authority's decision: subject, names and purposes in a request are ignored. But a request that
//! asks to be a CA, or whose subject holds what no person types, is no honest mistake, and is refused. To accept
//! one more kind of key, add it to [`KeyKind`] and to `check_key`, with the signatures it can prove itself by.

use std::fmt;

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{PublicKeyData as _, SubjectPublicKeyInfo};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{self, X509Name};

/// The largest request that is looked at, in bytes of PEM or DER. One with an RSA-8192 key has about 3,200.
pub const MAX_CSR_BYTES: usize = 8 * 1024;

/// The sizes of RSA keys that are accepted, in bits. Above, a handshake costs the server too much.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// What a request is accepted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on the curve P-256.
    EcdsaP256,
    /// RSA with a modulus of that many bits.
    Rsa(usize),
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ECDSA P-256"),
            Self::Rsa(bits) => write!(f, "RSA-{bits}"),
        }
    }
}

/// A request whose key is acceptable and whose sender has proved to hold the private half.
#[derive(Debug, Clone)]
pub struct CheckedCsr {
    key: SubjectPublicKeyInfo,
    kind: KeyKind,
}

impl CheckedCsr {
    /// What kind of key it is.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key: SubjectPublicKeyInfo, DER.
    pub fn public_key(&self) -> Vec<u8> {
        self.key.subject_public_key_info()
    }

    pub(crate) fn key(&self) -> &SubjectPublicKeyInfo {
        &self.key
    }
}

/// Why a request is refused, in words for the operator or engineer who made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrRefusal {
    /// Longer than [`MAX_CSR_BYTES`].
    #[error("the certificate request is longer than {MAX_CSR_BYTES} bytes")]
    TooLong,
    /// Neither PEM nor DER.
    #[error("this is no certificate request in PEM or DER: {0}")]
    Encoding(&'static str),
    /// PEM of something else.
    #[error("this is PEM of a {0}, not of a CERTIFICATE REQUEST")]
    OtherPem(&'static str),
    /// A private key was sent.
    #[error(
        "this is a private key: it must never leave the device. Send a certificate request, and make a new key"
    )]
    PrivateKey,
    /// DER that is no PKCS #10 request.
    #[error("the certificate request cannot be read as PKCS #10")]
    Structure,
    /// RSA outside [`RSA_BITS`].
    #[error("RSA keys of 2048 to 8192 bits are accepted, this one has {0}")]
    RsaSize(usize),
    /// RSA with a useless exponent.
    #[error("the RSA key's public exponent is not an odd number from 3 up to 33 bits")]
    RsaExponent,
    /// Another curve.
    #[error("only the curve P-256 (prime256v1) is accepted for ECDSA keys, not {0}")]
    Curve(String),
    /// An elliptic-curve point in another form than 65 uncompressed bytes.
    #[error("the ECDSA public key must be an uncompressed point of 65 bytes")]
    Point,
    /// Another algorithm.
    #[error("keys of the kind {0} are not accepted: use ECDSA P-256, or RSA of 2048 bits or more")]
    Algorithm(String),
    /// Signed in a way that is not accepted.
    #[error("a request signed with {0} is not accepted: sign it with SHA-256, SHA-384 or SHA-512")]
    SignatureAlgorithm(String),
    /// It asks to be, or to sign like, a CA.
    #[error(
        "the request asks for a CA certificate (basic constraints or key usage): devices get certificates for clients only"
    )]
    WantsAuthority,
    /// Its subject holds NUL, other control characters, or characters that change how the rest is shown.
    #[error(
        "the request's subject holds control or invisible characters: leave the subject out, it is ignored"
    )]
    Subject,
    /// The signature does not prove that the sender has the private key.
    #[error("the request's signature is wrong: it was changed, or made with another key")]
    Signature,
}

/// Reads and checks a request in PEM or DER. Safe on any input.
///
/// # Errors
/// [`CsrRefusal`] says what is not accepted, and what would be.
pub fn parse_csr(input: &[u8]) -> Result<CheckedCsr, CsrRefusal> {
    if input.len() > MAX_CSR_BYTES {
        return Err(CsrRefusal::TooLong);
    }
    // A SEQUENCE's tag is the digit 0 in ASCII, with which no PEM begins.
    if input.first() == Some(&0x30) { parse_der(input) } else { parse_der(&decode_pem(input)?) }
}

fn decode_pem(input: &[u8]) -> Result<Vec<u8>, CsrRefusal> {
    let text = std::str::from_utf8(input).map_err(|_| CsrRefusal::Encoding("it is not text"))?;
    let (_, rest) = text.split_once("-----BEGIN ").ok_or(CsrRefusal::Encoding("no BEGIN line"))?;
    let (label, rest) = rest.split_once("-----").ok_or(CsrRefusal::Encoding("the BEGIN line is cut off"))?;
    match label {
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {}
        "CERTIFICATE" => return Err(CsrRefusal::OtherPem("CERTIFICATE")),
        "PUBLIC KEY" => return Err(CsrRefusal::OtherPem("PUBLIC KEY")),
        _ if label.ends_with("PRIVATE KEY") => return Err(CsrRefusal::PrivateKey),
        _ => return Err(CsrRefusal::Encoding("unknown BEGIN line")),
    }
    let (body, rest) = rest.split_once("-----END ").ok_or(CsrRefusal::Encoding("no END line"))?;
    let rest = rest.strip_prefix(label).and_then(|r| r.strip_prefix("-----"));
    let rest = rest.ok_or(CsrRefusal::Encoding("BEGIN and END lines do not match"))?;
    if rest.contains("-----BEGIN ") {
        return Err(CsrRefusal::Encoding("it holds more than one block"));
    }
    if rest.contains(|c: char| !c.is_ascii_whitespace()) {
        return Err(CsrRefusal::Encoding("there is something after the END line"));
    }
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(body).map_err(|_| CsrRefusal::Encoding("its base64 is damaged"))
}

fn parse_der(der: &[u8]) -> Result<CheckedCsr, CsrRefusal> {
    let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| CsrRefusal::Structure)?;
    let info = &request.certification_request_info;
    if !rest.is_empty() || info.version != x509::X509Version::V1 {
        return Err(CsrRefusal::Structure);
    }
    let kind = check_key(&info.subject_pki)?;
    let proof = proof_algorithm(kind, &request.signature_algorithm)?;
    check_wishes(&request)?;
    check_subject(&info.subject)?;
    if request.signature_value.unused_bits != 0 {
        return Err(CsrRefusal::Signature);
    }
    UnparsedPublicKey::new(proof, &info.subject_pki.subject_public_key.data)
        .verify(info.raw, &request.signature_value.data)
        .map_err(|_| CsrRefusal::Signature)?;
    let key = SubjectPublicKeyInfo::from_der(info.subject_pki.raw).map_err(|_| CsrRefusal::Structure)?;
    Ok(CheckedCsr { key, kind })
}

/// Everything else that it asks for is ignored.
fn check_wishes(request: &X509CertificationRequest<'_>) -> Result<(), CsrRefusal> {
    for attribute in request.certification_request_info.iter_attributes() {
        let ParsedCriAttribute::ExtensionRequest(wanted) = attribute.parsed_attribute() else { continue };
        for extension in &wanted.extensions {
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(wanted) if wanted.ca => {
                    return Err(CsrRefusal::WantsAuthority);
                }
                ParsedExtension::KeyUsage(wanted) if wanted.key_cert_sign() || wanted.crl_sign() => {
                    return Err(CsrRefusal::WantsAuthority);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn check_subject(subject: &X509Name<'_>) -> Result<(), CsrRefusal> {
    for attribute in subject.iter_attributes() {
        let bytes = attribute.attr_value().data;
        let hidden = match std::str::from_utf8(bytes) {
            Ok(text) => text.chars().any(|c| c.is_control() || is_invisible(c)),
            // Of another encoding: of interest to nobody but for what could end a C string or a line.
            Err(_) => bytes.iter().any(|b| *b < 0x20),
        };
        if hidden {
            return Err(CsrRefusal::Subject);
        }
    }
    Ok(())
}

/// Characters that show nothing, or turn the direction of what follows.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn check_key(spki: &x509::SubjectPublicKeyInfo<'_>) -> Result<KeyKind, CsrRefusal> {
    let algorithm = &spki.algorithm;
    if spki.subject_public_key.unused_bits != 0 {
        return Err(CsrRefusal::Structure);
    }
    if algorithm.algorithm == oid::OID_PKCS1_RSAENCRYPTION {
        let Ok(PublicKey::RSA(rsa)) = spki.parsed() else { return Err(CsrRefusal::Structure) };
        let bits = bit_length(rsa.modulus);
        if !RSA_BITS.contains(&bits) {
            return Err(CsrRefusal::RsaSize(bits));
        }
        return match rsa.try_exponent() {
            Ok(e) if e >= 3 && e % 2 == 1 && e < 1 << 33 => Ok(KeyKind::Rsa(bits)),
            _ => Err(CsrRefusal::RsaExponent),
        };
    }
    if algorithm.algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok());
        return match curve {
            Some(curve) if curve == oid::OID_EC_P256 => {
                let point = &spki.subject_public_key.data;
                let plain = point.len() == 65 && point[0] == 4;
                if plain { Ok(KeyKind::EcdsaP256) } else { Err(CsrRefusal::Point) }
            }
            Some(curve) => Err(CsrRefusal::Curve(curve_name(&curve.to_id_string()))),
            None => Err(CsrRefusal::Curve("a curve without a name".to_owned())),
        };
    }
    Err(CsrRefusal::Algorithm(algorithm_name(&algorithm.algorithm.to_id_string())))
}

/// Bits of an unsigned big-endian number, leading zeros left out.
fn bit_length(number: &[u8]) -> usize {
    match number.iter().position(|b| *b != 0) {
        Some(first) => (number.len() - first) * 8 - number[first].leading_zeros() as usize,
        None => 0,
    }
}

fn proof_algorithm(
    kind: KeyKind,
    algorithm: &x509::AlgorithmIdentifier<'_>,
) -> Result<&'static dyn VerificationAlgorithm, CsrRefusal> {
    let id = &algorithm.algorithm;
    let found: Option<&'static dyn VerificationAlgorithm> = match kind {
        KeyKind::EcdsaP256 if *id == oid::OID_SIG_ECDSA_WITH_SHA256 => {
            Some(&signature::ECDSA_P256_SHA256_ASN1)
        }
        KeyKind::EcdsaP256 if *id == oid::OID_SIG_ECDSA_WITH_SHA384 => {
            Some(&signature::ECDSA_P256_SHA384_ASN1)
        }
        KeyKind::EcdsaP256 if *id == oid::OID_SIG_ECDSA_WITH_SHA512 => {
            Some(&signature::ECDSA_P256_SHA512_ASN1)
        }
        KeyKind::Rsa(_) if *id == oid::OID_PKCS1_SHA256WITHRSA => {
            Some(&signature::RSA_PKCS1_2048_8192_SHA256)
        }
        KeyKind::Rsa(_) if *id == oid::OID_PKCS1_SHA384WITHRSA => {
            Some(&signature::RSA_PKCS1_2048_8192_SHA384)
        }
        KeyKind::Rsa(_) if *id == oid::OID_PKCS1_SHA512WITHRSA => {
            Some(&signature::RSA_PKCS1_2048_8192_SHA512)
        }
        _ => None,
    };
    found.ok_or_else(|| CsrRefusal::SignatureAlgorithm(algorithm_name(&id.to_id_string())))
}

fn curve_name(id: &str) -> String {
    match id {
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        "1.3.132.0.33" => "P-224",
        "1.2.840.10045.3.1.1" => "P-192",
        "1.3.132.0.10" => "secp256k1",
        other => return unknown_name(other),
    }
    .to_owned()
}

fn algorithm_name(id: &str) -> String {
    match id {
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "1.3.101.110" => "X25519",
        "1.2.840.10040.4.1" => "DSA",
        "1.2.840.113549.1.1.10" => "RSASSA-PSS",
        "1.2.840.113549.1.1.4" => "MD5 and RSA",
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => "SHA-1 and RSA",
        "1.2.840.10045.4.1" => "SHA-1 and ECDSA",
        "1.2.840.10045.4.3.1" => "SHA-224 and ECDSA",
        other => return unknown_name(other),
    }
    .to_owned()
}

/// An identifier out of a hostile request, cut to what fits into a message.
fn unknown_name(id: &str) -> String {
    format!("OID {}", id.get(..64).unwrap_or(id))
}

#[cfg(test)]
mod tests;
