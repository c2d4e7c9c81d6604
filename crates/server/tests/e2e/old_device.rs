//! A board of the older system: a decimal key, no certificate, base fields only. What it says is published by mosquitto_pub, a
//! connection for each message.

use serde_json::{Value, json};

use crate::harness::{Builder, Server, curl, image, until};

const TIME: &str = "2025-01-01T00:00:00Z";

fn says(server: &Server, topic: &str, payload: &Value) {
    let topic = format!("v1/42/{topic}");
    let payload = payload.to_string();
    server.mosquitto_plain("mosquitto_pub", "42").args(["-q", "1", "-t", &topic, "-m", &payload]).run().ok();
}

fn counts(server: &Server, id: i64) -> Value {
    server.deployment(id)["progress"]["by_state"].clone()
}

#[test]
fn an_old_board_is_brought_to_success_by_base_fields_alone() {
    let server = Builder::default().plain("1..100").start();
    server.product();
    server.register_plain(&["42"]);
    let bytes = image(128 * 1024, "2.0.0");
    let firmware = server.firmware("2.0.0", &bytes);
    // The board is away when the deployment is made.
    let id = server.deploy("2.0.0", json!({ "devices": ["42"] }), json!({}));

    let topic = "v1/42/update/request/firmware";
    let done = server
        .mosquitto_plain("mosquitto_sub", "42")
        .args(["-q", "1", "-t", topic, "-C", "1", "-F", "%t %r %p"])
        .run()
        .ok();
    let (said, payload) = done.out.split_once(" 0 ").expect("not retained");
    assert_eq!(said, topic);
    let request: Value = serde_json::from_str(payload).expect("JSON");
    let command = request["command_id"].as_str().expect("a command");
    assert!(command.starts_with("FW-"), "{request}");
    assert!(request["timestamp"].is_string(), "{request}");
    let file = &request["content"]["file_info"];
    assert_eq!((&file["file_hash"], &file["size"]), (&firmware["sha256"], &json!(bytes.len())));
    assert!(file["id"].as_i64().is_some_and(|id| (1..=i64::from(i32::MAX)).contains(&id)), "{request}");
    let signed = &request["content"]["signed_url"];
    assert!(signed["timeout"].as_u64().is_some_and(|minutes| minutes >= 5), "{request}");

    says(
        &server,
        "update/request/ack",
        &json!({
            "command_id": command, "status": "ACKNOWLEDGED", "timestamp": TIME,
        }),
    );
    assert_eq!(counts(&server, id), json!({ "acknowledged": 1 }));
    let url = signed["url"].as_str().expect("an address");
    assert!(url.starts_with(&format!("http://127.0.0.1:{}/", server.ports.http)), "{url}");
    assert!(curl(&[url]).expect(200).body == bytes);
    // As buggy boards do: the last progress twice, and beyond its end.
    for (percent, done) in
        [(50, bytes.len() / 2), (100, bytes.len()), (100, bytes.len()), (103, bytes.len() + 4096)]
    {
        says(
            &server,
            "update/progress",
            &json!({
                "command_id": command, "progress": percent, "downloaded_bytes": done, "total_bytes": bytes.len(),
                "speed_kbps": 512, "timestamp": TIME,
            }),
        );
        assert_eq!(counts(&server, id), json!({ "downloading": 1 }));
    }
    let success = json!({
        "command_id": command, "status": "SUCCESS", "message": "", "checksum_verified": true,
        "download_ms": 1_234_567, "timestamp": TIME,
    });
    says(&server, "update/result", &success);
    let ended = until("the rollout ends", || {
        let view = server.deployment(id);
        (view["state"] == "finished").then_some(view)
    });
    assert_eq!(ended["progress"]["by_state"], json!({ "succeeded": 1 }));
    assert_eq!(ended["progress"]["downloaded_bytes"], bytes.len(), "never more than there is");

    // Told again, it counts no second time; neither does what comes too late.
    says(&server, "update/result", &success);
    says(
        &server,
        "update/result",
        &json!({
            "command_id": command, "status": "FAILED", "message": "late", "timestamp": TIME,
        }),
    );
    assert_eq!(server.deployment(id)["progress"], ended["progress"]);
    let history = server.api.list("/devices/42/firmware-history");
    let updated = history.iter().filter(|entry| entry["kind"] == "updated").count();
    assert_eq!(updated, 1, "{history:?}");
    assert_eq!(server.device("42")["firmware_id"], firmware["id"]);
    assert_eq!(server.api.list("/dead-letters"), Vec::<Value>::new());
}

#[test]
fn what_a_board_says_of_a_command_that_nobody_gave_is_kept_as_a_dead_letter() {
    let server = Builder::default().plain("1..100").start();
    server.product();
    server.register_plain(&["42", "43"]);
    server.firmware("2.0.0", &image(4096, "2.0.0"));
    let id = server.deploy("2.0.0", json!({ "devices": ["43"] }), json!({}));
    let board = server.api.get("/devices/43").expect(200).json()["id"].clone();
    let result = |command: &str| json!({ "command_id": command, "status": "SUCCESS", "message": "", "timestamp": TIME });
    let of_another = format!("FW-{id}-{board}-1");
    for command in ["FW-no-such-thing", "FW-999-999-1", &of_another] {
        says(&server, "update/result", &result(command));
    }
    server
        .mosquitto_plain("mosquitto_pub", "42")
        .args(["-q", "1", "-t", "v1/42/update/result", "-m", "{not json"])
        .run()
        .ok();
    let letters = server.api.list("/dead-letters");
    assert_eq!(letters.len(), 4, "{letters:?}");
    for letter in &letters {
        assert_eq!((&letter["key"], &letter["topic"]), (&json!("42"), &json!("v1/42/update/result")));
        assert!(letter["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{letter}");
    }
    let kept = |text: &str| letters.iter().any(|l| l["payload"].as_str().is_some_and(|p| p.contains(text)));
    for text in ["FW-no-such-thing", "FW-999-999-1", of_another.as_str(), "{not json"] {
        assert!(kept(text), "{text}: {letters:?}");
    }
    // It did not end the update of the other device.
    assert_eq!(counts(&server, id), json!({ "pending": 1 }));
}

#[test]
fn the_plain_door_is_for_those_on_the_list_and_never_for_one_with_a_certificate() {
    let server = Builder::default().plain("1..100").start();
    server.product();
    server.register_plain(&["42", "101"]);
    server.enrol(&["7"]);
    let publish = |id: &str, topic: &str| {
        server
            .mosquitto_plain("mosquitto_pub", id)
            .args(["-V", "mqttv5", "-q", "1", "-t", topic, "-m", r#"{"csr":"-----"}"#])
            .run()
    };
    publish("42", "v1/42/test").ok();
    for (id, why) in [("101", "not listed"), ("7", "has a certificate"), ("50", "not registered")] {
        let done = publish(id, &format!("v1/{id}/test"));
        assert!(!done.status.success(), "{id}, {why}: {done:?}");
    }
    let done = publish("42", "v1/43/test");
    assert!(done.err.contains("ot authorized"), "{done:?}");
    // Anybody could ask in its name: nothing is issued.
    publish("42", "v1/42/cert/request").ok();
    let letters = server.api.list("/dead-letters");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["topic"], "v1/42/cert/request");
    assert!(letters[0]["reason"].as_str().is_some_and(|why| why.contains("plain listener")), "{letters:?}");
    let certificates = server.api.get("/devices/42/certificates").expect(200).json();
    assert_eq!(certificates["items"], json!([]));
}
