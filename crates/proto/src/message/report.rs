//! What a device says about an update: received, getting on, done.

use alloc::string::String;

use serde::Serialize;

use super::Payload;
use super::error::DecodeError;
use super::fields::{self, Fields};
use super::limits;
use super::words::words;
use crate::{CommandId, DeviceTime};

words! {
    /// What a device makes of a request.
    AckStatus, "ACKNOWLEDGED or REJECTED" {
        /// It will be done.
        Acknowledged = "ACKNOWLEDGED",
        /// Added: it will not be done, and asking again changes nothing.
        Rejected = "REJECTED",
    }
}

/// `update/request/ack`: the request has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpdateAck {
    /// The command of the request.
    pub command_id: CommandId,
    /// What the device makes of it.
    pub status: AckStatus,
    /// Added: why it is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The device's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DeviceTime>,
}

/// `update/progress`: how far the download is. Nothing but a bad `command_id` makes it unreadable: boards count over 100,
/// backwards and below zero, and it still tells that they are downloading.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// The command of the request.
    pub command_id: CommandId,
    /// Percent, clamped to 0…100; from the bytes (or 0) when the device sends none that can be read.
    pub progress: u8,
    /// Bytes received so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downloaded_bytes: Option<u64>,
    /// Bytes to receive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
    /// kbit/s from boards, KiB/s from the old simulator: a stored fact, never computed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_kbps: Option<f64>,
    /// The device's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DeviceTime>,
}

words! {
    /// How an update ended, or the step it has reached.
    ResultStatus, "SUCCESS, ERROR, FAILED, TIMEOUT, INSTALLED or ROLLED_BACK" {
        /// Downloaded and verified.
        Success = "SUCCESS",
        /// Failed.
        Error = "ERROR",
        /// Failed.
        Failed = "FAILED",
        /// Gave up waiting.
        Timeout = "TIMEOUT",
        /// Added: written to its slot; the device restarts into it.
        Installed = "INSTALLED",
        /// Added: the new image did not prove itself; the old one runs again.
        RolledBack = "ROLLED_BACK",
    }
}

/// `update/result`. For content, boards send one for each file and the old simulator one at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpdateResult {
    /// The command of the request.
    pub command_id: CommandId,
    /// How it ended.
    pub status: ResultStatus,
    /// What happened, for a person; cut at [`limits::MESSAGE`] characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether the hash was compared and equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum_verified: Option<bool>,
    /// How long the download took: milliseconds, but microseconds from boards. A stored fact, not a measure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_ms: Option<u64>,
    /// The device's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DeviceTime>,
}

/// `update/cancel/ack`. No decision waits for it or hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CancelAck {
    /// The command that was to be stopped.
    pub command_id: CommandId,
    /// What became of it: a device's own word; ours are [`Self::CANCELED`] and [`Self::TOO_LATE`].
    pub status: String,
    /// The device's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DeviceTime>,
}

impl CancelAck {
    /// Our agents' word when they stopped, or had nothing to stop.
    pub const CANCELED: &'static str = "CANCELED";
    /// Our agents' word when the update was already past stopping.
    pub const TOO_LATE: &'static str = "TOO_LATE";
}

impl Payload for UpdateAck {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            command_id: fields.required("command_id", fields::command_id)?,
            status: fields.required("status", AckStatus::read)?,
            message: fields.lenient("message", fields::prose::<{ limits::MESSAGE }>),
            timestamp: fields.timestamp(),
        })
    }
}

impl Payload for Progress {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        let command_id = fields.required("command_id", fields::command_id)?;
        let downloaded_bytes = fields.lenient("downloaded_bytes", fields::count);
        let total_bytes = fields.lenient("total_bytes", fields::count);
        let progress = fields
            .lenient("progress", fields::percent)
            .or_else(|| Some(percent_of(downloaded_bytes?, total_bytes?)))
            .unwrap_or(0);
        Ok(Self {
            command_id,
            progress,
            downloaded_bytes,
            total_bytes,
            speed_kbps: fields.lenient("speed_kbps", fields::number),
            timestamp: fields.timestamp(),
        })
    }
}

fn percent_of(part: u64, whole: u64) -> u8 {
    let percent = (u128::from(part) * 100).checked_div(u128::from(whole)).unwrap_or(0);
    percent.min(100) as u8
}

impl Payload for UpdateResult {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            command_id: fields.required("command_id", fields::command_id)?,
            status: fields.required("status", ResultStatus::read)?,
            message: fields.lenient("message", fields::prose::<{ limits::MESSAGE }>),
            checksum_verified: fields.lenient("checksum_verified", fields::flag),
            download_ms: fields.lenient("download_ms", fields::count),
            timestamp: fields.timestamp(),
        })
    }
}

impl Payload for CancelAck {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            command_id: fields.required("command_id", fields::command_id)?,
            status: fields.lenient("status", fields::prose::<{ limits::NAME }>).unwrap_or_default(),
            timestamp: fields.timestamp(),
        })
    }
}
