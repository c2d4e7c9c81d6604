//! What becomes of certificates after they were issued: renewal, revocation; and identities of CAs that were imported.

use argosy_proto::{DeviceId, DeviceKey};
use serde::{Deserialize, Serialize};

use super::{UnknownWord, text_enum};
use crate::Timestamp;

/// A certificate by its name: what stands in the allow-list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CertificateName {
    /// Issuer, as the authority names itself.
    pub issuer: String,
    /// Serial number in canonical form.
    pub serial: String,
}

/// The answer to a renewal, kept until the new certificate has been seen in use.
///
/// A device can have several: one a public key. The one that was asked for last is the one that is sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Renewal {
    /// Whose.
    pub device: DeviceId,
    /// Its key.
    pub key: DeviceKey,
    /// The public key that the new certificate is for: its SubjectPublicKeyInfo in DER.
    pub public_key: Vec<u8>,
    /// The certificate of the connection over which it was asked for: what a board that has overwritten its private key
    /// still shows.
    pub asked_with: CertificateName,
    /// The new certificate.
    pub issued: CertificateName,
    /// The new certificate, PEM.
    pub certificate_pem: String,
    /// Its intermediates, PEM.
    pub chain_pem: String,
    /// Issued at.
    pub created_at: Timestamp,
    /// Asked for last at.
    pub requested_at: Timestamp,
}

impl std::fmt::Debug for Renewal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewal")
            .field("key", &self.key)
            .field("issued", &self.issued)
            .finish_non_exhaustive()
    }
}

/// How many unanswered renewals of one device are kept; of more, the oldest go, and their certificates with them.
pub const MAX_RENEWALS: usize = 8;

text_enum! {
    /// Why a certificate was revoked, in the words of RFC 5280.
    RevocationReason {
        /// Nobody said.
        Unspecified = "unspecified",
        /// The private key is, or may be, in other hands.
        KeyCompromise = "key_compromise",
        /// What the certificate says of its holder is no longer true.
        AffiliationChanged = "affiliation_changed",
        /// A newer one took its place.
        Superseded = "superseded",
        /// The device is out of service.
        CessationOfOperation = "cessation_of_operation",
        /// Its holder may no longer use it.
        PrivilegeWithdrawn = "privilege_withdrawn",
    }
}

/// A certificate that is refused for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Which.
    #[serde(flatten)]
    pub certificate: CertificateName,
    /// Whose it was, for people.
    pub key: DeviceKey,
    /// Why.
    pub reason: RevocationReason,
    /// When.
    pub revoked_at: Timestamp,
    /// When the certificate ends by itself, if that is known.
    pub not_after: Option<Timestamp>,
}

text_enum! {
    /// By what of a certificate of an imported CA its device is known.
    ImportedBy {
        /// By its common name.
        CommonName = "cn",
        /// By its serial number.
        Serial = "serial",
    }
}

/// An identity that an older CA gave out: certificates of `issuer` with that common name, or serial number, are the device's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedIdentity {
    /// Whose.
    pub device: DeviceId,
    /// The imported CA's name.
    pub issuer: String,
    /// What `value` is.
    pub by: ImportedBy,
    /// The common name, or the serial number in canonical form.
    pub value: String,
    /// When it was imported.
    pub created_at: Timestamp,
    /// It is refused from then on: a newer certificate of ours took its place.
    pub retires_at: Option<Timestamp>,
}
