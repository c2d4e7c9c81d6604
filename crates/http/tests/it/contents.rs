//! Contents: made of uploads, shown, changed, deployed, and their files. (The fake maker takes any bytes that begin like a picture.)

use argosy_domain::model::DisplayProfile;
use argosy_domain::testing::ready_binary;
use serde_json::{Value, json};

use crate::harness::{Client, TestServer, devices};

const DISPLAY: DisplayProfile =
    DisplayProfile { width: 4, height: 2, color_depth: 16, swap_bytes: false, alpha: false };

async fn kiosk(admin: &Client) {
    let product = json!({
        "name": "kiosk", "chip": "stm32", "image_format": "raw", "slot_size": 4_194_304,
        "display": { "width": 4, "height": 2, "color_depth": 16 },
    });
    admin.post("/api/v1/products", &product).await.expect(201);
}

async fn upload(admin: &Client, name: &str, bytes: &[u8]) -> Value {
    let upload = admin.post("/api/v1/uploads", &json!({ "file_name": name })).await.expect(201).json();
    admin.put_bytes(upload["upload_path"].as_str().unwrap(), bytes.to_vec()).await.expect(200);
    upload["id"].clone()
}

fn picture(text: &str) -> Vec<u8> {
    [b"\x89PNG", text.as_bytes()].concat()
}

async fn content(admin: &Client, title: &str) -> Value {
    let upload = upload(admin, &format!("{title}.png"), &picture(title)).await;
    let asked = json!({ "upload_id": upload, "product": "kiosk", "title": title });
    admin.post("/api/v1/contents", &asked).await.expect(201).json()
}

