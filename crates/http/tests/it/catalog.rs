//! Products, groups, regions: one behaviour three times.

use serde_json::{Value, json};

use crate::harness::{TestServer, devices, raw_product};

#[tokio::test]
async fn a_product_is_made_read_changed_and_removed() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let spec = json!({
        "name": "vending machine", "chip": "ESP32-S3", "image_format": "esp-idf", "slot_size": 2_097_152,
        "display": { "width": 480, "height": 320, "color_depth": 16, "swap_bytes": true },
    });
    let made = admin.post("/api/v1/products", &spec).await;
    insta::assert_json_snapshot!(made.shown());
    let read = admin.get("/api/v1/products/vending%20machine").await.expect(200).json();
    assert_eq!(read, made.json());
    assert_eq!(admin.get(&format!("/api/v1/products/id:{}", read["id"])).await.expect(200).json(), read);

    insta::assert_json_snapshot!(admin.post("/api/v1/products", &spec).await.problem(409, "product_exists"));
    let mut wrong = spec.clone();
    wrong["slot_size"] = json!(0);
    insta::assert_json_snapshot!(admin.post("/api/v1/products", &wrong).await.problem(422, "invalid"));

    let mut renamed = spec.clone();
    renamed["name"] = json!("vm");
    let changed = admin.put("/api/v1/products/vending%20machine", &renamed).await.expect(200).json();
    assert_eq!(changed["name"], "vm");
    admin.get("/api/v1/products/vending%20machine").await.problem(404, "not_found");
    admin.delete("/api/v1/products/vm").await.expect(204);
    insta::assert_json_snapshot!(admin.delete("/api/v1/products/vm").await.problem(404, "not_found"));
}

#[tokio::test]
async fn groups_and_regions_behave_the_same() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    for (path, spec, renamed, key) in [
        ("groups", json!({ "name": "서울 pilot" }), json!({ "name": "pilot" }), "pilot"),
        (
            "regions",
            json!({ "code": "KR-11", "name": "서울" }),
            json!({ "code": "KR-12", "name": "부산" }),
            "KR-12",
        ),
    ] {
        let made = admin.post(&format!("/api/v1/{path}"), &spec).await.expect(201).json();
        admin.post(&format!("/api/v1/{path}"), &spec).await.expect(409);
        let by_id = format!("/api/v1/{path}/id:{}", made["id"]);
        let changed = admin.put(&by_id, &renamed).await.expect(200).json();
        assert_eq!(admin.get(&format!("/api/v1/{path}/{key}")).await.expect(200).json(), changed);
        admin.delete(&by_id).await.expect(204);
        admin.get(&by_id).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn what_is_in_use_stays() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    devices(&admin, &["vm-1"]).await;
    admin.delete("/api/v1/products/kiosk").await.problem(409, "product_in_use");
}

#[tokio::test]
async fn lists_are_searched_and_walked_page_by_page() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    for n in 0..5 {
        admin.post("/api/v1/groups", &json!({ "name": format!("ring {n}") })).await.expect(201);
    }
    admin.post("/api/v1/groups", &json!({ "name": "other" })).await.expect(201);
    let mut names = Vec::new();
    let mut path = "/api/v1/groups?search=RING&limit=2".to_owned();
    loop {
        let page = admin.get(&path).await.expect(200).json();
        names.extend(page["items"].as_array().unwrap().iter().map(|g| g["name"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/groups?search=RING&limit=2&cursor={next}");
    }
    assert_eq!(Value::from(names), json!(["ring 0", "ring 1", "ring 2", "ring 3", "ring 4"]));
    admin.get("/api/v1/groups?limit=0").await.problem(400, "bad_request");
    admin.get("/api/v1/groups?limit=many").await.problem(400, "bad_request");
    for list in ["groups", "devices", "deployments", "firmware", "audit", "dead-letters"] {
        for foreign in ["AAAA", "", "%00", "x'y", "99999999999999999999"] {
            let path = format!("/api/v1/{list}?cursor={foreign}");
            let refused = admin.get(&path).await.problem(400, "bad_request");
            assert_eq!(refused["field"], "cursor", "{path}");
        }
    }
    let unknown = admin.get("/api/v1/groups?serach=x").await.problem(400, "bad_request");
    assert_eq!(unknown["field"], "serach");
}
