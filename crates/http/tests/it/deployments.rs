//! Deployments, from creation to their end, and calls that are repeated.

use std::time::Duration;

use argosy_domain::model::{DeploymentPolicy, DeviceFilter};
use argosy_domain::ports::{DeviceEvents, Door, InboundMessage};
use argosy_engine::{Actor, DeploymentChoice, DeploymentRequest, FirmwareChoice, Idempotent, RequestHash};
use argosy_proto::{DeviceKey, FirmwareId};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::harness::{Client, TestServer, devices, firmware, pattern, raw_product};

/// A server with three devices and a firmware.
async fn fleet() -> (TestServer, Client, Value) {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    let made = firmware(&admin, "2.0.0", &pattern(1000)).await;
    devices(&admin, &["vm-1", "vm-2", "vm-3"]).await;
    (server, admin, made)
}

async fn until(server: &TestServer, admin: &Client, id: &Value, pointer: &str, value: Value) -> Value {
    let path = format!("/api/v1/deployments/{id}");
    server
        .eventually(&format!("{pointer} becomes {value}"), || async {
            // The pace is by the server's clock, which stands still otherwise.
            server.clock.advance(Duration::from_millis(10));
            admin.get(&path).await.expect(200).json().pointer(pointer) == Some(&value)
        })
        .await;
    admin.get(&path).await.expect(200).json()
}

/// Without what hangs on how long the test took.
fn steady(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.ends_with("_at") && name != "speed_bytes_per_s" && name != "eta_s");
            fields.values_mut().for_each(|field| *field = steady(field.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = steady(item.take())),
        _ => {}
    }
    value
}

/// What an old device says when it is done.
async fn succeed(server: &TestServer, key: &DeviceKey) {
    let sent =
        server.link.sent().into_iter().rev().find(|m| m.key == *key && m.topic.ends_with("request/firmware"));
    let request: Value = serde_json::from_slice(&sent.expect("a request").payload).unwrap();
    let payload = json!({
        "command_id": request["command_id"], "status": "SUCCESS", "message": "", "checksum_verified": true,
        "download_ms": 12, "timestamp": "2026-01-01T00:00:00Z",
    });
    let message = InboundMessage {
        key: key.clone(),
        topic: format!("v1/{key}/update/result"),
        payload: Bytes::from(payload.to_string()),
        qos: 1,
        door: Door::Mtls,
        certificate: None,
    };
    DeviceEvents::message(&*server.engine, message).await.unwrap();
}

#[tokio::test]
async fn a_deployment_is_made_followed_and_ends_with_exact_counts() {
    let (server, admin, made) = fleet().await;
    let request = json!({ "product": "kiosk", "version": "2.0.0", "target": { "all": true } });
    let created = admin.post("/api/v1/deployments", &request).await.expect(201).json();
    assert_eq!(created["firmware"]["id"], made["id"]);
    let id = &created["id"];
    until(&server, &admin, id, "/state", json!("running")).await;
    let keys = ["vm-1", "vm-2", "vm-3"].map(|key| DeviceKey::new(key).unwrap());
    for key in &keys {
        let number = server.link.connect(key, server.engine.now());
        DeviceEvents::connected(&*server.engine, key, number).await;
    }
    until(&server, &admin, id, "/progress/by_state/dispatched", json!(3)).await;
    server.eventually("requests are sent", || async { server.link.sent().len() == 3 }).await;
    succeed(&server, &keys[0]).await;
    succeed(&server, &keys[1]).await;
    let halfway = until(&server, &admin, id, "/progress/by_outcome/success", json!(2)).await;
    insta::assert_json_snapshot!(steady(halfway));
    let listed = admin.get(&format!("/api/v1/deployments/{id}/devices?state=success")).await.expect(200);
    insta::assert_json_snapshot!(steady(listed.shown()));
    for (query, count) in
        [("", 3), ("?state=waiting", 1), ("?state=waiting,succeeded", 3), ("?search=vm-2", 1)]
    {
        let found =
            admin.get(&format!("/api/v1/deployments/id:{id}/devices{query}")).await.expect(200).json();
        assert_eq!(found["items"].as_array().unwrap().len(), count, "{query}");
    }
    admin.get(&format!("/api/v1/deployments/{id}/devices?state=odd")).await.problem(400, "bad_request");

    succeed(&server, &keys[2]).await;
    let finished = until(&server, &admin, id, "/state", json!("finished")).await;
    assert_eq!(
        (&finished["progress"]["success_rate"], &finished["progress"]["finished"]),
        (&json!(1.0), &json!(3))
    );
    let history = admin.get("/api/v1/devices/vm-1/updates").await.expect(200).json();
    assert_eq!(history["items"][0]["state"], "succeeded");
    let all = admin.get("/api/v1/deployments?state=finished,canceled").await.expect(200).json();
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    assert_eq!(admin.get("/api/v1/deployments?state=running").await.expect(200).json()["items"], json!([]));
    let pause = format!("/api/v1/deployments/{id}/pause");
    admin.post(&pause, &json!({})).await.problem(409, "deployment_finished");
    admin.delete(&format!("/api/v1/firmware/{}", made["id"])).await.problem(409, "firmware_in_use");
}

