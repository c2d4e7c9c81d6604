//! What happened, as the series store keeps it: samples (a device's measures over time) and events (single facts).
//!
//! The server's time orders everything, decides the partition and what retention removes; a device's own time is only a column.
//! To add an event: a variant of [`Event`] and of [`EventKind`], its columns in the adapters, a case in the contract suite.

use std::collections::BTreeMap;

use argosy_proto::message::DataValue;
use argosy_proto::{DeploymentId, DeviceId, DeviceKey, StreamName};
use serde::{Deserialize, Serialize};

use super::{UnknownWord, text_enum};
use crate::Timestamp;

/// A fact with its time, as it is appended.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesRow {
    /// Whose. A dead letter of a device that the registry does not know has `DeviceId(0)`.
    pub device: DeviceId,
    /// When it came, by the server's clock.
    pub at: Timestamp,
    /// When it was made, by the device's clock, which may be wrong or missing.
    pub device_time: Option<Timestamp>,
    /// What.
    pub fact: Fact,
}

/// What a row says.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// A `status/system`.
    Status(StatusSample),
    /// A row of `data/{stream}`.
    Data(StreamSample),
    /// Something that happened once.
    Event(Event),
}

/// The measures of a `status/system`; what the device did not say is `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusSample {
    /// Load of the first core, percent.
    pub cpu_0: Option<f64>,
    /// Load of the second core, percent.
    pub cpu_1: Option<f64>,
    /// Memory in use, percent.
    pub memory: Option<f64>,
    /// Storage in use, percent.
    pub storage: Option<f64>,
    /// Seconds since the device started.
    pub uptime: Option<u64>,
    /// Signal strength, in the device's own unit (most often dBm).
    pub signal: Option<f64>,
    /// Such as `wifi`.
    pub connection: Option<String>,
    /// The device's address in its own network.
    pub local_ip: Option<String>,
    /// Its gateway's.
    pub gateway_ip: Option<String>,
    /// The version of the running firmware, in the device's words.
    pub firmware_version: Option<String>,
    /// The files it shows. `None` is not said, empty is none.
    pub advertisements: Option<Vec<i64>>,
}

/// One row of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSample {
    /// Of which stream.
    pub stream: StreamName,
    /// Its columns.
    pub values: BTreeMap<String, DataValue>,
}

text_enum! {
    /// A numeric column of a status sample.
    StatusMetric {
        /// Load of the first core.
        Cpu0 = "cpu_0",
        /// Load of the second core.
        Cpu1 = "cpu_1",
        /// Memory in use.
        Memory = "memory",
        /// Storage in use.
        Storage = "storage",
        /// Seconds since the start.
        Uptime = "uptime",
        /// Signal strength.
        Signal = "signal",
    }
}

impl StatusSample {
    /// The value of a metric.
    pub fn metric(&self, metric: StatusMetric) -> Option<f64> {
        match metric {
            StatusMetric::Cpu0 => self.cpu_0,
            StatusMetric::Cpu1 => self.cpu_1,
            StatusMetric::Memory => self.memory,
            StatusMetric::Storage => self.storage,
            StatusMetric::Uptime => self.uptime.map(|seconds| seconds as f64),
            StatusMetric::Signal => self.signal,
        }
    }
}

text_enum! {
    /// Kinds of events; each has its own partitions and its own retention.
    EventKind {
        /// An error log.
        Log = "log",
        /// A sale.
        Sale = "sale",
        /// A step of a download.
        Download = "download",
        /// A device came or went.
        Presence = "presence",
        /// What a device said that nothing else keeps: tests, answers to commands, acknowledged cancels.
        Note = "note",
        /// A message that could not be understood.
        DeadLetter = "dead_letter",
    }
}

/// Something that happened once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// `status/error_log`.
    Log {
        /// The part of the firmware that speaks; may be empty.
        tag: String,
        /// What it says.
        text: String,
    },
    /// `sales/data`.
    Sale {
        /// What was sold (`type` on the wire).
        item: String,
        /// Which variety (`sub_type`).
        variety: Option<String>,
    },
    /// A step of a download of a deployment.
    Download {
        /// Of which deployment.
        deployment: DeploymentId,
        /// What happened.
        step: DownloadStep,
        /// Bytes that the device has then, if known.
        bytes: Option<i64>,
        /// Percent of the whole, if known.
        percent: Option<u8>,
        /// The speed that the device tells, in its own unit (kbit/s or KiB/s): a stored fact, not a measure.
        speed_kbps: Option<f64>,
        /// The time that the device says it took, in its own unit (boards send microseconds): a stored fact, not a measure.
        download_ms: Option<u64>,
        /// What the device says to it.
        message: Option<String>,
    },
    /// The device connected or its connection ended.
    Presence {
        /// Whether it is connected since then.
        online: bool,
    },
    /// What a device said that nothing else keeps.
    Note {
        /// Which message.
        topic: NoteTopic,
        /// The command it belongs to.
        command_id: Option<String>,
        /// Its status word, for an answer.
        status: Option<String>,
        /// Its text; for an answer with a result, the result as JSON.
        text: String,
    },
    /// A message that could not be understood.
    DeadLetter {
        /// From which device, by its connection; it need not be one that the registry knows.
        key: DeviceKey,
        /// Its topic, as it came (cut by the caller).
        topic: String,
        /// What is wrong with it.
        reason: String,
        /// The beginning of its payload; empty for those that hold secrets.
        payload: Vec<u8>,
    },
}

impl Event {
    /// Of which kind it is.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Log { .. } => EventKind::Log,
            Self::Sale { .. } => EventKind::Sale,
            Self::Download { .. } => EventKind::Download,
            Self::Presence { .. } => EventKind::Presence,
            Self::Note { .. } => EventKind::Note,
            Self::DeadLetter { .. } => EventKind::DeadLetter,
        }
    }
}

text_enum! {
    /// A step of a download.
    DownloadStep {
        /// The request was handed to the device's connection.
        Dispatched = "dispatched",
        /// The device took the request.
        Acknowledged = "acknowledged",
        /// It refused it.
        Rejected = "rejected",
        /// It began to download.
        Started = "started",
        /// It told how far it is (a quarter, half, three quarters, all of it).
        Progress = "progress",
        /// It has everything, and it is what it should be.
        Downloaded = "downloaded",
        /// It installed it.
        Installed = "installed",
        /// It gave up.
        Failed = "failed",
        /// It took too long.
        TimedOut = "timed_out",
        /// It went back to what it had.
        RolledBack = "rolled_back",
    }
}

text_enum! {
    /// Which message a note is.
    NoteTopic {
        /// `test`.
        Test = "test",
        /// `command/response`.
        CommandResponse = "command_response",
        /// `update/cancel/ack`.
        CancelAck = "cancel_ack",
    }
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Its number; later events have higher ones. Not without gaps.
    pub id: i64,
    /// Whose ([`SeriesRow::device`]).
    pub device: DeviceId,
    /// When it came.
    pub at: Timestamp,
    /// When it was made, by the device's clock.
    pub device_time: Option<Timestamp>,
    /// What happened.
    pub event: Event,
}

/// A status or stream sample as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleRow<T> {
    /// When it came.
    pub at: Timestamp,
    /// When it was made, by the device's clock.
    pub device_time: Option<Timestamp>,
    /// Its values.
    pub values: T,
}

/// The last that a device said.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceLatest {
    /// Whose.
    pub device: DeviceId,
    /// Its last status.
    pub status: Option<SampleRow<StatusSample>>,
    /// The last row of each of its streams, by name (of the 64 that spoke last).
    pub streams: Vec<SampleRow<StreamSample>>,
}
