//! Two pictures on their way to the display of an old board (decimal key, no certificate, base fields only, one result a file), with the
//! real server, the real converter and foreign clients; then one is taken away, and the board shows what nobody sent it.

use argosy_domain::model::{ContentFit, DisplayProfile, Rgb};
use argosy_domain::ports::{ContentMaker as _, MakeContent};
use argosy_domain::testing::ready_binary;
use argosy_media::LvglContentMaker;
use serde_json::{Value, json};

use crate::harness::{Builder, CHIP, PRODUCT, SLOT, Server, curl, until};

const TIME: &str = "2025-01-01T00:00:00Z";
const DISPLAY: DisplayProfile =
    DisplayProfile { width: 48, height: 32, color_depth: 16, swap_bytes: false, alpha: false };
const TOPIC: &str = "v1/42/update/request/advertisement";

/// A PNG of one colour: what a display shows of a binary of that colour.
fn png(pixel: u16) -> Vec<u8> {
    let wanted = MakeContent {
        file: &ready_binary(&DISPLAY, pixel),
        display: &DISPLAY,
        fit: ContentFit::Fit,
        background: Rgb::default(),
    };
    LvglContentMaker::default().make(&wanted).expect("a picture").preview
}

fn says(server: &Server, topic: &str, payload: &Value) {
    let topic = format!("v1/42/{topic}");
    let payload = payload.to_string();
    server.mosquitto_plain("mosquitto_pub", "42").args(["-q", "1", "-t", &topic, "-m", &payload]).run().ok();
}

fn shows(server: &Server, ids: &[&Value]) {
    let shown: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    says(
        server,
        "status/system",
        &json!({ "firmware_version": "1.0.0", "advertisements": shown, "timestamp": TIME }),
    );
}

fn content(server: &Server, title: &str, file_name: &str, bytes: &[u8]) -> Value {
    let upload = server.upload(file_name, bytes);
    let asked = json!({ "upload_id": upload, "product": PRODUCT, "title": title, "fit": "fill" });
    server.api.post("/contents", &asked).expect(201).json()
}

fn deploy(server: &Server, titles: &[&str]) -> i64 {
    let asked = json!({ "contents": titles, "target": { "devices": ["42"] } });
    server.api.post("/deployments", &asked).expect(201).json()["id"].as_i64().expect("an id")
}

/// The request that waits for the board.
fn request(server: &Server) -> Value {
    let args = ["-q", "1", "-t", TOPIC, "-C", "1"];
    let done = server.mosquitto_plain("mosquitto_sub", "42").args(args).run().ok();
    serde_json::from_str(&done.out).expect("JSON")
}

fn result(server: &Server, command: &Value) {
    says(
        server,
        "update/result",
        &json!({
            "command_id": command, "status": "SUCCESS", "message": "", "checksum_verified": true, "download_ms": 31_000,
            "timestamp": TIME,
        }),
    );
}

fn states(server: &Server, id: i64) -> Value {
    server.deployment(id)["progress"]["by_state"].clone()
}

fn finished(server: &Server, id: i64) -> Value {
    until("the deployment ends", || {
        let view = server.deployment(id);
        (view["state"] == "finished").then_some(view)
    })
}

