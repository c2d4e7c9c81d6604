//! The greeting after every connect, and the remote commands that build on what it offers. All of it is added: boards of the
//! older system know none of it.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::Value;

use super::Payload;
use super::error::DecodeError;
use super::fields::{self, Fields};
use super::limits;
use super::words::words;
use crate::{CommandId, DeviceTime, FirmwareVersion, Sha256Hash};

/// `hello`: after every connect, and again whenever `boot` changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hello {
    /// The version of this protocol; 1.
    pub protocol: u32,
    /// The agent's name and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What the device can do beyond the base fields; see [`capability`].
    pub capabilities: Vec<String>,
    /// What runs, and how it came to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootInfo>,
    /// The update that `boot` belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// The device's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DeviceTime>,
}

impl Hello {
    /// The version of the protocol that this crate speaks.
    pub const PROTOCOL: u32 = 1;

    /// Whether the device says that it can do `capability`.
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|own| own == capability)
    }
}

/// Names of capabilities.
pub mod capability {
    /// The device proves a new image in a trial boot and says so: an update has succeeded when `hello` has the deployed hash,
    /// confirmed, not when the download has.
    pub const BOOT_CONFIRM: &str = "boot-confirm";
}

/// The running image and how it came to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootInfo {
    /// The slot it runs from, in the device's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// Its version, to be shown; never judged by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<FirmwareVersion>,
    /// The SHA-256 of the complete artifact (`file_hash` of the full image, never of a patch).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_hash: Option<Sha256Hash>,
    /// Whether it has proved itself. Absent is read as false.
    pub confirmed: bool,
    /// Why the device started last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset_reason: Option<String>,
    /// The image that was tried and given up, if this start is a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_back_from: Option<Sha256Hash>,
}

/// `hello/ack`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HelloAck {
    /// The server's time, for a device without a clock.
    pub time: DeviceTime,
    /// After a lost connection, wait a random time of up to so many seconds before the next try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnect_jitter_s: Option<u32>,
    /// What the server takes from one device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<HelloLimits>,
}

/// What the server takes from one device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct HelloLimits {
    /// The largest payload, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_payload_bytes: Option<u32>,
    /// The most messages in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_messages_per_minute: Option<u32>,
}

/// `command/request`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CommandRequest {
    /// The command that the answer names.
    pub command_id: CommandId,
    /// What to do.
    pub name: String,
    /// With what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Value>,
    /// When it is too late to begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DeviceTime>,
}

words! {
    /// What became of a remote command.
    CommandStatus, "ok, error or rejected" {
        /// Done.
        Ok = "ok",
        /// Tried, and failed.
        Error = "error",
        /// Not tried: unknown, too late or not allowed.
        Rejected = "rejected",
    }
}

/// `command/response`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CommandResponse {
    /// The command of the request.
    pub command_id: CommandId,
    /// What became of it.
    pub status: CommandStatus,
    /// What it gave back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// What happened, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Payload for Hello {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            protocol: fields.optional("protocol", fields::small_count)?.unwrap_or(Self::PROTOCOL),
            agent: fields.lenient("agent", fields::prose::<{ limits::LABEL }>),
            capabilities: fields
                .optional("capabilities", fields::names::<{ limits::CAPABILITIES }, { limits::NAME }>)?
                .unwrap_or_default(),
            boot: fields.optional_object("boot", BootInfo::read)?,
            command_id: fields.optional("command_id", fields::command_id)?,
            timestamp: fields.timestamp(),
        })
    }
}

impl BootInfo {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            slot: fields.lenient("slot", fields::prose::<{ limits::NAME }>),
            version: fields.lenient("version", fields::version),
            image_hash: fields.optional("image_hash", fields::hash)?,
            confirmed: fields.optional("confirmed", fields::boolean)?.unwrap_or(false),
            reset_reason: fields.lenient("reset_reason", fields::prose::<{ limits::LABEL }>),
            rolled_back_from: fields.optional("rolled_back_from", fields::hash)?,
        })
    }
}

impl Payload for HelloAck {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        let limits = |inner: &mut Fields| HelloLimits {
            max_payload_bytes: inner.lenient("max_payload_bytes", fields::small_count),
            max_messages_per_minute: inner.lenient("max_messages_per_minute", fields::small_count),
        };
        Ok(Self {
            time: fields.required("time", fields::time)?,
            reconnect_jitter_s: fields.lenient("reconnect_jitter_s", fields::small_count),
            limits: fields.lenient_object("limits", limits),
        })
    }
}

impl Payload for CommandRequest {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            command_id: fields.required("command_id", fields::command_id)?,
            name: fields.required("name", fields::name::<{ limits::NAME }>)?,
            args: fields.optional("args", fields::json)?,
            expires_at: fields.optional("expires_at", fields::time)?,
        })
    }
}

impl Payload for CommandResponse {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            command_id: fields.required("command_id", fields::command_id)?,
            status: fields.required("status", CommandStatus::read)?,
            result: fields.optional("result", fields::json)?,
            message: fields.lenient("message", fields::prose::<{ limits::MESSAGE }>),
        })
    }
}
