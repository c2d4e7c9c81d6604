//! Topics of the device protocol, and which of them a device may touch.
//!
//! Add one: a line in [`UpTopic`] or [`DownTopic`] (and their tables), a payload in [`crate::message`], golden vectors.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::{DeviceKey, DeviceKeyError};

/// The longest topic or filter that is looked at, in bytes. The longest of ours has 137.
pub const MAX_TOPIC_LEN: usize = 256;

const ROOT: &str = "v1/";
const DATA: &str = "data/";
const AWS_ROOT: &str = "$aws/things/";

/// The name of a telemetry stream: `[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(String);

/// The text is not a stream name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stream name is 1 to 64 of A-Z a-z 0-9 _ . - and begins with a letter or digit")]
pub struct StreamNameError;

impl StreamName {
    /// Checks `text` and makes it a stream name.
    ///
    /// # Errors
    /// [`StreamNameError`] when it is empty, too long or outside the alphabet.
    pub fn new(text: impl Into<String>) -> Result<Self, StreamNameError> {
        let text = text.into();
        // The alphabet of stream names is that of device keys.
        DeviceKey::check(&text).map_err(|_| StreamNameError)?;
        Ok(Self(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// A topic on which a device speaks to the server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UpTopic {
    /// `update/request/ack`
    UpdateAck,
    /// `update/progress`
    Progress,
    /// `update/result`
    Result,
    /// `update/cancel/ack`
    CancelAck,
    /// `status/system`
    StatusSystem,
    /// `status/error_log`
    StatusErrorLog,
    /// `sales/data`
    SalesData,
    /// `regist`
    Regist,
    /// `cert/request`
    CertRequest,
    /// `test`
    Test,
    /// `hello`
    Hello,
    /// `data/{stream}`
    Data {
        /// The telemetry stream.
        stream: StreamName,
    },
    /// `command/response`
    CommandResponse,
}

impl UpTopic {
    /// Every topic but `data/{stream}`.
    pub const FIXED: [Self; 12] = [
        Self::UpdateAck,
        Self::Progress,
        Self::Result,
        Self::CancelAck,
        Self::StatusSystem,
        Self::StatusErrorLog,
        Self::SalesData,
        Self::Regist,
        Self::CertRequest,
        Self::Test,
        Self::Hello,
        Self::CommandResponse,
    ];

    /// What follows `v1/{key}/`, without the stream of a data topic: a name for logs and metrics with few values.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UpdateAck => "update/request/ack",
            Self::Progress => "update/progress",
            Self::Result => "update/result",
            Self::CancelAck => "update/cancel/ack",
            Self::StatusSystem => "status/system",
            Self::StatusErrorLog => "status/error_log",
            Self::SalesData => "sales/data",
            Self::Regist => "regist",
            Self::CertRequest => "cert/request",
            Self::Test => "test",
            Self::Hello => "hello",
            Self::Data { .. } => "data",
            Self::CommandResponse => "command/response",
        }
    }

    /// The full topic of the device `key`.
    pub fn topic(&self, key: &DeviceKey) -> String {
        match self {
            Self::Data { stream } => format!("{ROOT}{key}/{DATA}{stream}"),
            fixed => format!("{ROOT}{key}/{}", fixed.kind()),
        }
    }
}

/// A topic on which the server speaks to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DownTopic {
    /// `update/request/firmware`
    UpdateFirmware,
    /// `update/request/advertisement`
    UpdateAdvertisement,
    /// `update/cancel`
    UpdateCancel,
    /// `regist/ack`
    RegistAck,
    /// `cert/request/ack`
    CertAck,
    /// `hello/ack`
    HelloAck,
    /// `command/request`
    CommandRequest,
}

impl DownTopic {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::UpdateFirmware,
        Self::UpdateAdvertisement,
        Self::UpdateCancel,
        Self::RegistAck,
        Self::CertAck,
        Self::HelloAck,
        Self::CommandRequest,
    ];

    /// What follows `v1/{key}/`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::UpdateFirmware => "update/request/firmware",
            Self::UpdateAdvertisement => "update/request/advertisement",
            Self::UpdateCancel => "update/cancel",
            Self::RegistAck => "regist/ack",
            Self::CertAck => "cert/request/ack",
            Self::HelloAck => "hello/ack",
            Self::CommandRequest => "command/request",
        }
    }

    /// The full topic of the device `key`.
    pub fn topic(self, key: &DeviceKey) -> String {
        format!("{ROOT}{key}/{}", self.kind())
    }
}

