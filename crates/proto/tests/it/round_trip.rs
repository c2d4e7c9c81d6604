//! What is written is read back the same, for every message.

use argosy_proto::message::*;
use argosy_proto::{
    ArtifactId, CommandId, DeploymentId, DeviceId, DeviceTime, DownMessage, FirmwareVersion, Sha256Hash,
    StreamName, UpMessage, UpdateCommandId, UpdateKind, decode_down, decode_up,
};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

fn command() -> impl Strategy<Value = CommandId> {
    "(FW|AD|CM)-[A-Za-z0-9_.-]{1,61}".prop_map(|text| CommandId::new(text).unwrap())
}

fn time() -> impl Strategy<Value = DeviceTime> {
    prop_oneof![
        Just(DeviceTime::NO_CLOCK),
        (0..4_102_444_800_i64).prop_map(|s| DeviceTime::from_unix_ms(s * 1000)),
        any::<i64>().prop_map(DeviceTime::from_unix_ms),
    ]
}

fn hash() -> impl Strategy<Value = Sha256Hash> {
    any::<[u8; 32]>().prop_map(Sha256Hash)
}

/// Text of up to 64 characters; NUL is replaced when it is read.
fn prose() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..64)
        .prop_map(|chars| chars.into_iter().filter(|c| *c != '\0').collect())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z][a-z0-9_]{0,63}", "\\PC{1,64}"]
        .prop_filter("a name", |text: &String| !text.chars().any(char::is_control))
}

fn version() -> impl Strategy<Value = FirmwareVersion> {
    name().prop_map(|text| FirmwareVersion::new(text).unwrap())
}

