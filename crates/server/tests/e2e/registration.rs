//! Registration by a one-time code: the real program, and devices played by mosquitto's clients over mutual TLS.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Identity, PRODUCT, Server, Tool, make_csr};

/// Identities that are known, and devices that are not registered.
fn factory(server: &Server, keys: &[&str]) -> Vec<Identity> {
    let made: Vec<_> = keys.iter().map(|key| make_csr(key)).collect();
    let devices: Vec<Value> =
        keys.iter().zip(&made).map(|(key, made)| json!({ "key": key, "csr": made.csr })).collect();
    let body = json!({ "product": PRODUCT, "unregistered": true, "devices": devices });
    let answer = server.api.post("/devices/batch", &body).expect(201).json();
    fs::write(server.roots(), answer["roots_pem"].as_str().expect("roots")).expect("a file");
    let issued = answer["devices"].as_array().expect("devices");
    keys.iter()
        .zip(made)
        .zip(issued)
        .map(|((key, made), issued)| {
            let text = |field: &str| issued["certificate"][field].as_str().expect("PEM").to_owned();
            let chain = text("certificate_pem") + "\n" + &text("chain_pem");
            Identity::write(&server.path(""), key, &made.private_key, &chain)
        })
        .collect()
}

fn site() -> Server {
    let server = Server::start();
    server.product();
    server.api.post("/groups", &json!({ "name": "pilot" })).expect(201);
    server.api.post("/regions", &json!({ "code": "KR-11", "name": "서울" })).expect(201);
    server
}

fn code(server: &Server) -> Value {
    let body = json!({ "product": PRODUCT, "group": "pilot", "region": "KR-11" });
    server.api.post("/registration-codes", &body).expect(201).json()
}

/// A device sends a code and waits for the answer.
fn regist(server: &Server, key: &str, identity: &Identity, code: &str) -> Tool {
    let mut tool = server.mosquitto("mosquitto_rr", key, Some(identity));
    let payload = json!({ "device_name": format!("machine {key}"), "auth_key": code, "timestamp": "2025-01-01T00:00:00Z" });
    tool.args(["-V", "mqttv311", "-q", "1", "-W", "60"]);
    tool.args([
        "-t",
        &format!("v1/{key}/regist"),
        "-e",
        &format!("v1/{key}/regist/ack"),
        "-m",
        &payload.to_string(),
    ]);
    tool
}

