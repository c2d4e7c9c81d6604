//! Devices, their certificates, their state.

use argosy_domain::testing::FakeAuthority;
use argosy_proto::DeviceKey;
use serde_json::json;

use crate::harness::{TestServer, devices, raw_product};

#[tokio::test]
async fn a_batch_registers_devices_and_issues_their_certificates() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    admin.post("/api/v1/groups", &json!({ "name": "pilot" })).await.expect(201);
    admin.post("/api/v1/regions", &json!({ "code": "KR-11", "name": "서울" })).await.expect(201);
    let batch = json!({
        "product": "kiosk", "group": "pilot", "region": "KR-11",
        "devices": [
            { "key": "vm-1", "csr": FakeAuthority::CSR },
            { "key": "42", "name": "두 번째", "attributes": { "floor": "2" } },
        ],
    });
    let made = admin.post("/api/v1/devices/batch", &batch).await.expect(201);
    insta::assert_json_snapshot!(made.shown());
    insta::assert_json_snapshot!(admin.get("/api/v1/devices").await.shown());
    let certificates = admin.get("/api/v1/devices/vm-1/certificates").await.expect(200).json();
    assert_eq!(certificates["items"][0]["serial"], "1");
    assert_eq!(certificates["items"][0]["state"], "active");

    // A factory repeats a call that was cut off: nothing is doubled, the device gets a further certificate.
    let again = admin.post("/api/v1/devices/batch", &batch).await.expect(201).json();
    assert_eq!(again["devices"][0]["id"], made.json()["devices"][0]["id"]);
    assert_eq!(again["devices"][0]["certificate"]["serial"], "2");
}

#[tokio::test]
async fn a_bad_device_names_its_place_and_nothing_is_registered() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    let batch = |devices: serde_json::Value| json!({ "product": "kiosk", "devices": devices });
    let bad_key = batch(json!([{ "key": "vm-1" }, { "key": "vm/2" }]));
    insta::assert_json_snapshot!(admin.post("/api/v1/devices/batch", &bad_key).await.problem(422, "invalid"));
    let bad_csr = batch(json!([{ "key": "vm-1" }, { "key": "vm-2", "csr": "nonsense" }]));
    insta::assert_json_snapshot!(admin.post("/api/v1/devices/batch", &bad_csr).await.problem(422, "invalid"));
    let unknown = json!({ "product": "toaster", "devices": [{ "key": "vm-1" }] });
    insta::assert_json_snapshot!(
        admin.post("/api/v1/devices/batch", &unknown).await.problem(422, "unknown_reference")
    );
    admin.post("/api/v1/devices/batch", &batch(json!([]))).await.problem(422, "invalid");
    let many: Vec<_> = (0..501).map(|n| json!({ "key": format!("d{n}") })).collect();
    admin.post("/api/v1/devices/batch", &batch(json!(many))).await.problem(422, "invalid");
    assert_eq!(admin.get("/api/v1/devices").await.expect(200).json()["items"], json!([]));
}

#[tokio::test]
async fn devices_are_filtered() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    admin.post("/api/v1/groups", &json!({ "name": "pilot" })).await.expect(201);
    devices(&admin, &["a-1", "a-2", "b-1"]).await;
    admin.patch("/api/v1/devices/b-1", &json!({ "group": "pilot", "name": "front door" })).await.expect(200);
    for (query, keys) in [
        ("", vec!["a-1", "a-2", "b-1"]),
        ("?search=a-", vec!["a-1", "a-2"]),
        ("?search=DOOR", vec!["b-1"]),
        ("?group=pilot", vec!["b-1"]),
        ("?product=kiosk&limit=2", vec!["a-1", "a-2"]),
        ("?state=suspended", vec![]),
        ("?online=true", vec![]),
        ("?version=1.0", vec![]),
    ] {
        let found = admin.get(&format!("/api/v1/devices{query}")).await.expect(200).json();
        let found: Vec<_> =
            found["items"].as_array().unwrap().iter().map(|d| d["key"].as_str().unwrap()).collect();
        assert_eq!(found, keys, "{query}");
    }
    admin.get("/api/v1/devices?group=nowhere").await.problem(422, "unknown_reference");
    admin.get("/api/v1/devices?state=sleepy").await.problem(400, "bad_request");
    let counts = admin.get("/api/v1/devices/counts").await.expect(200);
    insta::assert_json_snapshot!(counts.shown());
}

