//! What a bad caller gets, and what it cannot do to others.

use std::time::Duration;

use argosy_http::MinimumRate;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Builder, TestServer, firmware, pattern, raw_product};

const LIMIT: Duration = Duration::from_secs(20);

async fn metrics(server: &TestServer) -> String {
    let admin = server.admin_again().await;
    String::from_utf8(admin.get("/metrics").await.expect(200).body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_body_that_is_not_understood_is_a_problem_that_says_where() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let post = |body: &'static str| {
        let admin = admin.clone();
        async move {
            admin.send(hyper::Method::POST, "/api/v1/groups", Some("application/json"), body.into()).await
        }
    };
    let said = [
        post("{\"name\": ").await.problem(400, "bad_request"),
        post("{\"nmae\": \"x\"}").await.problem(422, "invalid"),
        post("").await.problem(422, "invalid"),
        post("{\"name\": 5}").await.problem(400, "bad_request"),
        admin
            .send(hyper::Method::POST, "/api/v1/groups", Some("text/plain"), "{}".into())
            .await
            .problem(415, "unsupported_media_type"),
        admin.get("/api/v1/nonsense").await.problem(404, "not_found"),
        admin.delete("/api/v1/groups").await.problem(405, "method_not_allowed"),
    ];
    insta::assert_json_snapshot!(said);
}

#[tokio::test]
async fn an_oversized_body_is_refused() {
    let mut builder = Builder::default();
    builder.api.max_body = 10_000;
    let server = builder.start().await;
    let admin = server.admin().await;
    let large = json!({ "name": "x".repeat(10_000) });
    admin.post("/api/v1/groups", &large).await.problem(413, "too_large");
    admin.post("/api/v1/groups", &json!({ "name": "x" })).await.expect(201);
}

#[tokio::test]
async fn a_reader_that_takes_nothing_loses_its_connection_and_its_slot() {
    let mut builder = Builder::default();
    builder.limits.minimum_rate = MinimumRate { window: Duration::from_millis(200), bytes_per_s: 0 };
    builder.limits.send_buffer = Some(4096);
    let server = builder.start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    let made = firmware(&admin, "1.0.0", &pattern(4_000_000)).await;
    let given = admin.get(&format!("/api/v1/firmware/{}/download-url", made["id"])).await.expect(200).json();
    let token = admin.post("/api/v1/tokens", &json!({ "name": "t" })).await.expect(201).json();
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "GET {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        given["path"].as_str().unwrap(),
        token["token"].as_str().unwrap(),
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    server
        .eventually("the slow reader is cut off", || async {
            let text = metrics(&server).await;
            text.contains("argosy_http_slow_readers_total 1\n") && text.contains("argosy_downloads_open 0\n")
        })
        .await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let mut builder = Builder::default();
    builder.limits.idle_timeout = Duration::from_millis(100);
    let server = builder.start().await;
    for words in ["", "GET /healthz HTT"] {
        let mut silent = TcpStream::connect(server.address).await.unwrap();
        silent.write_all(words.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        timeout(LIMIT, silent.read_to_end(&mut rest)).await.expect("closed in time").unwrap();
    }
    server.anyone().get("/healthz").await.expect(200);
}

#[tokio::test]
async fn at_shutdown_a_request_in_hand_is_finished_and_idle_connections_end() {
    let server = TestServer::start().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    server.supervisor.stop();
    let mut rest = Vec::new();
    timeout(LIMIT, idle.read_to_end(&mut rest)).await.expect("closed in time").unwrap();
    assert!(timeout(LIMIT, server.supervisor.finish(LIMIT)).await.expect("all tasks end").is_none());
    assert!(TcpStream::connect(server.address).await.is_err(), "the listener is closed");
}
