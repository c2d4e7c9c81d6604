//! Enrolment with a code, and renewal of a certificate.

use alloc::format;
use alloc::string::String;
use core::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Payload;
use super::error::{DecodeError, Problem};
use super::fields::{self, Fields};
use super::limits;
use super::words::words;
use crate::DeviceTime;

/// `regist`: a person at the device has typed the code that the console gave out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Regist {
    /// What the device calls itself, to be shown.
    pub device_name: String,
    /// The code.
    pub auth_key: AuthKey,
    /// The device's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DeviceTime>,
}

/// The six-digit code of a registration: a secret while it lives. `Debug` does not show it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthKey(String);

impl AuthKey {
    /// What a person typed; whether it is right is for the registry to say.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The code itself, for the comparison only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Text, or the number that some boards make of it, which has lost its leading zeros.
    fn read(value: Value) -> Result<Self, Problem> {
        match value {
            Value::Number(number) => match number.as_u64() {
                Some(code) if code < 1_000_000 => Ok(Self(format!("{code:06}"))),
                _ => Err(Problem::Expected("a code of six digits")),
            },
            text => fields::name::<{ limits::NAME }>(text).map(Self),
        }
    }
}

impl fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthKey(…)")
    }
}

impl Serialize for AuthKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

words! {
    /// What became of a registration.
    RegistStatus, "OK, AUTH_FAILED, EXPIRED, LOCKED or ALREADY_REGISTERED" {
        /// The device is registered.
        Ok = "OK",
        /// The code is wrong.
        AuthFailed = "AUTH_FAILED",
        /// Added: the code is too old.
        Expired = "EXPIRED",
        /// Added: too many wrong codes; see `retry_after_s`.
        Locked = "LOCKED",
        /// Added: the device is registered already.
        AlreadyRegistered = "ALREADY_REGISTERED",
    }
}

/// `regist/ack`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistAck {
    /// What became of it.
    pub status: RegistStatus,
    /// When it was decided.
    pub timestamp: DeviceTime,
    /// Added: what to do, for the person at the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Added: seconds before another try can succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}

/// `cert/request`: a certificate is about to expire. `Debug` shows the request's length only.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct CertRequest {
    /// PKCS #10, PEM. Its subject is ignored: the certificate is for the key of the connection.
    pub csr: String,
    /// The device's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DeviceTime>,
}

impl fmt::Debug for CertRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertRequest({} bytes, {:?})", self.csr.len(), self.timestamp)
    }
}

/// The answer to a request for a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CertStatus {
    /// `OK`: the certificate comes with it.
    Ok,
    /// An error code, such as `BAD_CSR`; never `OK`.
    Refused(String),
}

impl CertStatus {
    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ok => "OK",
            Self::Refused(code) => code,
        }
    }

    fn read(value: Value) -> Result<Self, Problem> {
        let word = fields::name::<{ limits::NAME }>(value)?;
        Ok(if word == "OK" { Self::Ok } else { Self::Refused(word) })
    }
}

impl Serialize for CertStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// `cert/request/ack`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertAck {
    /// Whether it was issued.
    pub status: CertStatus,
    /// The roots to trust, PEM, one or several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_ca: Option<String>,
    /// The new certificate and its intermediates, PEM, leaf first (the field's name is historical).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<String>,
    /// Added: why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Payload for Regist {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            device_name: fields
                .lenient("device_name", fields::prose::<{ limits::LABEL }>)
                .unwrap_or_default(),
            auth_key: fields.required("auth_key", AuthKey::read)?,
            timestamp: fields.timestamp(),
        })
    }
}

impl Payload for RegistAck {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            status: fields.required("status", RegistStatus::read)?,
            timestamp: fields.required("timestamp", fields::time)?,
            message: fields.lenient("message", fields::prose::<{ limits::MESSAGE }>),
            retry_after_s: fields.lenient("retry_after_s", fields::small_count),
        })
    }
}

impl Payload for CertRequest {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            csr: fields.required("csr", fields::block::<{ limits::CSR }>)?,
            timestamp: fields.timestamp(),
        })
    }
}

impl Payload for CertAck {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        let status = fields.required("status", CertStatus::read)?;
        let root_ca = fields.optional("root_ca", fields::block::<{ limits::CERTIFICATES }>)?;
        let client_ca = fields.optional("client_ca", fields::block::<{ limits::CERTIFICATES }>)?;
        if status == CertStatus::Ok && client_ca.is_none() {
            return Err(DecodeError::field("client_ca", Problem::Missing));
        }
        let message = fields.lenient("message", fields::prose::<{ limits::MESSAGE }>);
        Ok(Self { status, root_ca, client_ca, message })
    }
}
