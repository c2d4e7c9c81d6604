//! What a message says as a fact: the row of the series store.

use argosy_domain::Timestamp;
use argosy_domain::model::{DownloadStep, Event, Fact, NoteTopic, SeriesRow, StatusSample, StreamSample};
use argosy_proto::message::{
    AckStatus, CommandResponse, CommandStatus, ResultStatus, StatusSystem, UpdateResult,
};
use argosy_proto::{DeploymentId, DeviceId, UpMessage};

/// The row of a message that is nothing but a fact; `None` for one that moves something.
pub(super) fn fact_of(device: DeviceId, message: UpMessage, at: Timestamp) -> Option<SeriesRow> {
    let device_time = message.device_time().map(|time| Timestamp(time.unix_ms()));
    let fact = match message {
        UpMessage::StatusSystem(status) => Fact::Status(sample(status)),
        UpMessage::Data { stream, row } => Fact::Data(StreamSample { stream, values: row.values }),
        UpMessage::StatusErrorLog(log) => Fact::Event(Event::Log { tag: log.error_tag, text: log.log }),
        UpMessage::SalesData(sale) => Fact::Event(Event::Sale { item: sale.kind, variety: sale.sub_type }),
        UpMessage::Test(test) => note(NoteTopic::Test, None, None, test.message),
        UpMessage::CancelAck(ack) => {
            note(NoteTopic::CancelAck, Some(ack.command_id.to_string()), Some(ack.status), String::new())
        }
        UpMessage::CommandResponse(response) => answer(response),
        UpMessage::UpdateAck(_)
        | UpMessage::Progress(_)
        | UpMessage::Result(_)
        | UpMessage::Regist(_)
        | UpMessage::CertRequest(_)
        | UpMessage::Hello(_) => return None,
    };
    Some(SeriesRow { device, at, device_time, fact })
}

fn note(topic: NoteTopic, command_id: Option<String>, status: Option<String>, text: String) -> Fact {
    Fact::Event(Event::Note { topic, command_id, status, text })
}

fn answer(response: CommandResponse) -> Fact {
    let status = match response.status {
        CommandStatus::Ok => "ok",
        CommandStatus::Error => "error",
        CommandStatus::Rejected => "rejected",
    };
    let text = match (response.result, response.message) {
        (Some(result), _) => result.to_string(),
        (None, message) => message.unwrap_or_default(),
    };
    let command = Some(response.command_id.to_string());
    note(NoteTopic::CommandResponse, command, Some(status.to_owned()), text)
}

fn sample(status: StatusSystem) -> StatusSample {
    let system = status.system.unwrap_or_default();
    let cpu = system.cpu_usage.unwrap_or_default();
    let network = status.network.unwrap_or_default();
    StatusSample {
        cpu_0: cpu.core_0,
        cpu_1: cpu.core_1,
        memory: system.memory_usage,
        storage: system.storage_usage,
        uptime: system.uptime,
        signal: network.signal_strength,
        connection: network.connection_type,
        local_ip: network.local_ip,
        gateway_ip: network.gateway_ip,
        firmware_version: status.firmware_version.map(|version| version.as_str().to_owned()),
        advertisements: status.advertisements.map(|files| files.iter().map(|file| file.id.get()).collect()),
    }
}

/// What a message says of the download of a deployment.
pub(super) fn download_of(
    device: DeviceId,
    deployment: DeploymentId,
    message: &UpMessage,
    at: Timestamp,
) -> Option<SeriesRow> {
    let nothing = |step| Event::Download {
        deployment,
        step,
        bytes: None,
        percent: None,
        speed_kbps: None,
        download_ms: None,
        message: None,
    };
    let event = match message {
        UpMessage::UpdateAck(ack) => {
            let step = match ack.status {
                AckStatus::Acknowledged => DownloadStep::Acknowledged,
                AckStatus::Rejected => DownloadStep::Rejected,
            };
            with_message(nothing(step), ack.message.clone())
        }
        UpMessage::Progress(progress) => Event::Download {
            deployment,
            step: DownloadStep::Progress,
            bytes: progress.downloaded_bytes.and_then(|bytes| i64::try_from(bytes).ok()),
            percent: Some(progress.progress.min(100)),
            speed_kbps: progress.speed_kbps,
            download_ms: None,
            message: None,
        },
        UpMessage::Result(result) => with_result(nothing(step_of(result.status)), result),
        _ => return None,
    };
    let device_time = message.device_time().map(|time| Timestamp(time.unix_ms()));
    Some(SeriesRow { device, at, device_time, fact: Fact::Event(event) })
}

const fn step_of(status: ResultStatus) -> DownloadStep {
    match status {
        ResultStatus::Success => DownloadStep::Downloaded,
        ResultStatus::Installed => DownloadStep::Installed,
        ResultStatus::RolledBack => DownloadStep::RolledBack,
        ResultStatus::Error | ResultStatus::Failed => DownloadStep::Failed,
        ResultStatus::Timeout => DownloadStep::TimedOut,
    }
}

fn with_message(mut event: Event, text: Option<String>) -> Event {
    if let Event::Download { message, .. } = &mut event {
        *message = text;
    }
    event
}

fn with_result(event: Event, result: &UpdateResult) -> Event {
    let mut event = with_message(event, result.message.clone());
    if let Event::Download { download_ms, .. } = &mut event {
        *download_ms = result.download_ms;
    }
    event
}

/// A request was handed to a device's connection.
pub(crate) fn dispatched(device: DeviceId, deployment: DeploymentId, at: Timestamp) -> SeriesRow {
    let event = Event::Download {
        deployment,
        step: DownloadStep::Dispatched,
        bytes: None,
        percent: None,
        speed_kbps: None,
        download_ms: None,
        message: None,
    };
    SeriesRow { device, at, device_time: None, fact: Fact::Event(event) }
}

/// A device came or went.
pub(super) fn presence(device: DeviceId, online: bool, at: Timestamp) -> SeriesRow {
    SeriesRow { device, at, device_time: None, fact: Fact::Event(Event::Presence { online }) }
}
