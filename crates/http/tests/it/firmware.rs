//! Uploads and firmware.

use argosy_domain::testing::esp_image_of_size;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{Builder, Client, TestServer, firmware, pattern, raw_product};

#[tokio::test]
async fn a_file_is_uploaded_registered_changed_and_removed() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    let asked = admin
        .post("/api/v1/uploads", &json!({ "file_name": "app.bin", "size": 5000 }))
        .await
        .expect(201)
        .json();
    let path = asked["upload_path"].as_str().unwrap();
    assert_eq!(asked["upload_url"], format!("http://{}{path}", server.address));
    let early = json!({ "upload_id": asked["id"], "product": "kiosk", "version": "1.0.0" });
    admin.post("/api/v1/firmware", &early).await.problem(409, "upload_incomplete");
    let received = admin.put_bytes(path, pattern(5000)).await.expect(200).json();
    assert_eq!(received["size"], 5000);

    let made = admin.post("/api/v1/firmware", &early).await.expect(201);
    insta::assert_json_snapshot!(made.shown());
    let made = made.json();
    assert_eq!(made["sha256"], received["sha256"]);
    let at = format!("/api/v1/firmware/{}", made["id"]);
    assert_eq!(admin.get(&at).await.expect(200).json(), made);
    assert_eq!(
        admin.get("/api/v1/firmware?product=kiosk&search=1.0").await.expect(200).json()["items"],
        json!([made])
    );

    let changed =
        admin.patch(&at, &json!({ "state": "withdrawn", "release_notes": "bad" })).await.expect(200).json();
    assert_eq!((&changed["state"], &changed["release_notes"]), (&json!("withdrawn"), &json!("bad")));
    admin.patch(&at, &json!({ "state": "released" })).await.problem(409, "firmware_state");
    admin.delete(&at).await.expect(204);
    admin.get(&at).await.problem(404, "not_found");
}

#[tokio::test]
async fn the_same_version_and_file_name_is_refused() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    firmware(&admin, "1.0.0", &pattern(100)).await;
    let upload = admin.post("/api/v1/uploads", &json!({ "file_name": "app.bin" })).await.expect(201).json();
    admin.put_bytes(upload["upload_path"].as_str().unwrap(), pattern(200)).await.expect(200);
    let same = json!({ "upload_id": upload["id"], "product": "kiosk", "version": "1.0.0" });
    insta::assert_json_snapshot!(admin.post("/api/v1/firmware", &same).await.problem(409, "firmware_exists"));
    let other =
        json!({ "upload_id": upload["id"], "product": "kiosk", "version": "1.0.0", "file_name": "b.bin" });
    admin.post("/api/v1/firmware", &other).await.expect(201);
}

#[tokio::test]
async fn a_bad_image_is_refused_with_what_is_wrong() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let product = json!({ "name": "vm", "chip": "esp32s3", "image_format": "esp-idf", "slot_size": 100_000 });
    admin.post("/api/v1/products", &product).await.expect(201);
    let good = esp_image_of_size("esp32s3", 50_000, 1, "vm", "2.0.0");
    let (mut corrupt, mut cut) = (good.clone(), good.clone());
    corrupt[30_000] ^= 1;
    cut.truncate(40_000);
    let too_large = esp_image_of_size("esp32s3", 100_016, 1, "vm", "2.0.0");
    let other_chip = esp_image_of_size("esp32c3", 50_000, 1, "vm", "2.0.0");
    let mut said = Vec::new();
    for image in [pattern(1000), corrupt, cut, too_large, other_chip] {
        said.push(register(&admin, image).await.problem(422, "invalid")["detail"].clone());
    }
    insta::assert_json_snapshot!(said);
    let made = register(&admin, good).await.expect(201).json();
    insta::assert_json_snapshot!(made["image"]);
}

async fn register(admin: &Client, image: Vec<u8>) -> crate::harness::Answer {
    let upload = admin.post("/api/v1/uploads", &json!({ "file_name": "vm.bin" })).await.expect(201).json();
    admin.put_bytes(upload["upload_path"].as_str().unwrap(), image).await.expect(200);
    let request = json!({ "upload_id": upload["id"], "product": "vm", "version": "2.0.0" });
    admin.post("/api/v1/firmware", &request).await
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_and_while_it_comes() {
    let mut builder = Builder::default();
    builder.engine.max_upload_bytes = 1000;
    let server = builder.start().await;
    let admin = server.admin().await;
    let asked = json!({ "file_name": "app.bin", "size": 1001 });
    admin.post("/api/v1/uploads", &asked).await.problem(413, "too_large");
    let upload = admin.post("/api/v1/uploads", &json!({ "file_name": "app.bin" })).await.expect(201).json();
    let path = upload["upload_path"].as_str().unwrap();
    admin.put_bytes(path, pattern(1001)).await.problem(413, "too_large");
    admin.put_bytes(path, Vec::new()).await.problem(422, "invalid");
    admin.put_bytes("/api/v1/uploads/nonsense", pattern(10)).await.problem(404, "not_found");
    admin.put_bytes(path, pattern(1000)).await.expect(200);
    assert_eq!(server.engine.blobs().staged().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_upload_that_is_cut_off_leaves_nothing() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let upload = admin.post("/api/v1/uploads", &json!({ "file_name": "app.bin" })).await.expect(201).json();
    let token = admin.post("/api/v1/tokens", &json!({ "name": "t" })).await.expect(201).json();
    for framing in
        ["content-length: 5000\r\n\r\nsome bytes", "transfer-encoding: chunked\r\n\r\nff\r\nsome bytes"]
    {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "PUT {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{framing}",
            upload["upload_path"].as_str().unwrap(),
            token["token"].as_str().unwrap(),
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        drop(stream);
    }
    server
        .eventually("the connections end", || async {
            let metrics = admin.get("/metrics").await.expect(200);
            String::from_utf8_lossy(&metrics.body).contains("argosy_http_connections_open 1\n")
        })
        .await;
    assert!(server.engine.blobs().staged().await.unwrap().is_empty());
}
