//! The allow-list of certificates: only a (key, serial) that stands here connects.

use argosy_proto::{DeviceId, DeviceKey};
use serde::{Deserialize, Serialize};

use super::{DeviceState, UnknownWord, text_enum};
use crate::Timestamp;

text_enum! {
    /// Whether a certificate lets its device in.
    CertificateState {
        /// Lets it in.
        Active = "active",
        /// Refused for ever.
        Revoked = "revoked",
    }
}

/// A certificate that was given to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Whose.
    pub device: DeviceId,
    /// Issuer, as the authority names itself.
    pub issuer: String,
    /// Serial number: its DER bytes without a leading zero byte, in lower-case hexadecimal (an even number of digits).
    pub serial: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Lets in or not.
    pub state: CertificateState,
    /// When it was issued.
    pub created_at: Timestamp,
    /// It is refused from then on: a newer one took its place, and was seen in use.
    pub retires_at: Option<Timestamp>,
    /// Though it has ended, its device may renew with it until then.
    pub expired_until: Option<Timestamp>,
}

/// What the gate needs to know of a presented certificate, in one look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Whose certificate it is.
    pub device: DeviceId,
    /// Its key.
    pub key: DeviceKey,
    /// The device's state.
    pub device_state: DeviceState,
    /// The certificate's state.
    pub certificate_state: CertificateState,
    /// It is refused from then on.
    pub retires_at: Option<Timestamp>,
    /// Though it has ended, its device may renew with it until then.
    pub expired_until: Option<Timestamp>,
}
