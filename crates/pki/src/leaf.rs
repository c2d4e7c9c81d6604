//! What the gate needs to know of a certificate that a peer has shown: hostile input, even when its chain has been verified.

use argosy_domain::Timestamp;
use argosy_proto::{DeviceKey, DeviceKeyError};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::Tag;

use crate::names::dn_text;
use crate::{Serial, SerialError};

/// The longest certificate that is looked at, in bytes of DER.
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

/// The longest common name, in characters (RFC 5280, appendix A).
pub const MAX_COMMON_NAME: usize = 64;

/// Facts of a leaf certificate. They say nothing about trust: the TLS layer has verified the chain, and the allow-list decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafFacts {
    /// The issuer's name as RFC 4514 text, as [`crate::Authority`] writes it in what it issues.
    pub issuer: String,
    /// The serial number, in its canonical form.
    pub serial: Serial,
    /// The one common name: 1 to 64 printable ASCII characters.
    pub common_name: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
}

impl LeafFacts {
    /// The common name as the device key that it is in certificates of our own.
    ///
    /// # Errors
    /// [`DeviceKeyError`] if it is not a key: the certificate is none of ours.
    pub fn device_key(&self) -> Result<DeviceKey, DeviceKeyError> {
        DeviceKey::new(self.common_name.as_str())
    }
}

/// Why a certificate tells no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Longer than [`MAX_CERTIFICATE_BYTES`].
    #[error("the certificate is longer than {MAX_CERTIFICATE_BYTES} bytes")]
    TooLong,
    /// No X.509 certificate in DER.
    #[error("the certificate cannot be read as X.509")]
    Structure,
    /// A serial number that RFC 5280 does not allow.
    #[error("the certificate's serial number is not acceptable")]
    Serial(#[from] SerialError),
    /// No common name.
    #[error("the certificate's subject has no common name")]
    NoCommonName,
    /// Two readers could take two different ones for the identity.
    #[error("the certificate's subject has more than one common name")]
    ManyCommonNames,
    /// NUL, other control characters, anything beyond ASCII, another string type, empty or too long.
    #[error("the certificate's common name is not 1 to 64 printable ASCII characters")]
    CommonName,
}

/// Reads the facts of a certificate in DER. Safe on any input.
///
/// # Errors
/// [`LeafError`] if it is no certificate, or one whose identity can be read in two ways.
pub fn leaf_facts(der: &[u8]) -> Result<LeafFacts, LeafError> {
    if der.len() > MAX_CERTIFICATE_BYTES {
        return Err(LeafError::TooLong);
    }
    facts_of(&parse(der)?)
}

pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, LeafError> {
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(LeafError::Structure),
    }
}

fn facts_of(certificate: &X509Certificate<'_>) -> Result<LeafFacts, LeafError> {
    let validity = certificate.validity();
    Ok(LeafFacts {
        issuer: dn_text(certificate.issuer()),
        serial: Serial::from_der(certificate.raw_serial())?,
        common_name: common_name(certificate)?,
        not_before: moment(validity.not_before.timestamp()),
        not_after: moment(validity.not_after.timestamp()),
    })
}

pub(crate) fn moment(seconds: i64) -> Timestamp {
    Timestamp(seconds.saturating_mul(1000))
}

fn common_name(certificate: &X509Certificate<'_>) -> Result<String, LeafError> {
    let mut names = certificate.subject().iter_common_name();
    let name = names.next().ok_or(LeafError::NoCommonName)?;
    if names.next().is_some() {
        return Err(LeafError::ManyCommonNames);
    }
    let value = name.attr_value();
    let plain_type = matches!(value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String);
    let plain = value.data.iter().all(|b| matches!(b, 0x20..=0x7e));
    if !plain_type || !plain || value.data.is_empty() || value.data.len() > MAX_COMMON_NAME {
        return Err(LeafError::CommonName);
    }
    String::from_utf8(value.data.to_vec()).map_err(|_| LeafError::CommonName)
}
