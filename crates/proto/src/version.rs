//! Firmware versions: a text that people choose, with an order that suits lists. No decision about a device hangs on it.

use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A firmware's version: 1 to 64 characters, none of them a control character.
///
/// The order is that of semantic versions where the text looks like one (a leading `v` is ignored, any number of numeric
/// parts, `1.2.0-rc.1` before `1.2.0`, `+build` ignored) and otherwise natural: digits by value, the rest by character.
/// Equality is that of the text. It is for sorting and showing; whether a device already runs an image is judged by hash.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FirmwareVersion(String);

/// The text cannot be a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version has 1 to 64 characters and no control characters")]
pub struct FirmwareVersionError;

impl FirmwareVersion {
    /// The longest version, in characters.
    pub const MAX_LEN: usize = 64;

    /// Checks `text` and makes it a version.
    ///
    /// # Errors
    /// [`FirmwareVersionError`] when it is empty, too long or has control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, FirmwareVersionError> {
        let text = text.into();
        let length = text.chars().take(Self::MAX_LEN + 1).count();
        if length == 0 || length > Self::MAX_LEN || text.chars().any(char::is_control) {
            return Err(FirmwareVersionError);
        }
        Ok(Self(text))
    }

    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for FirmwareVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        let (left, right) = (Parts::of(&self.0), Parts::of(&other.0));
        natural(left.release, right.release)
            .then_with(|| match (left.pre, right.pre) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(a), Some(b)) => natural(a, b),
            })
            // Equal versions in different words (`v1.0`, `1.0`, `1.0+b`) still need one order, in step with `Eq`.
            .then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for FirmwareVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

struct Parts<'a> {
    release: &'a str,
    pre: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let bare =
            text.strip_prefix(['v', 'V']).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let without_build = bare.unwrap_or(text).split('+').next().unwrap_or_default();
        match without_build.split_once('-') {
            Some((release, pre)) => Self { release, pre: Some(pre) },
            None => Self { release: without_build, pre: None },
        }
    }
}

/// Runs of digits compare by value, everything else by character.
fn natural(mut left: &str, mut right: &str) -> Ordering {
    loop {
        let (a, b) = (digits(left), digits(right));
        let order = if a.is_empty() || b.is_empty() {
            match (left.chars().next(), right.chars().next()) {
                (None, None) => return Ordering::Equal,
                (a, b) => a.cmp(&b),
            }
        } else {
            let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        };
        if order != Ordering::Equal {
            return order;
        }
        left = rest(left, a.len());
        right = rest(right, b.len());
    }
}

fn digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

fn rest(text: &str, digits: usize) -> &str {
    let step = if digits > 0 { digits } else { text.chars().next().map_or(0, char::len_utf8) };
    &text[step..]
}

impl fmt::Display for FirmwareVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FirmwareVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FirmwareVersion({})", self.0)
    }
}

impl AsRef<str> for FirmwareVersion {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for FirmwareVersion {
    type Err = FirmwareVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl Serialize for FirmwareVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FirmwareVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn version(text: &str) -> FirmwareVersion {
        FirmwareVersion::new(text).unwrap()
    }

    #[test]
    fn semver_like_versions_sort_as_people_expect() {
        let ordered = [
            "0.9",
            "1.0.0-alpha",
            "1.0.0-rc.2",
            "1.0.0-rc.10",
            "1.0.0",
            "1.0.1",
            "v1.2",
            "1.10.0",
            "2024.07.1",
            "beta",
        ];
        let mut sorted: Vec<_> = ordered.iter().rev().map(|text| version(text)).collect();
        sorted.sort();
        let texts: Vec<_> = sorted.iter().map(FirmwareVersion::as_str).collect();
        assert_eq!(texts, ordered);
    }

    #[test]
    fn equality_is_that_of_the_text() {
        assert_ne!(version("v1.0"), version("1.0"));
        assert_ne!(version("v1.0").cmp(&version("1.0")), Ordering::Equal);
    }

    #[test]
    fn empty_long_and_control_characters_are_refused() {
        assert!(FirmwareVersion::new("가".repeat(64)).is_ok());
        for bad in ["", "1.0\n", "\0", &"1".repeat(65)] {
            assert_eq!(FirmwareVersion::new(bad), Err(FirmwareVersionError), "{bad:?}");
        }
    }
}
