//! Each file of `tests/golden` and the message it stands for, in both directions. See its README.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use argosy_proto::message::*;
use argosy_proto::{
    ArtifactId, CommandId, DeviceTime, DownMessage, FirmwareVersion, Sha256Hash, StreamName, UpMessage,
    decode_down, decode_up,
};
use serde_json::{Value, json};

const NOON: DeviceTime = DeviceTime::from_unix_ms(1_751_538_645_000);
const H1: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const H2: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const H3: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const FW: &str = "FW-12-345-1";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn read(name: &str) -> Vec<u8> {
    let path = folder().join(name).with_added_extension("json");
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn command(id: &str) -> CommandId {
    id.parse().unwrap()
}

fn hash(digits: &str) -> Sha256Hash {
    digits.parse().unwrap()
}

fn version(text: &str) -> Option<FirmwareVersion> {
    Some(text.parse().unwrap())
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn url(file: u32) -> SignedUrl {
    SignedUrl::new(format!("https://ota.example.com/d/{file}?device=7&exp=1751539245&sig=c2VjcmV0"), 10)
}

fn file(id: i64, digits: &str, size: u64) -> FileInfo {
    FileInfo { id: ArtifactId(id), file_hash: hash(digits), size }
}

fn firmware(id: &str, signed_url: SignedUrl, file_info: FileInfo, timestamp: DeviceTime) -> UpdateFirmware {
    let content = FirmwareContent { signed_url, file_info, version: None, manifest: None, delta: vec![] };
    UpdateFirmware { command_id: command(id), content, timestamp }
}

fn down() -> Vec<(&'static str, DownMessage)> {
    let plain = firmware(FW, url(9), file(9, H1, 1_572_864), NOON);
    let mut full = firmware(
        "FW-12-345-2",
        url(9),
        file(2_147_483_647, H1, 2_147_483_647),
        DeviceTime::from_unix_ms(NOON.unix_ms() + 250),
    );
    full.content.version = version("1.4.0-rc.1");
    full.content.manifest = text("eyJ2IjoxfQ==");
    full.content.delta = vec![DeltaOffer {
        from_hash: hash(H2),
        format: "bsdiff-heatshrink".to_owned(),
        signed_url: url(10),
        file_info: file(10, H3, 20_480),
    }];
    let tolerated =
        firmware(FW, SignedUrl::new("https://ota.example.com/d/9", 10), file(9, H1, 1_572_864), NOON);
    let advertisement = UpdateAdvertisement {
        command_id: command("AD-3-345-1"),
        contents: vec![
            ContentFile { signed_url: url(21), file_info: file(21, H1, 409_604) },
            ContentFile { signed_url: url(22), file_info: file(22, H2, 409_604) },
        ],
        total_size: 819_208,
        timestamp: NOON,
    };
    let cancel = UpdateCancel {
        command_id: command(FW),
        reason: "The deployment was canceled.".to_owned(),
        timestamp: NOON,
    };
    let registered =
        RegistAck { status: RegistStatus::Ok, timestamp: NOON, message: None, retry_after_s: None };
    let locked = RegistAck {
        status: RegistStatus::Locked,
        timestamp: NOON,
        message: text("Too many wrong codes."),
        retry_after_s: Some(900),
    };
    let issued =
        CertAck { status: CertStatus::Ok, root_ca: text(PEM), client_ca: Some(PEM.repeat(2)), message: None };
    let refused = CertAck {
        status: CertStatus::Refused("BAD_CSR".to_owned()),
        root_ca: None,
        client_ca: None,
        message: text("The request's signature is wrong."),
    };
    let limits = HelloLimits { max_payload_bytes: Some(65_536), max_messages_per_minute: Some(120) };
    let hello = HelloAck { time: NOON, reconnect_jitter_s: Some(30), limits: Some(limits) };
    let reboot = CommandRequest {
        command_id: command("CM-77"),
        name: "reboot".to_owned(),
        args: Some(json!({"delay_s": 5, "reason": "operator"})),
        expires_at: Some(DeviceTime::from_unix_ms(NOON.unix_ms() + 300_000)),
    };
    vec![
        ("down/update_firmware.base", DownMessage::UpdateFirmware(plain)),
        ("down/update_firmware.added", DownMessage::UpdateFirmware(full)),
        ("down/update_firmware.tolerated", DownMessage::UpdateFirmware(tolerated)),
        ("down/update_advertisement.base", DownMessage::UpdateAdvertisement(advertisement)),
        ("down/update_cancel.base", DownMessage::UpdateCancel(cancel)),
        ("down/regist_ack.base", DownMessage::RegistAck(registered)),
        ("down/regist_ack.added", DownMessage::RegistAck(locked)),
        ("down/cert_ack.base", DownMessage::CertAck(issued)),
        ("down/cert_ack.added", DownMessage::CertAck(refused)),
        ("down/hello_ack.added", DownMessage::HelloAck(hello)),
        ("down/command_request.added", DownMessage::CommandRequest(reboot)),
    ]
}

fn updates() -> Vec<(&'static str, UpMessage)> {
    let command_id = command(FW);
    let timestamp = Some(NOON);
    let acknowledged =
        UpdateAck { command_id: command(FW), status: AckStatus::Acknowledged, message: None, timestamp };
    let rejected =
        UpdateAck { status: AckStatus::Rejected, message: text("battery too low"), ..acknowledged.clone() };
    let progress = Progress {
        command_id: command(FW),
        progress: 37,
        downloaded_bytes: Some(581_959),
        total_bytes: Some(1_572_864),
        speed_kbps: Some(812.5),
        timestamp,
    };
    let odd_progress = Progress {
        progress: 100,
        downloaded_bytes: Some(0),
        speed_kbps: None,
        timestamp: None,
        ..progress.clone()
    };
    let success = UpdateResult {
        command_id: command(FW),
        status: ResultStatus::Success,
        message: text("Firmware update completed"),
        checksum_verified: Some(true),
        download_ms: Some(8_125_000),
        timestamp,
    };
    let rolled_back = UpdateResult {
        status: ResultStatus::RolledBack,
        message: text("watchdog"),
        checksum_verified: None,
        download_ms: None,
        ..success.clone()
    };
    let odd_result = UpdateResult {
        command_id: command("AD-3-345-1"),
        status: ResultStatus::Timeout,
        message: text("404"),
        checksum_verified: Some(false),
        download_ms: Some(12),
        timestamp: None,
    };
    let canceled = CancelAck { command_id, status: CancelAck::CANCELED.to_owned(), timestamp };
    vec![
        ("up/update_ack.base", UpMessage::UpdateAck(acknowledged)),
        ("up/update_ack.added", UpMessage::UpdateAck(rejected)),
        ("up/progress.base", UpMessage::Progress(progress)),
        ("up/progress.tolerated", UpMessage::Progress(odd_progress)),
        ("up/result.base", UpMessage::Result(success)),
        ("up/result.added", UpMessage::Result(rolled_back)),
        ("up/result.tolerated", UpMessage::Result(odd_result)),
        ("up/cancel_ack.base", UpMessage::CancelAck(canceled)),
    ]
}

fn facts() -> Vec<(&'static str, UpMessage)> {
    let timestamp = Some(NOON);
    let shown = |id| ShownFile { id: ArtifactId(id) };
    let status = StatusSystem {
        firmware_version: version("1.3.9"),
        advertisements: Some(vec![shown(21), shown(22)]),
        system: Some(SystemHealth {
            cpu_usage: Some(CpuUsage { core_0: Some(12.5), core_1: Some(40.0) }),
            memory_usage: Some(61.25),
            storage_usage: Some(33.0),
            uptime: Some(86_400),
        }),
        network: Some(NetworkHealth {
            connection_type: text("wifi"),
            signal_strength: Some(-61.0),
            local_ip: text("192.168.0.17"),
            gateway_ip: text("192.168.0.1"),
        }),
        timestamp,
    };
    let odd_status = StatusSystem {
        firmware_version: None,
        advertisements: Some(vec![shown(21)]),
        system: Some(SystemHealth {
            cpu_usage: None,
            memory_usage: Some(61.0),
            storage_usage: None,
            uptime: Some(86_400),
        }),
        network: None,
        timestamp: Some(DeviceTime::NO_CLOCK),
    };
    let log = ErrorLog {
        error_tag: "OTA".to_owned(),
        log: "esp_https_ota: connection reset".to_owned(),
        timestamp,
    };
    let sale = SalesData { kind: "coffee".to_owned(), sub_type: text("americano"), timestamp };
    let regist = Regist {
        device_name: "Lobby, left".to_owned(),
        auth_key: AuthKey::new("004217"),
        timestamp: Some(DeviceTime::NO_CLOCK),
    };
    let odd_regist = Regist { timestamp: None, ..regist.clone() };
    let csr = serde_json::from_slice::<Value>(&read("up/cert_request.base")).unwrap()["csr"].clone();
    let request = CertRequest { csr: csr.as_str().unwrap().to_owned(), timestamp };
    let test = TestMessage { message: "button pressed".to_owned(), timestamp };
    vec![
        ("up/status_system.base", UpMessage::StatusSystem(status)),
        ("up/status_system.tolerated", UpMessage::StatusSystem(odd_status)),
        ("up/status_error_log.base", UpMessage::StatusErrorLog(log)),
        ("up/sales_data.base", UpMessage::SalesData(sale)),
        ("up/regist.base", UpMessage::Regist(regist)),
        ("up/regist.tolerated", UpMessage::Regist(odd_regist)),
        ("up/cert_request.base", UpMessage::CertRequest(request)),
        ("up/test.base", UpMessage::Test(test)),
    ]
}

fn added() -> Vec<(&'static str, UpMessage)> {
    let hello = Hello {
        protocol: Hello::PROTOCOL,
        agent: text("argosy-agent/0.1.0"),
        capabilities: vec![capability::BOOT_CONFIRM.to_owned()],
        boot: Some(BootInfo {
            slot: text("B"),
            version: version("1.4.0"),
            image_hash: Some(hash(H1)),
            confirmed: true,
            reset_reason: text("software"),
            rolled_back_from: Some(hash(H2)),
        }),
        command_id: Some(command(FW)),
        timestamp: Some(NOON),
    };
    let bare_hello = Hello {
        protocol: 1,
        agent: None,
        capabilities: vec![],
        boot: None,
        command_id: None,
        timestamp: None,
    };
    let values = [
        ("temperature", DataValue::Float(21.5)),
        ("cups", DataValue::Int(1204)),
        ("door_open", DataValue::Bool(false)),
        ("mode", DataValue::Text("eco".to_owned())),
    ];
    let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let row = DataRow { values, timestamp: Some(NOON) };
    let odd_row = DataRow {
        values: [("cups".to_owned(), DataValue::Int(1204))].into_iter().collect(),
        timestamp: None,
    };
    let stream = || StreamName::new("machine").unwrap();
    let response = CommandResponse {
        command_id: command("CM-77"),
        status: CommandStatus::Ok,
        result: Some(json!({"uptime_s": 12, "log": ["a", "b"]})),
        message: text("rebooting"),
    };
    vec![
        ("up/hello.added", UpMessage::Hello(hello)),
        ("up/hello.tolerated", UpMessage::Hello(bare_hello)),
        ("up/data.added", UpMessage::Data { stream: stream(), row }),
        ("up/data.tolerated", UpMessage::Data { stream: stream(), row: odd_row }),
        ("up/command_response.added", UpMessage::CommandResponse(response)),
    ]
}

fn up() -> Vec<(&'static str, UpMessage)> {
    [updates(), facts(), added()].concat()
}

fn same_json(name: &str, written: &[u8]) {
    let written: Value = serde_json::from_slice(written).unwrap();
    let golden: Value = serde_json::from_slice(&read(name)).unwrap();
    assert_eq!(written, golden, "{name}");
}

#[test]
fn every_message_from_a_device_is_read_and_written_as_the_files_say() {
    for (name, message) in up() {
        assert_eq!(decode_up(&message.topic(), &read(name)).as_ref(), Ok(&message), "{name}");
        if !name.ends_with(".tolerated") {
            same_json(name, &message.encode().unwrap());
        }
    }
}

#[test]
fn every_message_to_a_device_is_read_and_written_as_the_files_say() {
    for (name, message) in down() {
        assert_eq!(decode_down(message.topic(), &read(name)).as_ref(), Ok(&message), "{name}");
        if !name.ends_with(".tolerated") {
            same_json(name, &message.encode().unwrap());
        }
    }
}

#[test]
fn every_file_is_used_and_every_topic_has_one() {
    let used: BTreeSet<String> = up()
        .iter()
        .map(|(name, _)| *name)
        .chain(down().iter().map(|(name, _)| *name))
        .map(str::to_owned)
        .collect();
    let mut files = BTreeSet::new();
    for direction in ["up", "down"] {
        for entry in fs::read_dir(folder().join(direction)).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            files.insert(format!("{direction}/{}", file.trim_end_matches(".json")));
        }
    }
    assert_eq!(files, used);

    let spoken: BTreeSet<_> = up().iter().map(|(_, message)| message.topic().kind()).collect();
    assert_eq!(spoken.len(), argosy_proto::UpTopic::FIXED.len() + 1, "one of each, and a data stream");
    let told: BTreeSet<_> = down().iter().map(|(_, message)| message.topic().kind()).collect();
    assert_eq!(told.len(), argosy_proto::DownTopic::ALL.len());
}

#[test]
fn a_message_knows_its_command_and_the_time_unless_the_device_has_no_clock() {
    for (name, message) in up() {
        let payload: Value = serde_json::from_slice(&read(name)).unwrap();
        let command = payload.get("command_id").and_then(Value::as_str);
        assert_eq!(message.command_id().map(CommandId::as_str), command, "{name}");
        let time = payload.get("timestamp").and_then(Value::as_str).filter(|t| *t == "2025-07-03T10:30:45Z");
        assert_eq!(message.device_time(), time.map(|_| NOON), "{name}");
    }
}