#[tokio::test]
async fn a_deployment_is_paused_resumed_and_canceled() {
    let (server, admin, made) = fleet().await;
    let request =
        json!({ "firmware": made["id"], "target": { "devices": ["vm-1", "vm-2"] }, "name": "ring 0" });
    let id = admin.post("/api/v1/deployments", &request).await.expect(201).json()["id"].clone();
    until(&server, &admin, &id, "/state", json!("running")).await;
    let act = |action: &str| format!("/api/v1/deployments/{id}/{action}");
    assert_eq!(admin.post(&act("pause"), &json!({})).await.expect(200).json()["state"], "paused");
    assert_eq!(admin.post(&act("resume"), &json!({})).await.expect(200).json()["state"], "running");
    let reason = json!({ "reason": "wrong image" });
    let canceled = admin.post(&act("cancel"), &reason).await.expect(200).json();
    assert_eq!(
        (&canceled["state"], &canceled["progress"]["by_outcome"]["canceled"]),
        (&json!("canceled"), &json!(2))
    );
    let listed = admin.get(&act("devices")).await.expect(200).json();
    assert_eq!(listed["items"][0]["message"], "wrong image");
    admin.post("/api/v1/deployments/999/cancel", &reason).await.problem(404, "not_found");
}

#[tokio::test]
async fn what_cannot_be_deployed_is_refused() {
    let (_server, admin, made) = fleet().await;
    let id = made["id"].clone();
    let mut said = Vec::new();
    for (request, status, code) in [
        (json!({ "target": { "all": true } }), 422, "invalid"),
        (json!({ "firmware": id, "version": "2.0.0", "target": { "all": true } }), 422, "invalid"),
        (json!({ "firmware": id, "target": {} }), 422, "invalid"),
        (json!({ "firmware": id, "target": { "all": true, "groups": ["x"] } }), 422, "invalid"),
        (json!({ "firmware": id, "target": { "devices": ["vm-9"] } }), 422, "unknown_reference"),
        (json!({ "firmware": id, "target": { "groups": ["nowhere"] } }), 422, "unknown_reference"),
        (
            json!({ "firmware": id, "target": { "all": true }, "policy": { "max_in_flight": 0 } }),
            422,
            "invalid",
        ),
        (json!({ "firmware": id, "target": { "all": true }, "policy": { "pace": 1 } }), 422, "invalid"),
        (json!({ "firmware": id }), 422, "invalid"),
        (json!({ "firmware": 999, "target": { "all": true } }), 404, "not_found"),
        (json!({ "product": "kiosk", "version": "9", "target": { "all": true } }), 404, "not_found"),
    ] {
        let problem = admin.post("/api/v1/deployments", &request).await.problem(status, code);
        said.push(json!([problem["field"], problem["detail"]]));
    }
    insta::assert_json_snapshot!(said);
    admin.patch(&format!("/api/v1/firmware/{id}"), &json!({ "state": "withdrawn" })).await.expect(200);
    let withdrawn = json!({ "firmware": id, "target": { "all": true } });
    admin.post("/api/v1/deployments", &withdrawn).await.problem(409, "firmware_not_released");
}

