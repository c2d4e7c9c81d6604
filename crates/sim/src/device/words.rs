//! Between the core's words and the protocol's.

use std::sync::Arc;

use argosy_agent_core::{
    BootReport, CancelStatus, CommandId as CoreCommand, ContentSet, Image, Offer, Outcome, Reason, Report,
    Version,
};
use argosy_proto::message::{
    AckStatus, BootInfo, CancelAck, CpuUsage, Hello, NetworkHealth, Progress, ResultStatus, ShownFile,
    StatusSystem, SystemHealth, UpdateAck, UpdateFirmware, UpdateResult, capability,
};
use argosy_proto::{ArtifactId, CommandId, DeviceTime, FirmwareVersion, Sha256Hash, UpMessage};

use crate::config::Mode;
use crate::http::Url;

/// What the acknowledgement of a message means for the report.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    /// Nothing.
    Nothing,
    /// The server knows that this image runs.
    Runs(Sha256Hash),
    /// The server knows that the update failed, and why.
    Failed { reason: String, rolled_back: bool },
    /// The server knows that the update was stopped.
    Stopped,
    /// The server knows how a content request ended.
    Content(Result<(), String>),
}

/// A request in the core's words; the text says why it cannot be one.
pub(crate) fn offer(request: &UpdateFirmware) -> Result<Offer<Arc<Url>>, String> {
    let content = &request.content;
    let url: Url =
        content.signed_url.url.parse().map_err(|error| format!("the download's address: {error}"))?;
    let size =
        u32::try_from(content.file_info.size).map_err(|_| "the image is larger than 4 GiB".to_owned())?;
    let version = content.version.as_ref().map_or(Version::EMPTY, |version| Version::cut(version.as_str()));
    let command = CoreCommand::new(request.command_id.as_str()).map_err(|error| error.to_string())?;
    Ok(Offer {
        command,
        image: Image { hash: content.file_info.file_hash, size, version },
        locator: Arc::new(url),
    })
}

/// A refusal that the core does not know of.
pub(crate) fn rejected(command_id: CommandId, message: String, time: DeviceTime) -> UpMessage {
    UpMessage::UpdateAck(UpdateAck {
        command_id,
        status: AckStatus::Rejected,
        message: Some(message),
        timestamp: Some(time),
    })
}

/// What a device says for `report`, and what it means when it was heard. `None`: this kind of device does not say that.
/// `image` is the image under way, `boot` what runs.
pub(crate) fn message(
    report: &Report,
    boot: &BootReport,
    image: Option<Sha256Hash>,
    mode: Mode,
    time: DeviceTime,
) -> Option<(UpMessage, Note)> {
    let timestamp = Some(time);
    let command_id = |command: &CoreCommand| CommandId::new(command.as_str()).ok();
    Some(match report {
        Report::Accepted { command } => {
            let ack = UpdateAck {
                command_id: command_id(command)?,
                status: AckStatus::Acknowledged,
                message: None,
                timestamp,
            };
            (UpMessage::UpdateAck(ack), Note::Nothing)
        }
        Report::Rejected { command, reason } => {
            if mode == Mode::Legacy {
                return None;
            }
            let note = Note::Failed { reason: reason.to_string(), rolled_back: false };
            (rejected(command_id(command)?, reason.to_string(), time), note)
        }
        Report::Progress { command, percent, downloaded, total, kbit_per_s } => {
            let progress = Progress {
                command_id: command_id(command)?,
                progress: *percent,
                downloaded_bytes: Some(u64::from(*downloaded)),
                total_bytes: Some(u64::from(*total)),
                speed_kbps: Some(f64::from(*kbit_per_s)),
                timestamp,
            };
            (UpMessage::Progress(progress), Note::Nothing)
        }
        Report::Result { command, outcome, reason, download_ms } => {
            let (status, note) = result(*outcome, reason, image, mode)?;
            let result = UpdateResult {
                command_id: command_id(command)?,
                status,
                message: Some(reason.to_string()),
                checksum_verified: Some(matches!(outcome, Outcome::Success | Outcome::Installed)),
                download_ms: Some(u64::from(*download_ms)),
                timestamp,
            };
            (UpMessage::Result(result), note)
        }
        Report::CancelAck { command, status } => {
            let (word, note) = match status {
                CancelStatus::Canceled => (CancelAck::CANCELED, Note::Stopped),
                CancelStatus::Unknown => (CancelAck::CANCELED, Note::Nothing),
                CancelStatus::TooLate => (CancelAck::TOO_LATE, Note::Nothing),
            };
            let ack = CancelAck { command_id: command_id(command)?, status: word.to_owned(), timestamp };
            (UpMessage::CancelAck(ack), note)
        }
        // Whoever sends it has the whole status.
        Report::Status => return None,
        Report::Hello => {
            if mode == Mode::Legacy {
                return None;
            }
            let note = if boot.confirmed { Note::Runs(boot.image.hash) } else { Note::Nothing };
            (UpMessage::Hello(hello(boot, timestamp)), note)
        }
    })
}

