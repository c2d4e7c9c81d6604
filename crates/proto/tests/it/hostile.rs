//! What no honest device sends: it is refused with a reason that an operator understands, and that repeats no value.

use argosy_proto::message::*;
use argosy_proto::{
    ArtifactId, CommandId, DecodeError, DeviceTime, DownMessage, DownTopic, EncodeError, Sha256Hash,
    StreamName, UpMessage, UpTopic, decode_down, decode_up,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn why(topic: UpTopic, payload: &[u8]) -> String {
    decode_up(&topic, payload).expect_err("refused").to_string()
}

fn why_json(topic: UpTopic, payload: Value) -> String {
    why(topic, payload.to_string().as_bytes())
}

fn data() -> UpTopic {
    UpTopic::Data { stream: StreamName::new("s").unwrap() }
}

#[test]
fn what_is_not_an_object_is_refused_whatever_the_topic() {
    let topics = UpTopic::FIXED.into_iter().chain([data()]);
    for topic in topics {
        assert_eq!(why(topic.clone(), b""), "the payload ends before its JSON is complete");
        assert_eq!(why(topic.clone(), b"{\"a\":"), "the payload ends before its JSON is complete");
        assert_eq!(why(topic.clone(), b"hello"), "the payload is not JSON (line 1, column 1)");
        assert_eq!(why(topic.clone(), b"{} {}"), "the payload is not JSON (line 1, column 4)");
        assert_eq!(why(topic.clone(), b"{\"a\":\"\xff\"}"), "the payload is not JSON (line 1, column 7)");
        for text in ["[]", "1", "null", "\"x\""] {
            assert_eq!(why(topic.clone(), text.as_bytes()), "the payload is not a JSON object", "{text}");
        }
        let large = vec![b' '; limits::UP_PAYLOAD + 1];
        assert_eq!(why(topic.clone(), &large), "the payload has 65537 bytes; at most 65536 are accepted");
        let deep = "{\"a\":".repeat(10_000);
        assert!(matches!(decode_up(&topic, deep.as_bytes()), Err(DecodeError::NotJson { .. })));
    }
}

#[test]
fn the_reason_names_the_field_and_the_rule() {
    let id = "a command id: FW-, AD- or CM- and at most 61 of A-Z a-z 0-9 _ . -";
    let update = |extra: Value| {
        let mut payload = json!({"command_id": "FW-1-1-1"});
        payload.as_object_mut().unwrap().append(&mut extra.as_object().unwrap().clone());
        payload
    };
    for (topic, payload, reason) in [
        (UpTopic::Progress, json!({}), "field command_id: it is missing".to_owned()),
        (UpTopic::Progress, json!({"command_id": null}), "field command_id: it is missing".to_owned()),
        (UpTopic::Progress, json!({"command_id": 7}), format!("field command_id: expected {id}")),
        (UpTopic::Result, json!({"command_id": "XX-1"}), format!("field command_id: expected {id}")),
        (UpTopic::UpdateAck, update(json!({})), "field status: it is missing".to_owned()),
        (
            UpTopic::UpdateAck,
            update(json!({"status": "acknowledged"})),
            "field status: expected ACKNOWLEDGED or REJECTED".to_owned(),
        ),
        (
            UpTopic::Result,
            update(json!({"status": "DONE"})),
            "field status: expected SUCCESS, ERROR, FAILED, TIMEOUT, INSTALLED or ROLLED_BACK".to_owned(),
        ),
        (
            UpTopic::StatusSystem,
            json!({"advertisements": 1}),
            "field advertisements: expected a list".to_owned(),
        ),
        (
            UpTopic::StatusSystem,
            json!({"advertisements": [{"id": 1}, 2]}),
            "field advertisements[1]: expected an object".to_owned(),
        ),
        (
            UpTopic::StatusSystem,
            json!({"advertisements": [{"id": "one"}]}),
            "field advertisements[0].id: expected a number".to_owned(),
        ),
        (
            UpTopic::StatusSystem,
            json!({"advertisements": vec![json!({"id": 1}); limits::SHOWN_FILES + 1]}),
            "field advertisements: more than 1000 entries".to_owned(),
        ),
        (
            UpTopic::Hello,
            json!({"boot": {"image_hash": "ab"}}),
            "field boot.image_hash: expected a SHA-256 hash of 64 hexadecimal digits".to_owned(),
        ),
        (UpTopic::Hello, json!({"boot": "B"}), "field boot: expected an object".to_owned()),
        (
            UpTopic::Hello,
            json!({"capabilities": vec!["c"; limits::CAPABILITIES + 1]}),
            "field capabilities: more than 32 entries".to_owned(),
        ),
        (data(), json!({"a": {"b": 1}}), "field a: expected a number, a text or a boolean".to_owned()),
        (data(), json!({"timestamp": "now"}), "field (row): expected at least one value".to_owned()),
        (
            data(),
            json!({"": 1}),
            "field (name): expected a text that is not empty and has no control characters".to_owned(),
        ),
        (data(), json!({"n".repeat(65): 1}), "field (name): longer than 64 characters".to_owned()),
    ] {
        assert_eq!(why_json(topic, payload), reason);
    }
    let wide: Value = (0..=limits::COLUMNS).map(|i| (format!("c{i}"), json!(i))).collect();
    assert_eq!(why_json(data(), wide), "field (row): more than 64 entries");
}

#[test]
fn codes_and_requests_are_in_no_error_and_no_debug_text() {
    const SECRET: &str = "s3cr3t\n";
    for payload in [
        json!({ "auth_key": SECRET }),
        json!({ "auth_key": [SECRET] }),
        json!({ "auth_key": {SECRET: 1} }),
        json!({ "auth_key": SECRET.repeat(100) }),
        json!({ SECRET: 1 }),
    ] {
        assert!(!why_json(UpTopic::Regist, payload).contains("s3cr3t"));
    }
    assert!(!why_json(UpTopic::Regist, json!({"auth_key": 98_765_432_u32})).contains("98765432"));
    assert!(!why_json(UpTopic::CertRequest, json!({"csr": SECRET.repeat(10_000)})).contains("s3cr3t"));
    assert!(!why(UpTopic::Regist, b"{\"auth_key\": s3cr3t}").contains("s3cr3t"));

    let regist = decode_up(&UpTopic::Regist, br#"{"device_name":"d","auth_key":"004217"}"#).unwrap();
    assert!(!format!("{regist:?}").contains("4217"));
    let request = decode_up(&UpTopic::CertRequest, br#"{"csr":"s3cr3t"}"#).unwrap();
    assert!(!format!("{request:?}").contains("s3cr3t"));
    let url = SignedUrl::new("https://ota.example.com/d/9?sig=s3cr3t", 5);
    assert_eq!(format!("{url:?}"), "SignedUrl(https://ota.example.com/d/9?…, 5 min)");
}

#[test]
fn a_device_refuses_a_request_that_makes_no_sense() {
    let request = |file: Value| {
        let content = json!({"signed_url": {"url": "https://h/1", "timeout": 5}, "file_info": file});
        let payload =
            json!({"command_id": "FW-1-1-1", "content": content, "timestamp": "2025-07-03T10:30:45Z"});
        decode_down(DownTopic::UpdateFirmware, payload.to_string().as_bytes()).map_err(|e| e.to_string())
    };
    let hash = "0".repeat(64);
    assert!(request(json!({"id": 1, "file_hash": hash, "size": 1})).is_ok());
    let range = "expected a whole number from 1 to 2147483647";
    for size in [json!(0), json!(-1), json!(2_147_483_648_u32), json!(1.5), json!(1e300), json!("10")] {
        let file = json!({"id": 1, "file_hash": hash, "size": size});
        assert_eq!(request(file), Err(format!("field content.file_info.size: {range}")), "{size}");
        let file = json!({"id": size, "file_hash": hash, "size": 1});
        assert_eq!(request(file), Err(format!("field content.file_info.id: {range}")), "{size}");
    }
    assert_eq!(request(json!({})), Err("field content.file_info.id: it is missing".to_owned()));

    let ok = decode_down(DownTopic::CertAck, br#"{"status":"OK"}"#).map_err(|e| e.to_string());
    assert_eq!(ok, Err("field client_ca: it is missing".to_owned()));
}

#[test]
fn what_a_device_could_not_take_is_not_sent() {
    let message = |id, size, files| {
        let file_info = FileInfo { id: ArtifactId(id), file_hash: Sha256Hash([0; 32]), size };
        let file = ContentFile { signed_url: SignedUrl::new("https://h/1", 1), file_info };
        DownMessage::UpdateAdvertisement(UpdateAdvertisement {
            command_id: CommandId::new("AD-1-1-1").unwrap(),
            contents: vec![file; files],
            total_size: size,
            timestamp: DeviceTime::NO_CLOCK,
        })
        .encode()
    };
    assert!(message(1, 1, limits::FILES).is_ok());
    assert_eq!(message(0, 1, 1), Err(EncodeError::FileOutOfRange));
    assert_eq!(message(-1, 1, 1), Err(EncodeError::FileOutOfRange));
    assert_eq!(message(i64::MAX, 1, 1), Err(EncodeError::FileOutOfRange));
    assert_eq!(message(1, 0, 1), Err(EncodeError::FileOutOfRange));
    assert_eq!(message(1, 1 << 31, 1), Err(EncodeError::FileOutOfRange));
    assert_eq!(message(1, 1, limits::FILES + 1), Err(EncodeError::TooManyFiles(limits::FILES)));

    let log = "x".repeat(limits::UP_PAYLOAD);
    let log = UpMessage::StatusErrorLog(ErrorLog { error_tag: String::new(), log, timestamp: None });
    assert!(matches!(log.encode(), Err(EncodeError::TooLarge { .. })));
    for name in ["timestamp", "", "a\0"] {
        let values = [(name.to_owned(), DataValue::Int(1))].into_iter().collect();
        let row = DataRow { values, timestamp: None };
        let message = UpMessage::Data { stream: StreamName::new("s").unwrap(), row };
        assert!(matches!(message.encode(), Err(EncodeError::BadRow { .. })), "{name:?}");
    }
}

#[test]
fn an_address_works_for_at_least_five_minutes() {
    assert_eq!(SignedUrl::new("https://h/1", 0).timeout, 5);
    assert_eq!(SignedUrl::new("https://h/1", 60).timeout, 60);
}

/// JSON with the protocol's own field names, so that it gets past the first field.
fn near_payload() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec![
            "FW-1-1-1",
            "CM-1",
            "SUCCESS",
            "ACKNOWLEDGED",
            "OK",
            "ok",
            "2025-07-03T10:30:45Z"
        ])
        .prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "command_id",
        "status",
        "content",
        "contents",
        "signed_url",
        "file_info",
        "url",
        "timeout",
        "id",
        "file_hash",
        "size",
        "timestamp",
        "progress",
        "downloaded_bytes",
        "total_bytes",
        "boot",
        "image_hash",
        "confirmed",
        "capabilities",
        "name",
        "args",
        "auth_key",
        "csr",
        "log",
        "type",
        "advertisements",
        "system",
        "network",
        "time",
        "x",
        "a\0b",
    ]);
    leaf.prop_recursive(4, 32, 8, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn read_by_every_decoder(payload: &[u8]) {
    for topic in UpTopic::FIXED.into_iter().chain([data()]) {
        let _ = decode_up(&topic, payload).map(|message| format!("{message:?}"));
    }
    for topic in DownTopic::ALL {
        let _ = decode_down(topic, payload).map(|message| format!("{message:?}"));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        read_by_every_decoder(&payload);
    }

    #[test]
    fn no_json_makes_a_decoder_panic(payload in near_payload()) {
        read_by_every_decoder(payload.to_string().as_bytes());
    }
}
