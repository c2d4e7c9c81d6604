//! The device key: the name of a device on the wire, in certificates and in every path and command.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A device's key: `[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`. It can hold no topic separator and no wildcard, which is
/// what lets a topic be split on `/` without escaping.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct DeviceKey(String);

/// Why a text is not a device key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceKeyError {
    /// Empty text.
    #[error("a device key may not be empty")]
    Empty,
    /// Longer than [`DeviceKey::MAX_LEN`].
    #[error("a device key has at most 64 characters")]
    TooLong,
    /// A character outside the alphabet.
    #[error("a device key is made of A-Z a-z 0-9 _ . - and begins with a letter or digit")]
    BadCharacter,
}

impl DeviceKey {
    /// The longest key, in characters (all of them ASCII).
    pub const MAX_LEN: usize = 64;

    /// Checks `text` and makes it a key.
    ///
    /// # Errors
    /// [`DeviceKeyError`] names the rule that `text` breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, DeviceKeyError> {
        let text = text.into();
        Self::check(&text)?;
        Ok(Self(text))
    }

    /// Checks without taking ownership.
    ///
    /// # Errors
    /// [`DeviceKeyError`] names the rule that `text` breaks.
    pub fn check(text: &str) -> Result<(), DeviceKeyError> {
        let bytes = text.as_bytes();
        let Some(first) = bytes.first() else { return Err(DeviceKeyError::Empty) };
        if bytes.len() > Self::MAX_LEN {
            return Err(DeviceKeyError::TooLong);
        }
        let tail_ok = bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if !first.is_ascii_alphanumeric() || !tail_ok {
            return Err(DeviceKeyError::BadCharacter);
        }
        Ok(())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({})", self.0)
    }
}

impl AsRef<str> for DeviceKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl core::borrow::Borrow<str> for DeviceKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceKey {
    type Err = DeviceKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for DeviceKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
