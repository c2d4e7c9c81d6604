//! Certificate serial numbers in the one form that database, log and API use.

use std::fmt;

use argosy_domain::ports::Entropy;

/// A certificate's serial number.
///
/// The canonical text is the lower-case hexadecimal of the DER INTEGER's content bytes without sign padding: whole bytes,
/// so always an even number of digits, the first byte never `00` (zero itself is `00`). Two serials are equal
/// if and only if their texts are.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(String);

/// Why bytes or a text are not a serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SerialError {
    /// No byte, or no digit.
    #[error("the serial number is empty")]
    Empty,
    /// More than [`Serial::MAX_BYTES`].
    #[error("the serial number has more than 20 bytes")]
    TooLong,
    /// The DER INTEGER is below zero.
    #[error("the serial number is negative")]
    Negative,
    /// Not in canonical form.
    #[error("a serial number is written in whole bytes of lower-case hexadecimal without leading zero bytes")]
    NotCanonical,
}

impl Serial {
    /// The longest serial number, in bytes (RFC 5280, 4.1.2.2).
    pub const MAX_BYTES: usize = 20;

    /// A random 128-bit number for a certificate that we issue.
    ///
    /// The two highest bits are fixed to `01`: the number is positive and has 16 bytes in DER, with no padding byte that
    /// one tool shows and the next one hides. 126 random bits remain.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        bytes[0] = (bytes[0] & 0x3f) | 0x40;
        Self(hex::encode(bytes))
    }

    /// From the content bytes of a certificate's DER INTEGER.
    ///
    /// # Errors
    /// [`SerialError`] if it is empty, negative or longer than RFC 5280 allows.
    pub fn from_der(content: &[u8]) -> Result<Self, SerialError> {
        let first = *content.first().ok_or(SerialError::Empty)?;
        if first & 0x80 != 0 {
            return Err(SerialError::Negative);
        }
        // DER allows one padding byte; more than one is no DER, but dropping them keeps equal numbers equal.
        let start = content.iter().position(|b| *b != 0).unwrap_or(content.len() - 1);
        let magnitude = &content[start..];
        if magnitude.len() > Self::MAX_BYTES {
            return Err(SerialError::TooLong);
        }
        Ok(Self(hex::encode(magnitude)))
    }

    /// From the canonical text.
    ///
    /// # Errors
    /// [`SerialError`] if `text` is in any other form.
    pub fn parse(text: &str) -> Result<Self, SerialError> {
        if text.is_empty() {
            return Err(SerialError::Empty);
        }
        if text.len() > 2 * Self::MAX_BYTES {
            return Err(SerialError::TooLong);
        }
        let lower_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let padded = text.starts_with("00") && text != "00";
        if !lower_hex || !text.len().is_multiple_of(2) || padded {
            return Err(SerialError::NotCanonical);
        }
        Ok(Self(text.to_owned()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The magnitude, most significant byte first.
    pub fn to_bytes(&self) -> Vec<u8> {
        hex::decode(&self.0).expect("the text is canonical hexadecimal by construction")
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({})", self.0)
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> Self {
        serial.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::TestEntropy;

    #[test]
    fn one_number_has_one_text() {
        let text = |bytes: &[u8]| Serial::from_der(bytes).map(String::from);
        assert_eq!(text(&[0x0a]).unwrap(), "0a");
        assert_eq!(text(&[0x00, 0xff]).unwrap(), "ff");
        assert_eq!(text(&[0x00, 0x00, 0x0a]).unwrap(), "0a");
        assert_eq!(text(&[0x00]).unwrap(), "00");
        assert_eq!(text(&[0xff]), Err(SerialError::Negative));
        assert_eq!(text(&[]), Err(SerialError::Empty));
        assert_eq!(text(&[0x01; 21]), Err(SerialError::TooLong));
    }

    #[test]
    fn other_spellings_are_refused() {
        for bad in ["", "a", "0A", "000a", "0x0a", "0a:0b", " 0a", "0g", "+1"] {
            assert!(Serial::parse(bad).is_err(), "{bad}");
        }
        for good in ["00", "0a", "ff01"] {
            assert_eq!(Serial::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn random_serials_are_positive_and_sixteen_bytes() {
        let entropy = TestEntropy::new(3);
        let serials: std::collections::BTreeSet<_> = (0..200).map(|_| Serial::random(&entropy)).collect();
        assert_eq!(serials.len(), 200);
        for serial in serials {
            let bytes = serial.to_bytes();
            assert_eq!((bytes.len(), bytes[0] >> 6), (16, 1));
            assert_eq!(Serial::from_der(&bytes).unwrap(), serial);
        }
    }

    proptest! {
        #[test]
        fn der_and_text_agree(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            if let Ok(serial) = Serial::from_der(&bytes) {
                prop_assert_eq!(Serial::parse(serial.as_str()).unwrap(), serial);
            }
        }

        #[test]
        fn any_text_is_taken_or_refused(text in ".{0,50}") {
            if let Ok(serial) = Serial::parse(&text) {
                prop_assert_eq!(serial.as_str(), text);
            }
        }
    }
}
