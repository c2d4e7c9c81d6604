//! What buggy but honest devices send.

use argosy_proto::message::*;
use argosy_proto::{DecodeError, UpMessage, UpTopic, decode_up};
use serde_json::{Value, json};

fn up(topic: UpTopic, payload: Value) -> Result<UpMessage, DecodeError> {
    decode_up(&topic, payload.to_string().as_bytes())
}

fn progress(fields: Value) -> Progress {
    let mut payload = json!({"command_id": "FW-1-1-1"});
    payload.as_object_mut().unwrap().append(&mut fields.as_object().unwrap().clone());
    match up(UpTopic::Progress, payload) {
        Ok(UpMessage::Progress(progress)) => progress,
        other => panic!("{other:?}"),
    }
}

#[test]
fn progress_is_clamped_and_never_refused() {
    for (sent, read) in [
        (json!(0), 0),
        (json!(55), 55),
        (json!(100), 100),
        (json!(101), 100),
        (json!(u64::MAX), 100),
        (json!(1e300), 100),
        (json!(-3), 0),
        (json!(-1e300), 0),
        (json!(99.9), 99),
        (json!("42"), 42),
        (json!("42.7 "), 42),
        (json!("NaN"), 0),
        (json!("half"), 0),
        (json!(true), 0),
        (json!([1]), 0),
        (Value::Null, 0),
    ] {
        assert_eq!(progress(json!({ "progress": sent })).progress, read, "{sent}");
    }
    assert_eq!(progress(json!({})).progress, 0);
}

#[test]
fn progress_without_a_percentage_is_that_of_its_bytes() {
    assert_eq!(progress(json!({"downloaded_bytes": 50, "total_bytes": 200})).progress, 25);
    assert_eq!(progress(json!({"downloaded_bytes": 300, "total_bytes": 200})).progress, 100);
    assert_eq!(progress(json!({"downloaded_bytes": u64::MAX, "total_bytes": u64::MAX})).progress, 100);
    assert_eq!(progress(json!({"downloaded_bytes": 300, "total_bytes": 0})).progress, 0);
}

#[test]
fn a_time_that_cannot_be_read_is_not_said() {
    for sent in [json!("2025-07-03 10:30:45"), json!(1_751_538_645), json!(""), Value::Null, json!({})] {
        let message = up(UpTopic::Test, json!({"message": "m", "timestamp": sent})).unwrap();
        assert_eq!(message.device_time(), None, "{sent}");
    }
}

#[test]
fn prose_is_cut_between_characters_and_holds_no_nul() {
    let long = "가".repeat(limits::MESSAGE + 1);
    let Ok(UpMessage::Test(test)) = up(UpTopic::Test, json!({ "message": long })) else { panic!() };
    assert_eq!(test.message, "가".repeat(limits::MESSAGE));
    let Ok(UpMessage::Test(test)) = up(UpTopic::Test, json!({"message": "a\0b"})) else { panic!() };
    assert_eq!(test.message, "a\u{fffd}b");
    let response = json!({"command_id": "CM-1", "status": "ok", "result": {"a\0": ["\0"]}});
    let Ok(UpMessage::CommandResponse(response)) = up(UpTopic::CommandResponse, response) else { panic!() };
    assert_eq!(response.result, Some(json!({"a\u{fffd}": ["\u{fffd}"]})));
}

#[test]
fn a_status_that_says_nothing_about_contents_is_not_one_that_shows_none() {
    let shown = |payload| match up(UpTopic::StatusSystem, payload) {
        Ok(UpMessage::StatusSystem(status)) => status.advertisements,
        other => panic!("{other:?}"),
    };
    assert_eq!(shown(json!({})), None);
    assert_eq!(shown(json!({"advertisements": null})), None);
    assert_eq!(shown(json!({"advertisements": []})), Some(vec![]));
}

#[test]
fn a_code_sent_as_a_number_gets_its_zeros_back() {
    let Ok(UpMessage::Regist(regist)) = up(UpTopic::Regist, json!({"auth_key": 42})) else { panic!() };
    assert_eq!(regist.auth_key.expose(), "000042");
}

#[test]
fn a_boot_is_confirmed_only_if_it_says_so() {
    let boot = |boot| match up(UpTopic::Hello, json!({ "boot": boot })) {
        Ok(UpMessage::Hello(hello)) => hello.boot.map(|boot| boot.confirmed),
        other => panic!("{other:?}"),
    };
    assert_eq!(boot(json!({})), Some(false));
    assert_eq!(boot(json!({"confirmed": null})), Some(false));
    assert_eq!(boot(json!({"confirmed": true})), Some(true));
    assert!(up(UpTopic::Hello, json!({"boot": {"confirmed": "yes"}})).is_err());
}

#[test]
fn telemetry_keeps_the_kind_of_its_values() {
    let topic = UpTopic::Data { stream: argosy_proto::StreamName::new("s").unwrap() };
    let row =
        json!({"i": -5, "big": u64::MAX, "f": 1.0, "b": true, "t": "x", "none": null, "timestamp": "no"});
    let Ok(UpMessage::Data { row, .. }) = up(topic, row) else { panic!() };
    let values: Vec<_> = row.values.into_iter().collect();
    assert_eq!(
        values,
        [
            ("b".to_owned(), DataValue::Bool(true)),
            ("big".to_owned(), DataValue::Float(u64::MAX as f64)),
            ("f".to_owned(), DataValue::Float(1.0)),
            ("i".to_owned(), DataValue::Int(-5)),
            ("t".to_owned(), DataValue::Text("x".to_owned())),
        ]
    );
    assert_eq!(row.timestamp, None);
}
