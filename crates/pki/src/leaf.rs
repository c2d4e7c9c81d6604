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

/// Like [`leaf_facts`] for a leaf of an imported CA, which may be known by its serial number alone: a common name that is missing, or
/// could be read in two ways, is none.
pub(crate) fn imported_facts(certificate: &X509Certificate<'_>) -> Result<LeafFacts, LeafError> {
    match facts_of(certificate) {
        Err(LeafError::NoCommonName | LeafError::ManyCommonNames | LeafError::CommonName) => Ok(LeafFacts {
            issuer: dn_text(certificate.issuer()),
            serial: Serial::from_der(certificate.raw_serial())?,
            common_name: String::new(),
            not_before: moment(certificate.validity().not_before.timestamp()),
            not_after: moment(certificate.validity().not_after.timestamp()),
        }),
        facts => facts,
    }
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

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    fn with_subject(attributes: &[(DnType, DnValue)]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in attributes {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn with_name(name: &str) -> Result<LeafFacts, LeafError> {
        leaf_facts(&with_subject(&[(DnType::CommonName, DnValue::Utf8String(name.to_owned()))]))
    }

    fn good() -> &'static [u8] {
        static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
        GOOD.get_or_init(|| {
            with_subject(&[(DnType::CommonName, "dev-1".into()), (DnType::OrganizationName, "x".into())])
        })
    }

    #[test]
    fn a_plain_name_is_read() {
        let facts = leaf_facts(good()).unwrap();
        assert_eq!(facts.common_name, "dev-1");
        assert_eq!(facts.issuer, "O=x,CN=dev-1");
        assert_eq!(facts.device_key().unwrap().as_str(), "dev-1");
        assert_eq!(facts.not_before, Timestamp(157_766_400_000), "1975-01-01, rcgen's default");
        assert!(with_name("Serial 00 17/4").unwrap().device_key().is_err(), "an imported identity is no key");
    }

    #[test]
    fn names_that_could_be_read_in_two_ways_are_refused() {
        for bad in
            ["", "dev-1\0.evil", "dev-1\n", "dév-1", "dev-1\u{202e}", "ｄev-1", "\u{7f}", &"x".repeat(65)]
        {
            assert_eq!(with_name(bad), Err(LeafError::CommonName), "{bad:?}");
        }
        let bmp = DnValue::BmpString("dev-1".try_into().unwrap());
        assert_eq!(leaf_facts(&with_subject(&[(DnType::CommonName, bmp)])), Err(LeafError::CommonName));
        assert_eq!(
            leaf_facts(&with_subject(&[(DnType::OrganizationName, "x".into())])),
            Err(LeafError::NoCommonName)
        );
        // rcgen keeps one value a type, so the second name comes in by another spelling of the same OID.
        let two = with_subject(&[
            (DnType::CommonName, "dev-1".into()),
            (DnType::CustomDnType(vec![2, 5, 4, 3]), "dev-2".into()),
        ]);
        assert_eq!(leaf_facts(&two), Err(LeafError::ManyCommonNames));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert_eq!(leaf_facts(&[]), Err(LeafError::Structure));
        assert_eq!(leaf_facts(&[good(), &[0]].concat()), Err(LeafError::Structure));
        assert_eq!(leaf_facts(&vec![0x30; MAX_CERTIFICATE_BYTES + 1]), Err(LeafError::TooLong));
        for end in 0..good().len() {
            assert!(leaf_facts(&good()[..end]).is_err(), "first {end} bytes");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..800)) {
            let _ = leaf_facts(&bytes);
        }

        #[test]
        fn no_mutation_panics_and_names_stay_plain(
            edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8)
        ) {
            let mut bytes = good().to_vec();
            for (at, value) in edits {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok(facts) = leaf_facts(&bytes) {
                prop_assert!(facts.common_name.bytes().all(|b| (0x20..=0x7e).contains(&b)));
                prop_assert!(Serial::parse(facts.serial.as_str()).is_ok());
            }
        }
    }
}