fn answer(mut tool: Tool) -> Value {
    let done = tool.run().ok();
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

#[test]
fn of_two_devices_that_send_the_same_code_at_once_exactly_one_is_registered() {
    let server = site();
    let identities = factory(&server, &["dev-1", "dev-2"]);
    for key in ["dev-1", "dev-2"] {
        assert_eq!(server.device(key)["state"], "unregistered");
    }
    // Nothing but its registration is taken from it.
    let status = r#"{"firmware_version":"6.6.6"}"#;
    let mut tool = server.mosquitto("mosquitto_pub", "dev-1", Some(&identities[0]));
    tool.args(["-V", "mqttv5", "-q", "1", "-t", "v1/dev-1/status/system", "-m", status]).run();
    assert_eq!(server.device("dev-1")["firmware_version"], Value::Null);

    let made = code(&server);
    let digits = made["code"].as_str().expect("digits").to_owned();
    assert!(digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit()), "{digits}");
    assert!(made["expires_in_s"].as_u64().is_some_and(|s| (200..=300).contains(&s)), "{made}");
    let mut running: Vec<_> = identities
        .iter()
        .zip(["dev-1", "dev-2"])
        .map(|(identity, key)| regist(&server, key, identity, &digits).spawn())
        .collect();
    running.iter_mut().for_each(|one| drop(one.stdin.take()));
    let answers: Vec<Value> =
        running.into_iter().map(|one| serde_json::from_str(&one.done().ok().out).expect("JSON")).collect();
    let states: Vec<_> = answers.iter().map(|answer| answer["status"].as_str().expect("a status")).collect();
    assert!(states == ["OK", "AUTH_FAILED"] || states == ["AUTH_FAILED", "OK"], "{answers:?}");

    let (winner, loser) = if states[0] == "OK" { (0, 1) } else { (1, 0) };
    let keys = ["dev-1", "dev-2"];
    let device = server.device(keys[winner]);
    assert_eq!((&device["state"], &device["group"]["name"]), (&json!("active"), &json!("pilot")));
    assert_eq!(device["name"], format!("machine {}", keys[winner]));
    assert_eq!(server.device(keys[loser])["state"], "unregistered");
    let listed = server.api.list("/registration-codes");
    assert_eq!((&listed[0]["state"], &listed[0]["used_by"]), (&json!("used"), &json!(keys[winner])));
    assert!(listed[0].get("code").is_none(), "{listed:?}");

    // The answer may have been lost: the same code again, over a crash too. Another one is of no use, and stays open.
    let mut server = server;
    server.crash();
    assert_eq!(answer(regist(&server, keys[winner], &identities[winner], &digits))["status"], "OK");
    let second = code(&server);
    let unused = second["code"].as_str().expect("digits");
    let said = answer(regist(&server, keys[winner], &identities[winner], unused));
    assert_eq!(said["status"], "ALREADY_REGISTERED");
    assert_eq!(answer(regist(&server, keys[loser], &identities[loser], unused))["status"], "OK");
    // The right code is in no line of the log.
    for secret in [digits.as_str(), unused] {
        let word = |line: &str| line.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == secret);
        assert!(!server.log().lines().any(word), "a code is in the log");
    }
}

#[test]
fn five_wrong_codes_lock_a_device_over_a_restart_and_no_other() {
    let mut server = site();
    let identities = factory(&server, &["dev-1", "dev-2"]);
    let made = code(&server);
    let digits = made["code"].as_str().expect("digits");
    let wrong = format!("{:06}", (digits.parse::<u32>().expect("digits") + 1) % 1_000_000);
    for tries in 1..=5 {
        let said = answer(regist(&server, "dev-1", &identities[0], &wrong));
        assert_eq!(said["status"], "AUTH_FAILED", "{said}");
        assert_eq!(said["retry_after_s"].is_number(), tries == 5, "{said}");
    }
    server.crash();
    let said = answer(regist(&server, "dev-1", &identities[0], digits));
    assert_eq!(said["status"], "LOCKED", "{said}");
    assert!(said["retry_after_s"].as_u64().is_some_and(|s| (1..=900).contains(&s)), "{said}");
    assert_eq!(answer(regist(&server, "dev-2", &identities[1], digits))["status"], "OK");
    let refused = server.api.list("/audit?action=device.register_refused");
    assert_eq!(refused.len(), 5, "{refused:?}");
}

#[test]
fn a_repeated_call_gets_the_same_code_and_a_revoked_one_is_of_no_use() {
    let server = site();
    let identities = factory(&server, &["dev-1"]);
    let once = ["--header", "idempotency-key: code-1"];
    let body = json!({ "product": PRODUCT, "group": "pilot", "region": "KR-11", "device_name": "로비" });
    let first = server.api.post_with(&once, "/registration-codes", &body).expect(201).json();
    let again = server.api.post_with(&once, "/registration-codes", &body).expect(201).json();
    assert_eq!(first, again);
    assert_eq!(server.api.list("/registration-codes?state=open").len(), 1);
    let path = format!("/api/v1/registration-codes/{}", first["id"]);
    server.api.call(&["--request", "DELETE"], &path).expect(204);
    server.api.call(&["--request", "DELETE"], &path).problem(409, "code_ended");
    let digits = first["code"].as_str().expect("digits");
    assert_eq!(answer(regist(&server, "dev-1", &identities[0], digits))["status"], "AUTH_FAILED");
}