#[test]
fn two_pictures_reach_an_old_boards_display_and_one_is_taken_away() {
    let mut server = Builder::default().plain("1..100").start();
    let product = json!({
        "name": PRODUCT, "chip": CHIP, "image_format": "esp-idf", "slot_size": SLOT,
        "display": { "width": DISPLAY.width, "height": DISPLAY.height, "color_depth": DISPLAY.color_depth },
    });
    server.api.post("/products", &product).expect(201);
    server.register_plain(&["42"]);
    let red = content(&server, "Red", "red.png", &png(0xf800));
    let blue = content(&server, "Blue", "blue.bin", &ready_binary(&DISPLAY, 0x001f));
    assert_eq!((&red["made"], &blue["made"]), (&json!("converted"), &json!("ready")));
    let thumbnail = server.api.call(&[], red["thumbnail_path"].as_str().expect("a path")).expect(200);
    assert!(thumbnail.body.starts_with(b"\x89PNG"), "{thumbnail:?}");
    let file = server.api.get("/contents/Red/file").expect(200).body;
    assert!(file == ready_binary(&DISPLAY, 0xf800), "every pixel is red, as LVGL has it");

    let both = deploy(&server, &["Red", "Blue"]);
    let asked = request(&server);
    let command = &asked["command_id"];
    assert!(command.as_str().is_some_and(|id| id.starts_with(&format!("AD-{both}-"))), "{asked}");
    let files = asked["contents"].as_array().expect("files");
    let ids: Vec<&Value> = files.iter().map(|f| &f["file_info"]["id"]).collect();
    assert_eq!(ids, [&red["artifact"], &blue["artifact"]], "in order");
    let sizes: i64 = files.iter().map(|f| f["file_info"]["size"].as_i64().expect("a size")).sum();
    assert_eq!(asked["total_size"], sizes);
    says(
        &server,
        "update/request/ack",
        &json!({ "command_id": command, "status": "ACKNOWLEDGED", "timestamp": TIME }),
    );
    for (n, (file, content)) in files.iter().zip([&red, &blue]).enumerate() {
        let url = file["signed_url"]["url"].as_str().expect("an address");
        assert!(url.contains(&format!("/{}.bin?", content["artifact"])), "{url}");
        let bytes = curl(&[url]).expect(200).body;
        let kept = server.api.get(&format!("/contents/id:{}/file", content["id"])).expect(200).body;
        assert!(bytes == kept);
        assert_eq!(
            (&file["file_info"]["file_hash"], &file["file_info"]["size"]),
            (&content["sha256"], &json!(bytes.len()))
        );
        let other_device = url.replace(".42&", ".43&");
        assert!(other_device != url, "{url}");
        curl(&[&other_device]).problem(403, "url_tampered");
        // Counted anew with each file, as boards do.
        says(
            &server,
            "update/progress",
            &json!({
                "command_id": command, "progress": 100, "downloaded_bytes": bytes.len(), "total_bytes": bytes.len(),
                "speed_kbps": 512, "timestamp": TIME,
            }),
        );
        assert_eq!(states(&server, both), json!({ "downloading": 1 }), "one file is not the set");
        result(&server, command);
        let expected = if n == 0 { "downloading" } else { "downloaded" };
        assert_eq!(states(&server, both), json!({ expected: 1 }));
    }
    // Killed here, it goes on where it was: what the board said is durable.
    server.crash();
    assert_eq!(states(&server, both), json!({ "downloaded": 1 }));
    shows(&server, &[&blue["artifact"], &red["artifact"]]);
    let ended = finished(&server, both);
    assert_eq!(ended["progress"]["by_state"], json!({ "succeeded": 1 }));
    let shown = server.api.get("/devices/42/contents").expect(200).json();
    let titles: Vec<&Value> =
        shown["shown"].as_array().expect("files").iter().map(|f| &f["content"]["title"]).collect();
    assert_eq!(titles, ["Red", "Blue"]);
    assert_eq!((&shown["mismatch"], &shown["deployment_id"]), (&json!(false), &json!(both)));
    let showing = |title: &str| {
        let list = server.api.list(&format!("/contents/{title}/devices"));
        list.iter().map(|d| d["key"].as_str().expect("a key").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((showing("Red"), showing("Blue")), (vec!["42".to_owned()], vec!["42".to_owned()]));

    let one = deploy(&server, &["Blue"]);
    let asked = request(&server);
    result(&server, &asked["command_id"]);
    shows(&server, &[&blue["artifact"]]);
    finished(&server, one);
    assert_eq!((showing("Red"), showing("Blue")), (vec![], vec!["42".to_owned()]));
    assert_eq!(server.api.get("/contents/Red").expect(200).json()["shown_by"], 0);

    // Somebody changed the memory card.
    shows(&server, &[&blue["artifact"], &json!(999_999)]);
    let flagged = server.api.list("/devices?contents_mismatch=true");
    assert_eq!(flagged.iter().map(|d| &d["key"]).collect::<Vec<_>>(), ["42"]);
    assert_eq!(server.api.get("/devices/counts").expect(200).json()["contents_mismatch"], 1);
    let shown = server.api.get("/devices/42/contents").expect(200).json();
    assert_eq!((&shown["mismatch"], &shown["shown"][1]), (&json!(true), &json!({ "artifact": 999_999 })));
    shows(&server, &[&blue["artifact"]]);
    assert_eq!(server.device("42")["contents_mismatch"], false);
    let history = server.api.list("/devices/42/content-history");
    let by: Vec<(&Value, usize)> =
        history.iter().map(|c| (&c["deployment_id"], c["shown"].as_array().expect("files").len())).collect();
    let (one, both, nobody) = (json!(one), json!(both), Value::Null);
    assert_eq!(by, [(&one, 1), (&nobody, 2), (&one, 1), (&both, 2)]);
    assert_eq!(server.api.list("/dead-letters"), Vec::<Value>::new());

    server.api.call(&["-X", "DELETE"], "/api/v1/contents/Red").problem(409, "content_in_use");
    server.kill();
}