/// An old board says SUCCESS when it has verified the image, and nothing of what comes after.
fn result(
    outcome: Outcome,
    reason: &Reason,
    image: Option<Sha256Hash>,
    mode: Mode,
) -> Option<(ResultStatus, Note)> {
    let failed = |rolled_back| Note::Failed { reason: reason_kind(reason).to_owned(), rolled_back };
    let legacy = mode == Mode::Legacy;
    Some(match outcome {
        Outcome::Success => {
            (ResultStatus::Success, image.filter(|_| legacy).map_or(Note::Nothing, Note::Runs))
        }
        Outcome::Installed | Outcome::RolledBack if legacy => return None,
        Outcome::Installed => (ResultStatus::Installed, Note::Nothing),
        Outcome::Error if *reason == Reason::Superseded => (ResultStatus::Error, Note::Nothing),
        Outcome::Error => (ResultStatus::Error, failed(false)),
        Outcome::Timeout => (ResultStatus::Timeout, failed(false)),
        Outcome::RolledBack => (ResultStatus::RolledBack, failed(true)),
    })
}

/// A reason without the numbers in it: a row of the report.
fn reason_kind(reason: &Reason) -> &'static str {
    match reason {
        Reason::Verified | Reason::AlreadyRuns | Reason::Installed => "none",
        Reason::HashMismatch { .. } => "wrong hash",
        Reason::Refused { status: 403 } => "download refused (403)",
        Reason::Refused { status: 404 } => "download refused (404)",
        Reason::Refused { .. } => "download refused",
        Reason::NoProgress { .. } => "no progress",
        Reason::SlotFailed | Reason::StateFailed => "flash",
        Reason::Superseded => "superseded",
        Reason::NotConfirmed => "rolled back",
    }
}

fn hello(boot: &BootReport, timestamp: Option<DeviceTime>) -> Hello {
    Hello {
        protocol: Hello::PROTOCOL,
        agent: Some(concat!("argosy-sim/", env!("CARGO_PKG_VERSION")).to_owned()),
        capabilities: vec![capability::BOOT_CONFIRM.to_owned()],
        boot: Some(BootInfo {
            slot: Some(boot.slot.name().to_owned()),
            version: FirmwareVersion::new(boot.image.version.as_str()).ok(),
            image_hash: Some(boot.image.hash),
            confirmed: boot.confirmed,
            reset_reason: Some(
                if boot.rolled_back_from.is_some() { "rollback" } else { "power-on" }.to_owned(),
            ),
            rolled_back_from: boot.rolled_back_from.map(|image| image.hash),
        }),
        command_id: CommandId::new(boot.command.as_str()).ok(),
        timestamp,
    }
}

/// A device's health, made up: steady, and different from device to device.
pub(crate) fn status(
    version: &Version,
    shown: Option<&ContentSet>,
    seed: u64,
    uptime_s: u64,
    time: DeviceTime,
) -> UpMessage {
    let shown = shown.map_or(&[][..], ContentSet::files);
    let percent = |shift: u32| f64::from((seed >> shift) as u8 % 60) + 10.0;
    UpMessage::StatusSystem(StatusSystem {
        firmware_version: FirmwareVersion::new(version.as_str()).ok(),
        advertisements: Some(shown.iter().map(|file| ShownFile { id: ArtifactId(file.id) }).collect()),
        system: Some(SystemHealth {
            cpu_usage: Some(CpuUsage { core_0: Some(percent(0)), core_1: Some(percent(8)) }),
            memory_usage: Some(percent(16)),
            storage_usage: Some(percent(24)),
            uptime: Some(uptime_s),
        }),
        network: Some(NetworkHealth {
            connection_type: Some("wifi".to_owned()),
            signal_strength: Some(-percent(32)),
            local_ip: Some("192.168.0.10".to_owned()),
            gateway_ip: Some("192.168.0.1".to_owned()),
        }),
        timestamp: Some(time),
    })
}