/// Numbers of up to 15 digits, which every JSON parser reads exactly.
fn number() -> impl Strategy<Value = f64> {
    (-1_000_000_000_000_i64..1_000_000_000_000).prop_map(|n| n as f64 / 1000.0)
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        number().prop_map(Value::from),
        prose().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prose(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn url() -> impl Strategy<Value = SignedUrl> {
    ("https://[a-z.]{1,40}/[a-z0-9]{0,40}\\?sig=[a-zA-Z0-9%]{0,200}", any::<u32>())
        .prop_map(|(url, minutes)| SignedUrl::new(url, minutes))
}

fn file() -> impl Strategy<Value = FileInfo> {
    (1..=i64::from(i32::MAX), hash(), 1..=i32::MAX as u64).prop_map(|(id, file_hash, size)| FileInfo {
        id: ArtifactId(id),
        file_hash,
        size,
    })
}

fn firmware() -> impl Strategy<Value = DownMessage> {
    let delta = (hash(), name(), url(), file()).prop_map(|(from_hash, format, signed_url, file_info)| {
        DeltaOffer { from_hash, format, signed_url, file_info }
    });
    let content =
        (url(), file(), of(version()), of("[A-Za-z0-9+/]{1,100}={0,2}"), prop::collection::vec(delta, 0..3))
            .prop_map(|(signed_url, file_info, version, manifest, delta)| FirmwareContent {
                signed_url,
                file_info,
                version,
                manifest,
                delta,
            });
    (command(), content, time()).prop_map(|(command_id, content, timestamp)| {
        DownMessage::UpdateFirmware(UpdateFirmware { command_id, content, timestamp })
    })
}

fn advertisement() -> impl Strategy<Value = DownMessage> {
    let content = (url(), file()).prop_map(|(signed_url, file_info)| ContentFile { signed_url, file_info });
    (command(), prop::collection::vec(content, 0..5), any::<u64>(), time()).prop_map(
        |(command_id, contents, total_size, timestamp)| {
            DownMessage::UpdateAdvertisement(UpdateAdvertisement {
                command_id,
                contents,
                total_size,
                timestamp,
            })
        },
    )
}

fn down() -> impl Strategy<Value = DownMessage> {
    let cancel = (command(), prose(), time()).prop_map(|(command_id, reason, timestamp)| {
        DownMessage::UpdateCancel(UpdateCancel { command_id, reason, timestamp })
    });
    let regist = (select(RegistStatus::ALL), time(), of(prose()), of(any::<u32>())).prop_map(
        |(status, timestamp, message, retry_after_s)| {
            DownMessage::RegistAck(RegistAck { status, timestamp, message, retry_after_s })
        },
    );
    let issued = ("[A-Z\n]{1,80}", "[A-Z\n]{1,80}").prop_map(|(root, client)| CertAck {
        status: CertStatus::Ok,
        root_ca: Some(root),
        client_ca: Some(client),
        message: None,
    });
    let refused = ("[A-Z_]{3,40}", of(prose())).prop_map(|(code, message)| CertAck {
        status: CertStatus::Refused(code),
        root_ca: None,
        client_ca: None,
        message,
    });
    let limits = (of(any::<u32>()), of(any::<u32>())).prop_map(|(payload, messages)| HelloLimits {
        max_payload_bytes: payload,
        max_messages_per_minute: messages,
    });
    let hello = (time(), of(any::<u32>()), of(limits)).prop_map(|(time, reconnect_jitter_s, limits)| {
        DownMessage::HelloAck(HelloAck { time, reconnect_jitter_s, limits })
    });
    let request =
        (command(), name(), of(json()), of(time())).prop_map(|(command_id, name, args, expires_at)| {
            DownMessage::CommandRequest(CommandRequest { command_id, name, args, expires_at })
        });
    prop_oneof![
        firmware(),
        advertisement(),
        cancel,
        regist,
        prop_oneof![issued, refused].prop_map(DownMessage::CertAck),
        hello,
        request,
    ]
}

fn update_reports() -> impl Strategy<Value = UpMessage> {
    let ack = (command(), select(AckStatus::ALL), of(prose()), of(time())).prop_map(
        |(command_id, status, message, timestamp)| {
            UpMessage::UpdateAck(UpdateAck { command_id, status, message, timestamp })
        },
    );
    let progress = (command(), 0..=100_u8, of(any::<u64>()), of(any::<u64>()), of(number()), of(time()))
        .prop_map(|(command_id, progress, downloaded_bytes, total_bytes, speed_kbps, timestamp)| {
            UpMessage::Progress(Progress {
                command_id,
                progress,
                downloaded_bytes,
                total_bytes,
                speed_kbps,
                timestamp,
            })
        });
    let result =
        (command(), select(ResultStatus::ALL), of(prose()), of(any::<bool>()), of(any::<u64>()), of(time()))
            .prop_map(|(command_id, status, message, checksum_verified, download_ms, timestamp)| {
                UpMessage::Result(UpdateResult {
                    command_id,
                    status,
                    message,
                    checksum_verified,
                    download_ms,
                    timestamp,
                })
            });
    let cancel = (command(), prose(), of(time())).prop_map(|(command_id, status, timestamp)| {
        UpMessage::CancelAck(CancelAck { command_id, status, timestamp })
    });
    prop_oneof![ack, progress, result, cancel]
}

fn status() -> impl Strategy<Value = UpMessage> {
    let cpu = (of(number()), of(number())).prop_map(|(core_0, core_1)| CpuUsage { core_0, core_1 });
    let system = (of(cpu), of(number()), of(number()), of(any::<u64>())).prop_map(
        |(cpu_usage, memory_usage, storage_usage, uptime)| SystemHealth {
            cpu_usage,
            memory_usage,
            storage_usage,
            uptime,
        },
    );
    let network = (of(prose()), of(number()), of(prose()), of(prose())).prop_map(
        |(connection_type, signal_strength, local_ip, gateway_ip)| NetworkHealth {
            connection_type,
            signal_strength,
            local_ip,
            gateway_ip,
        },
    );
    let shown = prop::collection::vec(any::<i64>().prop_map(|id| ShownFile { id: ArtifactId(id) }), 0..5);
    (of(version()), of(shown), of(system), of(network), of(time())).prop_map(
        |(firmware_version, advertisements, system, network, timestamp)| {
            UpMessage::StatusSystem(StatusSystem {
                firmware_version,
                advertisements,
                system,
                network,
                timestamp,
            })
        },
    )
}

fn facts() -> impl Strategy<Value = UpMessage> {
    let log = (prose(), prose(), of(time())).prop_map(|(error_tag, log, timestamp)| {
        UpMessage::StatusErrorLog(ErrorLog { error_tag, log, timestamp })
    });
    let sale = (prose(), of(prose()), of(time())).prop_map(|(kind, sub_type, timestamp)| {
        UpMessage::SalesData(SalesData { kind, sub_type, timestamp })
    });
    let regist = (prose(), name(), of(time())).prop_map(|(device_name, code, timestamp)| {
        UpMessage::Regist(Regist { device_name, auth_key: AuthKey::new(code), timestamp })
    });
    let cert = ("[A-Za-z0-9+/=\n-]{1,200}", of(time()))
        .prop_map(|(csr, timestamp)| UpMessage::CertRequest(CertRequest { csr, timestamp }));
    let test = (prose(), of(time()))
        .prop_map(|(message, timestamp)| UpMessage::Test(TestMessage { message, timestamp }));
    prop_oneof![log, sale, regist, cert, test, status()]
}

fn hello() -> impl Strategy<Value = UpMessage> {
    let boot = (of(prose()), of(version()), of(hash()), any::<bool>(), of(prose()), of(hash())).prop_map(
        |(slot, version, image_hash, confirmed, reset_reason, rolled_back_from)| BootInfo {
            slot,
            version,
            image_hash,
            confirmed,
            reset_reason,
            rolled_back_from,
        },
    );
    let capabilities = prop::collection::vec(name(), 0..4);
    (any::<u32>(), of(prose()), capabilities, of(boot), of(command()), of(time())).prop_map(
        |(protocol, agent, capabilities, boot, command_id, timestamp)| {
            UpMessage::Hello(Hello { protocol, agent, capabilities, boot, command_id, timestamp })
        },
    )
}

fn added() -> impl Strategy<Value = UpMessage> {
    let value = prop_oneof![
        any::<i64>().prop_map(DataValue::Int),
        number().prop_map(DataValue::Float),
        any::<bool>().prop_map(DataValue::Bool),
        prose().prop_map(DataValue::Text),
    ];
    let column = name().prop_filter("timestamp is no column", |name| name != "timestamp");
    let row = (prop::collection::btree_map(column, value, 1..8), of(time()))
        .prop_map(|(values, timestamp)| DataRow { values, timestamp });
    let data = ("[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", row)
        .prop_map(|(stream, row)| UpMessage::Data { stream: StreamName::new(stream).unwrap(), row });
    let response = (command(), select(CommandStatus::ALL), of(json()), of(prose())).prop_map(
        |(command_id, status, result, message)| {
            UpMessage::CommandResponse(CommandResponse { command_id, status, result, message })
        },
    );
    prop_oneof![data, response, hello()]
}

proptest! {
    #[test]
    fn messages_from_a_device_round_trip(message in prop_oneof![update_reports(), facts(), added()]) {
        let payload = message.encode().unwrap();
        prop_assert_eq!(decode_up(&message.topic(), &payload), Ok(message));
    }

    #[test]
    fn messages_to_a_device_round_trip(message in down()) {
        let payload = message.encode().unwrap();
        prop_assert_eq!(decode_down(message.topic(), &payload), Ok(message));
    }

    #[test]
    fn times_round_trip(time in time()) {
        prop_assert_eq!(time.to_string().parse(), Ok(time));
    }

    #[test]
    fn ids_of_updates_round_trip(
        kind in select(vec![UpdateKind::Firmware, UpdateKind::Advertisement]),
        deployment in 1..=i64::MAX, device in 1..=i64::MAX, attempt in 1..=u32::MAX,
    ) {
        let id = UpdateCommandId { kind, deployment: DeploymentId(deployment), device: DeviceId(device), attempt };
        let text = id.to_string();
        prop_assert_eq!(text.parse(), Ok(id));
        prop_assert_eq!(CommandId::new(text), Ok(id.command_id()));
    }

    #[test]
    fn what_reads_as_the_id_of_an_update_is_its_only_text(text in "(FW|AD|CM|fw)-[0-9+ -]{0,24}") {
        if let Ok(id) = text.parse::<UpdateCommandId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn the_order_of_versions_is_one(a in version(), b in version(), c in version()) {
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }

    #[test]
    fn versions_that_look_alike_have_one_order_too(
        texts in prop::array::uniform3("v?[0-9.a+-]{1,6}")
    ) {
        let mut versions = texts.map(|text| FirmwareVersion::new(text).unwrap());
        versions.sort();
        prop_assert!(versions[0] <= versions[1] && versions[1] <= versions[2] && versions[0] <= versions[2]);
    }
}
