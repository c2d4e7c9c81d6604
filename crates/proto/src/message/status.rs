//! What a device says about itself without being asked: health, errors, sales, and the debug screen's test.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use super::Payload;
use super::error::DecodeError;
use super::fields::{self, Fields};
use super::limits;
use crate::{ArtifactId, DeviceTime, FirmwareVersion};

/// `status/system`, every 10 to 60 seconds. Measures that cannot be read are as if absent; only the set of contents is strict,
/// because a deployment is judged by it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StatusSystem {
    /// The version of the running firmware, in the device's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware_version: Option<FirmwareVersion>,
    /// The contents that are shown. Absent means not said; empty means none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertisements: Option<Vec<ShownFile>>,
    /// Load and memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemHealth>,
    /// The link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkHealth>,
    /// The device's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DeviceTime>,
}

/// One file that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct ShownFile {
    /// The `file_info.id` with which it came. What a device says: it may be none that exists.
    pub id: ArtifactId,
}

/// Load and memory of a device.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SystemHealth {
    /// Load of each core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_usage: Option<CpuUsage>,
    /// Memory in use, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_usage: Option<f64>,
    /// Storage in use, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_usage: Option<f64>,
    /// Seconds since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime: Option<u64>,
}

/// Load of the two cores, in percent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CpuUsage {
    /// The first core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core_0: Option<f64>,
    /// The second core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core_1: Option<f64>,
}

/// The link of a device.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NetworkHealth {
    /// Such as `wifi` or `ethernet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_type: Option<String>,
    /// In the device's own unit, most often dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_strength: Option<f64>,
    /// The device's address in its own network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_ip: Option<String>,
    /// Its gateway's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_ip: Option<String>,
}

/// `status/error_log`: one line of a device's log. Cut at [`limits::LOG`] characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorLog {
    /// The part of the firmware that speaks.
    pub error_tag: String,
    /// What it says.
    pub log: String,
    /// The device's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DeviceTime>,
}

/// `sales/data`: something was sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SalesData {
    /// What.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which variety of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_type: Option<String>,
    /// The device's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DeviceTime>,
}

/// `test`: the debug screen's button; accepted and logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestMessage {
    /// Anything.
    pub message: String,
    /// The device's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DeviceTime>,
}

impl Payload for StatusSystem {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        let shown = |inner: &mut Fields| Ok(ShownFile { id: inner.required("id", fields::shown_id)? });
        Ok(Self {
            firmware_version: fields.lenient("firmware_version", fields::version),
            advertisements: fields.list("advertisements", limits::SHOWN_FILES, shown)?,
            system: fields.lenient_object("system", system),
            network: fields.lenient_object("network", network),
            timestamp: fields.timestamp(),
        })
    }
}

fn system(fields: &mut Fields) -> SystemHealth {
    let cores = |inner: &mut Fields| CpuUsage {
        core_0: inner.lenient("core_0", fields::number),
        core_1: inner.lenient("core_1", fields::number),
    };
    SystemHealth {
        cpu_usage: fields.lenient_object("cpu_usage", cores),
        memory_usage: fields.lenient("memory_usage", fields::number),
        storage_usage: fields.lenient("storage_usage", fields::number),
        uptime: fields.lenient("uptime", fields::count),
    }
}

fn network(fields: &mut Fields) -> NetworkHealth {
    NetworkHealth {
        connection_type: fields.lenient("connection_type", fields::prose::<{ limits::NAME }>),
        signal_strength: fields.lenient("signal_strength", fields::number),
        local_ip: fields.lenient("local_ip", fields::prose::<{ limits::NAME }>),
        gateway_ip: fields.lenient("gateway_ip", fields::prose::<{ limits::NAME }>),
    }
}

impl Payload for ErrorLog {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            error_tag: fields.lenient("error_tag", fields::prose::<{ limits::LABEL }>).unwrap_or_default(),
            log: fields.required("log", fields::prose::<{ limits::LOG }>)?,
            timestamp: fields.timestamp(),
        })
    }
}

impl Payload for SalesData {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            kind: fields.required("type", fields::prose::<{ limits::LABEL }>)?,
            sub_type: fields.lenient("sub_type", fields::prose::<{ limits::LABEL }>),
            timestamp: fields.timestamp(),
        })
    }
}

impl Payload for TestMessage {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            message: fields.lenient("message", fields::prose::<{ limits::MESSAGE }>).unwrap_or_default(),
            timestamp: fields.timestamp(),
        })
    }
}
