//! Keys of devices that are made here, for factories that cannot make them in the device.

use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use crate::authority::AuthorityError;

/// A device's private key and its request for a certificate. `Debug` shows no key.
pub struct DeviceKeyPair {
    /// The private key, PEM (PKCS #8): to be written with mode 0600 and nowhere else.
    pub private_key_pem: String,
    /// The request, PEM; its subject is empty, since it is ignored.
    pub csr_pem: String,
}

impl std::fmt::Debug for DeviceKeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceKeyPair(…)")
    }
}

impl DeviceKeyPair {
    /// A new ECDSA P-256 key.
    ///
    /// # Errors
    /// [`AuthorityError::Crypto`] if the crypto library fails.
    pub fn make() -> Result<Self, AuthorityError> {
        let crypto = |operation| move |source| AuthorityError::Crypto { operation, source };
        Self::of(&KeyPair::generate().map_err(crypto("generate a key"))?)
    }

    /// A request for a key that was made before.
    ///
    /// # Errors
    /// [`AuthorityError::Params`] if the text is no private key that we make.
    pub fn from_pem(private_key_pem: &str) -> Result<Self, AuthorityError> {
        // Why it cannot be read is not repeated: a parser's message about a key has no place in a log.
        let key = KeyPair::from_pem(private_key_pem)
            .map_err(|_| AuthorityError::Params("the file holds no private key in PEM"))?;
        Self::of(&key)
    }

    fn of(key: &KeyPair) -> Result<Self, AuthorityError> {
        let crypto = |operation| move |source| AuthorityError::Crypto { operation, source };
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let csr = params.serialize_request(key).and_then(|csr| csr.pem());
        let csr_pem = csr.map_err(crypto("sign a certificate request"))?;
        Ok(Self { private_key_pem: key.serialize_pem(), csr_pem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_made_here_is_accepted_and_stays_the_same_when_read_again() {
        let made = DeviceKeyPair::make().unwrap();
        let again = DeviceKeyPair::from_pem(&made.private_key_pem).unwrap();
        let key = |csr: &str| crate::parse_csr(csr.as_bytes()).unwrap().public_key();
        assert_eq!(key(&made.csr_pem), key(&again.csr_pem));
        assert!(!format!("{made:?}").contains("PRIVATE"));
        let error =
            DeviceKeyPair::from_pem("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
        assert!(!error.unwrap_err().to_string().contains("c2VjcmV0"));
    }
}