#[tokio::test]
async fn a_repeated_call_is_answered_as_the_first_time_and_done_once() {
    let (_server, admin, made) = fleet().await;
    let request = json!({ "firmware": made["id"], "target": { "all": true } });
    let keyed = admin.with_header("idempotency-key", "nightly-2026-01-01");
    let first = keyed.post("/api/v1/deployments", &request).await.expect(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    let second = keyed.post("/api/v1/deployments", &request).await.expect(201);
    assert_eq!(second.header("idempotency-replayed").as_deref(), Some("true"));
    assert_eq!(first.body, second.body);
    let other = json!({ "firmware": made["id"], "target": { "devices": ["vm-1"] } });
    let refused = keyed.post("/api/v1/deployments", &other).await.problem(422, "idempotency_mismatch");
    insta::assert_json_snapshot!(refused);
    assert_eq!(
        admin.get("/api/v1/deployments").await.expect(200).json()["items"].as_array().unwrap().len(),
        1
    );
    admin
        .with_header("idempotency-key", "")
        .post("/api/v1/deployments", &request)
        .await
        .problem(422, "invalid");
    // An error is not kept: the same key works once the request does.
    let keyed = admin.with_header("idempotency-key", "later");
    keyed.post("/api/v1/groups", &json!({ "name": "" })).await.problem(422, "invalid");
    keyed.post("/api/v1/groups", &json!({ "name": "ring" })).await.expect(201);
}

#[tokio::test]
async fn a_repeat_after_a_crash_between_the_making_and_the_answer_is_told_what_was_made() {
    let (server, admin, made) = fleet().await;
    let request = json!({ "firmware": made["id"], "target": { "all": true } });
    // What the server did before it was killed: everything but the answer.
    let actor = Actor { name: "token:test".to_owned(), ..Actor::system() };
    let begin = async |key: &str, path: &str, body: &Value| {
        let hash = RequestHash::of(&[b"POST", path.as_bytes(), &serde_json::to_vec(body).unwrap()]);
        assert_eq!(server.engine.idempotent(&actor, key, &hash).await.unwrap(), Idempotent::Fresh);
    };
    begin("nightly", "/deployments", &request).await;
    let choice = FirmwareChoice::Id(FirmwareId(made["id"].as_i64().unwrap()));
    let asked = DeploymentRequest {
        name: Some("before the crash".to_owned()),
        payload: DeploymentChoice::Firmware(choice),
        target: DeviceFilter::default(),
        policy: DeploymentPolicy::default(),
    };
    let first = server.engine.create_deployment(&actor, asked).await.unwrap();

    let keyed = admin.with_header("idempotency-key", "nightly");
    let repeated = keyed.post("/api/v1/deployments", &request).await.expect(201);
    assert_eq!(repeated.header("idempotency-replayed").as_deref(), Some("true"));
    assert_eq!(repeated.json()["id"], first.id.0);
    assert_eq!(repeated.json()["name"], "before the crash");
    let all = admin.get("/api/v1/deployments").await.expect(200).json();
    assert_eq!(all["items"].as_array().unwrap().len(), 1);

    // Of other things the repeat is told the name.
    begin("ring", "/groups", &json!({ "name": "ring" })).await;
    server.engine.create_group(&actor, "ring").await.unwrap();
    let keyed = admin.with_header("idempotency-key", "ring");
    let lost = keyed.post("/api/v1/groups", &json!({ "name": "ring" })).await.problem(409, "answer_lost");
    assert!(lost["detail"].as_str().unwrap().contains("group:"), "{lost}");

    // A call that failed holds no key, even if a part of it had been carried out.
    let failed = Actor { name: "token:test".to_owned(), ..Actor::system() };
    let hash = RequestHash::of(&[b"failed"]);
    server.engine.idempotent(&failed, "failed", &hash).await.unwrap();
    server.engine.create_group(&failed, "part").await.unwrap();
    server.engine.release_key(&failed, "failed").await.unwrap();
    assert_eq!(server.engine.idempotent(&failed, "failed", &hash).await.unwrap(), Idempotent::Fresh);
}

#[tokio::test]
async fn the_same_key_at_the_same_moment_is_carried_out_once() {
    let (_server, admin, made) = fleet().await;
    let request = json!({ "firmware": made["id"], "target": { "all": true } });
    let keyed = admin.with_header("idempotency-key", "twins");
    let calls = (0..20).map(|_| keyed.post("/api/v1/deployments", &request));
    let answers = futures::future::join_all(calls).await;
    for answer in answers {
        match answer.status.as_u16() {
            201 => {}
            _ => drop(answer.problem(409, "in_progress")),
        }
    }
    assert_eq!(
        admin.get("/api/v1/deployments").await.expect(200).json()["items"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn a_preview_says_what_would_happen_and_makes_nothing() {
    let (_server, admin, made) = fleet().await;
    let preview = |target: Value| {
        let (admin, firmware) = (&admin, made["id"].clone());
        async move {
            let body = json!({ "firmware": firmware, "target": target });
            admin.post("/api/v1/deployments/preview", &body).await
        }
    };
    let all = preview(json!({ "all": true })).await.expect(200).json();
    assert_eq!((&all["devices"], &all["bytes_per_device"]), (&json!(3), &json!(1000)), "{all}");
    let one = preview(json!({ "devices": ["vm-2"] })).await.expect(200).json();
    assert_eq!(one["devices"], 1, "{one}");
    preview(json!({ "devices": ["nobody"] })).await.problem(422, "unknown_reference");
    assert_eq!(
        admin.get("/api/v1/deployments").await.expect(200).json()["items"],
        json!([]),
        "nothing was made"
    );
}
