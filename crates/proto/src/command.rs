//! Command ids: the name that joins a request with every answer to it.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{DeploymentId, DeviceId};

/// What a command asks for; the two letters before the first `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CommandKind {
    /// `FW`: a firmware update.
    Firmware,
    /// `AD`: a content (advertisement) update.
    Advertisement,
    /// `CM`: a remote command.
    Remote,
}

impl CommandKind {
    /// The two letters.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Firmware => "FW",
            Self::Advertisement => "AD",
            Self::Remote => "CM",
        }
    }

    fn of(text: &str) -> Option<Self> {
        [Self::Firmware, Self::Advertisement, Self::Remote]
            .into_iter()
            .find(|kind| text.strip_prefix(kind.prefix()).is_some_and(|rest| rest.starts_with('-')))
    }
}

/// The kinds of command that are updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UpdateKind {
    /// `FW`: a firmware update.
    Firmware,
    /// `AD`: a content (advertisement) update.
    Advertisement,
}

impl From<UpdateKind> for CommandKind {
    fn from(kind: UpdateKind) -> Self {
        match kind {
            UpdateKind::Firmware => Self::Firmware,
            UpdateKind::Advertisement => Self::Advertisement,
        }
    }
}

/// A command id as text: `FW-`, `AD-` or `CM-` and 1 to 61 of `A-Z a-z 0-9 _ . -`. It may be one that we never gave out.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(String);

/// The text is not a command id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a command id is FW-, AD- or CM- and at most 61 of A-Z a-z 0-9 _ . -")]
pub struct CommandIdError;

impl CommandId {
    /// The longest id, in characters (all of them ASCII).
    pub const MAX_LEN: usize = 64;

    /// Checks `text` and makes it a command id.
    ///
    /// # Errors
    /// [`CommandIdError`] when the prefix, the length or a character is wrong.
    pub fn new(text: impl Into<String>) -> Result<Self, CommandIdError> {
        let text = text.into();
        let well_formed = text.len() <= Self::MAX_LEN
            && text.len() > 3
            && CommandKind::of(&text).is_some()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if well_formed { Ok(Self(text)) } else { Err(CommandIdError) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the command asks for.
    pub fn kind(&self) -> CommandKind {
        // The constructor has seen one of the three prefixes.
        CommandKind::of(&self.0).unwrap_or(CommandKind::Remote)
    }

    /// The update that the id names, if it has the form that Argosy gives to updates.
    pub fn update(&self) -> Option<UpdateCommandId> {
        self.0.parse().ok()
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandId({})", self.0)
    }
}

impl AsRef<str> for CommandId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for CommandId {
    type Err = CommandIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl Serialize for CommandId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CommandId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The command id of an update, `FW-{deployment}-{device}-{attempt}`: it carries what it stands for, so no index looks it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpdateCommandId {
    /// Firmware or content.
    pub kind: UpdateKind,
    /// The deployment it belongs to, from 1.
    pub deployment: DeploymentId,
    /// The device it was sent to, from 1.
    pub device: DeviceId,
    /// Which try this is, from 1.
    pub attempt: u32,
}

/// The text is not the id of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of an update is FW- or AD- and three positive numbers, such as FW-12-345-1")]
pub struct UpdateCommandIdError;

impl UpdateCommandId {
    /// The same as a general command id.
    pub fn command_id(&self) -> CommandId {
        // At most 3 + 20 + 1 + 20 + 1 + 10 characters, all in the alphabet: what `CommandId::new` would accept.
        CommandId(self.to_string())
    }
}

impl From<UpdateCommandId> for CommandId {
    fn from(id: UpdateCommandId) -> Self {
        id.command_id()
    }
}

impl fmt::Display for UpdateCommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = CommandKind::from(self.kind).prefix();
        write!(f, "{prefix}-{}-{}-{}", self.deployment, self.device, self.attempt)
    }
}

impl FromStr for UpdateCommandId {
    type Err = UpdateCommandIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('-');
        let kind = match parts.next() {
            Some("FW") => UpdateKind::Firmware,
            Some("AD") => UpdateKind::Advertisement,
            _ => return Err(UpdateCommandIdError),
        };
        let deployment = DeploymentId(positive(parts.next())?);
        let device = DeviceId(positive(parts.next())?);
        let attempt = positive(parts.next())?;
        if parts.next().is_some() {
            return Err(UpdateCommandIdError);
        }
        Ok(Self { kind, deployment, device, attempt })
    }
}

/// One text for each number, so that two texts never name the same command: no sign, no leading zero.
fn positive<T: FromStr>(digits: Option<&str>) -> Result<T, UpdateCommandIdError> {
    digits
        .filter(|d| d.bytes().all(|b| b.is_ascii_digit()) && !d.starts_with('0'))
        .and_then(|d| d.parse().ok())
        .ok_or(UpdateCommandIdError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_command_id_carries_what_it_stands_for() {
        let id = UpdateCommandId {
            kind: UpdateKind::Firmware,
            deployment: DeploymentId(12),
            device: DeviceId(345),
            attempt: 1,
        };
        assert_eq!(id.to_string(), "FW-12-345-1");
        assert_eq!("FW-12-345-1".parse(), Ok(id));
        assert_eq!(id.command_id().update(), Some(id));
        assert_eq!(id.command_id().kind(), CommandKind::Firmware);
    }

    #[test]
    fn only_one_text_names_an_update() {
        for bad in [
            "FW-012-345-1",
            "FW-+12-345-1",
            "FW-12-345-0",
            "FW-12-345",
            "FW-12-345-1-1",
            "FW--12-345-1",
            "CM-12-345-1",
            "fw-12-345-1",
            "FW-12-345-4294967296",
            "FW-9223372036854775808-1-1",
            "FW-12-345-1 ",
            "FW-12-345-١",
        ] {
            assert_eq!(bad.parse::<UpdateCommandId>(), Err(UpdateCommandIdError), "{bad}");
        }
    }

    #[test]
    fn the_longest_update_id_is_a_command_id() {
        let id = UpdateCommandId {
            kind: UpdateKind::Advertisement,
            deployment: DeploymentId(i64::MAX),
            device: DeviceId(i64::MAX),
            attempt: u32::MAX,
        };
        assert_eq!(CommandId::new(id.to_string()), Ok(id.command_id()));
    }

    #[test]
    fn command_ids_are_bounded_and_of_a_known_kind() {
        assert_eq!(CommandId::new("CM-reboot_1.a").map(|c| c.kind()), Ok(CommandKind::Remote));
        let longest = alloc::format!("AD-{}", "x".repeat(61));
        assert_eq!(CommandId::new(longest.as_str()).map(|c| c.kind()), Ok(CommandKind::Advertisement));
        for bad in ["", "FW", "FW-", "XX-1", "FW-a b", "FW-\0", "FW-é", "FW_1", &alloc::format!("{longest}x")]
        {
            assert_eq!(CommandId::new(bad), Err(CommandIdError), "{bad}");
        }
    }
}