#[tokio::test]
async fn one_device_or_many_are_changed() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    admin.post("/api/v1/groups", &json!({ "name": "pilot" })).await.expect(201);
    devices(&admin, &["a-1", "a-2", "b-1"]).await;
    let one =
        admin.patch("/api/v1/devices/a-1", &json!({ "group": "pilot", "attributes": { "k": "v" } })).await;
    let one = one.expect(200).json();
    assert_eq!((&one["group"]["name"], &one["attributes"]["k"]), (&json!("pilot"), &json!("v")));
    let cleared = admin.patch("/api/v1/devices/a-1", &json!({ "group": null })).await.expect(200).json();
    assert_eq!((cleared.get("group"), &cleared["attributes"]["k"]), (None, &json!("v")), "attributes stay");
    admin.patch("/api/v1/devices/a-1", &json!({})).await.problem(422, "invalid");

    let many = json!({ "keys": ["a-1", "b-1"], "change": { "group": "pilot" } });
    assert_eq!(admin.patch("/api/v1/devices", &many).await.expect(200).json()["changed"], 2);
    let selected = json!({ "filter": { "group": "pilot" }, "change": { "attributes": { "ring": "0" } } });
    assert_eq!(admin.patch("/api/v1/devices", &selected).await.expect(200).json()["changed"], 2);
    for (refused, status, code) in [
        (json!({ "change": { "group": null } }), 422, "invalid"),
        (json!({ "filter": {}, "change": { "group": null } }), 422, "invalid"),
        (json!({ "keys": ["a-1"], "change": { "name": "x" } }), 422, "invalid"),
        (json!({ "keys": ["a-1", "zz"], "change": { "group": null } }), 422, "unknown_reference"),
    ] {
        admin.patch("/api/v1/devices", &refused).await.problem(status, code);
    }
}

#[tokio::test]
async fn a_suspended_device_is_cut_off_and_may_be_let_in_again() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    devices(&admin, &["vm-1"]).await;
    let key = DeviceKey::new("vm-1").unwrap();
    server.link.connect(&key, server.engine.now());
    let suspended = admin.post("/api/v1/devices/vm-1/suspend", &json!({})).await.expect(200).json();
    assert_eq!(suspended["state"], "suspended");
    assert_eq!(server.link.kicked(), [key]);
    let active = admin.post("/api/v1/devices/vm-1/activate", &json!({})).await.expect(200).json();
    assert_eq!(active["state"], "active");
    admin.post("/api/v1/devices/vm-2/suspend", &json!({})).await.problem(404, "not_found");
    admin.post("/api/v1/devices/vm%2F2/suspend", &json!({})).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_certificate_is_issued_and_revoked() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    let new = json!({ "key": "vm-1", "product": "kiosk", "csr": FakeAuthority::CSR });
    let made = admin.post("/api/v1/devices", &new).await.expect(201).json();
    assert_eq!(made["certificate"]["serial"], "1");
    let issued = admin.post("/api/v1/devices/vm-1/certificates", &json!({ "csr": FakeAuthority::CSR })).await;
    insta::assert_json_snapshot!(issued.expect(201).shown());
    // Page by page, the newest first; no cursor of another list is taken.
    let path = "/api/v1/devices/vm-1/certificates";
    let all = admin.get(path).await.expect(200).json();
    let (mut serials, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("{path}?limit=1{cursor}")).await.expect(200).json();
        serials.extend(page["items"].as_array().unwrap().iter().map(|one| one["serial"].clone()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<_> = all["items"].as_array().unwrap().iter().map(|one| one["serial"].clone()).collect();
    assert_eq!(serials, expected);
    admin.get(&format!("{path}?cursor=unheard-of")).await.expect(400);
    admin.delete("/api/v1/devices/vm-1/certificates/1").await.expect(204);
    let listed = admin.get("/api/v1/devices/vm-1/certificates").await.expect(200).json();
    let states: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|c| (&c["serial"], &c["state"])).collect();
    assert_eq!(states, [(&json!("2"), &json!("active")), (&json!("1"), &json!("revoked"))]);
    admin.delete("/api/v1/devices/vm-1/certificates/77").await.problem(404, "not_found");
}

#[tokio::test]
async fn live_sessions_are_listed_and_cut() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    devices(&admin, &["vm-1", "vm-2", "vm-3"]).await;
    for key in ["vm-1", "vm-2", "vm-3"] {
        server.link.connect(&DeviceKey::new(key).unwrap(), server.engine.now());
    }
    let first = admin.get("/api/v1/sessions?limit=2").await.expect(200);
    insta::assert_json_snapshot!(first.shown());
    let next = first.json()["next"].as_str().unwrap().to_owned();
    let second = admin.get(&format!("/api/v1/sessions?limit=2&cursor={next}")).await.expect(200).json();
    assert_eq!((second["items"].as_array().unwrap().len(), second.get("next")), (1, None));
    let found = admin.get("/api/v1/sessions?search=M-2").await.expect(200).json();
    assert_eq!((found["items"].as_array().unwrap().len(), &found["items"][0]["key"]), (1, &json!("vm-2")));
    admin.delete("/api/v1/sessions/vm-2").await.expect(204);
    admin.delete("/api/v1/sessions/vm-2").await.problem(404, "not_found");
}