#[tokio::test]
async fn a_picture_is_made_into_a_content_changed_and_removed() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    kiosk(&admin).await;
    let upload = upload(&admin, "spring.png", &picture("봄")).await;
    let asked = json!({
        "upload_id": upload, "product": "kiosk", "title": " Spring sale ", "description": "3월",
        "fit": "fill", "background": "#10abFF",
    });
    let made = admin.with_header("idempotency-key", "c-1").post("/api/v1/contents", &asked).await.expect(201);
    insta::assert_json_snapshot!(made.shown());
    let again =
        admin.with_header("idempotency-key", "c-1").post("/api/v1/contents", &asked).await.expect(201);
    assert_eq!(again.header("idempotency-replayed").as_deref(), Some("true"));
    let made = made.json();

    for name in [made["id"].to_string(), format!("id:{}", made["id"]), "spring%20SALE".to_owned()] {
        let found = admin.get(&format!("/api/v1/contents/{name}")).await.expect(200).json();
        assert_eq!((&found["id"], &found["shown_by"]), (&made["id"], &json!(0)), "{name}");
    }
    let listed = admin.get("/api/v1/contents?product=kiosk&state=available&search=SALE").await.expect(200);
    assert_eq!(listed.json()["items"], json!([made]));
    assert_eq!(admin.get("/api/v1/contents?search=winter").await.expect(200).json()["items"], json!([]));

    let at = format!("/api/v1/contents/{}", made["id"]);
    let change = json!({ "title": "Spring", "state": "withdrawn" });
    let changed = admin.patch(&at, &change).await.expect(200).json();
    assert_eq!((&changed["title"], &changed["state"]), (&json!("Spring"), &json!("withdrawn")));
    assert_eq!(changed["description"], "3월", "what is absent stays");
    admin.delete(&at).await.expect(204);
    admin.get(&at).await.problem(404, "not_found");
    admin.get("/api/v1/contents/Spring/preview").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_contents_files_are_served_and_may_be_kept() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    kiosk(&admin).await;
    let made = content(&admin, "한글 \"제목\"").await;
    for (part, kind, way) in [
        ("original", "image/png", "inline"),
        ("file", "application/octet-stream", "attachment"),
        ("preview", "image/png", "inline"),
        ("thumbnail", "image/png", "inline"),
    ] {
        let path = format!("/api/v1/contents/{}/{part}", made["id"]);
        let file = admin.get(&path).await.expect(200);
        assert_eq!(file.header("content-type").as_deref(), Some(kind), "{part}");
        assert!(file.header("content-disposition").unwrap().starts_with(way), "{part}");
        assert_eq!(file.header("content-length").unwrap(), file.body.len().to_string());
        assert_eq!(file.header("cache-control").as_deref(), Some("private, max-age=31536000, immutable"));
        assert_eq!(file.header("x-content-type-options").as_deref(), Some("nosniff"));
        assert!(file.header("content-security-policy").unwrap().contains("sandbox"));
        let tag = file.header("etag").unwrap();
        for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let again = admin.with_header("if-none-match", &known).get(&path).await.expect(304);
            assert!(again.body.is_empty());
            assert_eq!(again.header("etag").as_deref(), Some(tag.as_str()));
        }
        admin.with_header("if-none-match", "\"other\"").get(&path).await.expect(200);
        if part == "file" {
            assert_eq!(tag, format!("\"{}\"", made["sha256"].as_str().unwrap()));
            assert_eq!(made["size"], file.body.len());
        }
        if part == "original" {
            assert_eq!(file.body, picture("한글 \"제목\""));
        }
        let stranger = Client::new(server.address).get(&path).await;
        stranger.problem(401, "unauthorized");
    }
    assert_eq!(admin.get(made["thumbnail_path"].as_str().unwrap()).await.status, 200);
    assert_eq!(admin.get(made["preview_path"].as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn what_cannot_become_a_content_is_refused() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    kiosk(&admin).await;
    content(&admin, "taken").await;
    let id = upload(&admin, "a.png", &picture("a")).await;
    let asked = |change: Value| {
        let mut asked = json!({ "upload_id": id, "product": "kiosk", "title": "new" });
        asked.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        asked
    };
    let refused = async |change: Value| admin.post("/api/v1/contents", &asked(change)).await;
    refused(json!({ "title": "TAKEN" })).await.problem(409, "content_exists");
    refused(json!({ "title": " " })).await.problem(422, "invalid");
    refused(json!({ "background": "black" })).await.problem(422, "invalid");
    refused(json!({ "fit": "stretch" })).await.problem(400, "bad_request");
    refused(json!({ "product": "nowhere" })).await.problem(422, "unknown_reference");
    refused(json!({ "upload_id": "0".repeat(32) })).await.problem(404, "not_found");
    let same = upload(&admin, "b.png", &picture("taken")).await;
    refused(json!({ "upload_id": same })).await.problem(409, "content_same_binary");
    let foreign = ready_binary(&DisplayProfile { height: 3, ..DISPLAY }, 1);
    let foreign = upload(&admin, "c.bin", &foreign).await;
    let problem = refused(json!({ "upload_id": foreign })).await.problem(422, "invalid");
    assert_eq!(problem["field"], "upload_id");
    let ready = upload(&admin, "d.bin", &ready_binary(&DISPLAY, 1)).await;
    let made = refused(json!({ "upload_id": ready })).await.expect(201).json();
    assert_eq!((&made["made"], made.get("fit")), (&json!("ready"), None));
    let raw = json!({ "name": "blind", "chip": "stm32", "image_format": "raw", "slot_size": 1000 });
    admin.post("/api/v1/products", &raw).await.expect(201);
    refused(json!({ "product": "blind", "title": "other" })).await.problem(409, "no_display");
}

#[tokio::test]
async fn contents_are_deployed_in_order_and_then_cannot_be_removed() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    kiosk(&admin).await;
    devices(&admin, &["a-1"]).await;
    let (one, two) = (content(&admin, "one").await, content(&admin, "two").await);
    let deploy = async |contents: Value| {
        admin.post("/api/v1/deployments", &json!({ "contents": contents, "target": { "all": true } })).await
    };
    let made = deploy(json!([format!("id:{}", two["id"]), "ONE"])).await.expect(201).json();
    assert_eq!((&made["kind"], made.get("firmware")), (&json!("content"), None));
    assert_eq!((&made["name"], &made["product"]["name"]), (&json!("two +1"), &json!("kiosk")));
    let contents = made["contents"].as_array().unwrap();
    let titles: Vec<&Value> = contents.iter().map(|c| &c["title"]).collect();
    assert_eq!(titles, ["two", "one"]);
    assert_eq!((&contents[0]["artifact"], &contents[1]["sha256"]), (&two["artifact"], &one["sha256"]));

    admin.delete("/api/v1/contents/one").await.problem(409, "content_in_use");
    deploy(json!(["one", "One"])).await.problem(422, "invalid");
    deploy(json!(["nobody"])).await.problem(422, "unknown_reference");
    deploy(json!((0..17).map(|n| format!("c{n}")).collect::<Vec<_>>())).await.problem(422, "invalid");
    admin.patch("/api/v1/contents/one", &json!({ "state": "withdrawn" })).await.expect(200);
    deploy(json!(["one"])).await.problem(409, "content_withdrawn");
    let both = json!({ "contents": ["two"], "firmware": 1, "target": { "all": true } });
    admin.post("/api/v1/deployments", &both).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_device_that_never_spoke_of_contents_shows_nothing_that_is_known() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    kiosk(&admin).await;
    devices(&admin, &["a-1"]).await;
    let shown = admin.get("/api/v1/devices/a-1/contents").await.expect(200).json();
    assert_eq!((shown.get("shown"), &shown["mismatch"]), (None, &json!(false)));
    assert_eq!(shown["display"]["width"], 4);
    assert_eq!(admin.get("/api/v1/devices/a-1/content-history").await.expect(200).json()["items"], json!([]));
    assert_eq!(admin.get("/api/v1/devices/counts").await.expect(200).json()["contents_mismatch"], 0);
    for (query, keys) in [("true", json!([])), ("false", json!(["a-1"]))] {
        let found = admin.get(&format!("/api/v1/devices?contents_mismatch={query}")).await.expect(200).json();
        let found: Vec<&Value> = found["items"].as_array().unwrap().iter().map(|d| &d["key"]).collect();
        assert_eq!(json!(found), keys);
    }
    admin.get("/api/v1/devices/nobody/contents").await.problem(404, "not_found");
    admin.get("/api/v1/contents/nobody/devices").await.problem(404, "not_found");
}