/// Why a topic is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Longer than [`MAX_TOPIC_LEN`].
    #[error("the topic is longer than 256 bytes")]
    TooLong,
    /// It does not begin with `v1/{key}/`.
    #[error("the topic is not below v1/{{key}}/")]
    NotOurs,
    /// The second level is not a device key.
    #[error("the topic's device key is not one")]
    BadKey(#[source] DeviceKeyError),
    /// Nothing is spoken on it in this direction.
    #[error("no message of the protocol has this topic")]
    Unknown,
    /// `data/` is not followed by one stream name.
    #[error("the topic's stream name is not one")]
    BadStream(#[source] StreamNameError),
}

/// Reads the topic of a message from a device.
///
/// # Errors
/// [`TopicError`] says what is wrong; a topic of the other direction is [`TopicError::Unknown`].
pub fn parse_up(topic: &str) -> Result<(DeviceKey, UpTopic), TopicError> {
    let (key, rest) = split(topic)?;
    let up = match rest.strip_prefix(DATA) {
        Some(stream) => UpTopic::Data { stream: StreamName::new(stream).map_err(TopicError::BadStream)? },
        None => UpTopic::FIXED.into_iter().find(|up| up.kind() == rest).ok_or(TopicError::Unknown)?,
    };
    Ok((key, up))
}

/// Reads the topic of a message from the server.
///
/// # Errors
/// [`TopicError`] says what is wrong; a topic of the other direction is [`TopicError::Unknown`].
pub fn parse_down(topic: &str) -> Result<(DeviceKey, DownTopic), TopicError> {
    let (key, rest) = split(topic)?;
    let down = DownTopic::ALL.into_iter().find(|down| down.kind() == rest).ok_or(TopicError::Unknown)?;
    Ok((key, down))
}

fn split(topic: &str) -> Result<(DeviceKey, &str), TopicError> {
    if topic.len() > MAX_TOPIC_LEN {
        return Err(TopicError::TooLong);
    }
    let (key, rest) = topic.strip_prefix(ROOT).and_then(|t| t.split_once('/')).ok_or(TopicError::NotOurs)?;
    Ok((DeviceKey::new(key).map_err(TopicError::BadKey)?, rest))
}

/// The exact filters to which the broker subscribes the device `key` when it connects: all it can be told.
pub fn down_filters(key: &DeviceKey) -> Vec<String> {
    DownTopic::ALL.into_iter().map(|down| down.topic(key)).collect()
}

/// What a device wants to do with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Publish to it, now or by its will: no wildcard is allowed.
    Publish,
    /// Subscribe to it: `+` and `#` are allowed as whole levels below the device's own root.
    Subscribe,
}

/// Whether `text` (a topic, or a filter when subscribing) lies strictly below `v1/{key}/`.
///
/// The key's level must be literally the key: no wildcard, no shared subscription and no other prefix gets past it. Levels
/// are not empty and are printable ASCII. (`v1/7/#` also matches `v1/7` in MQTT, on which nobody may publish.)
///
/// It says whose topic it is, not whether the device has a say on it: [`parse_up`] does.
pub fn belongs_to(key: &DeviceKey, access: Access, text: &str) -> bool {
    below(ROOT, key, access, text)
}

/// Whether `text` lies strictly below `$aws/things/{key}/`, by the rules of [`belongs_to`]. Reserved for the shadow: a
/// device's right to it is a separate decision.
pub fn belongs_to_aws(key: &DeviceKey, access: Access, text: &str) -> bool {
    below(AWS_ROOT, key, access, text)
}

fn below(root: &str, key: &DeviceKey, access: Access, text: &str) -> bool {
    let own = text.strip_prefix(root).and_then(|text| text.strip_prefix(key.as_str()));
    let Some(rest) = own.and_then(|text| text.strip_prefix('/')).filter(|_| text.len() <= MAX_TOPIC_LEN)
    else {
        return false;
    };
    let mut levels = rest.split('/').peekable();
    while let Some(level) = levels.next() {
        let allowed = match level {
            "+" => access == Access::Subscribe,
            "#" => access == Access::Subscribe && levels.peek().is_none(),
            _ => {
                !level.is_empty() && level.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'+' | b'#'))
            }
        };
        if !allowed {
            return false;
        }
    }
    true
}
