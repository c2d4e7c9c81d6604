//! Server-sent events over a real socket.

use std::time::Duration;

use argosy_domain::ports::DeviceEvents;
use argosy_proto::DeviceKey;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{TestServer, devices, firmware, pattern, raw_product};

const LIMIT: Duration = Duration::from_secs(20);

/// A follower that reads events as lines.
struct Follower(BufReader<TcpStream>);

impl Follower {
    async fn begin(server: &TestServer, session: &str, path: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncookie: argosy_session={session}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut follower = Self(BufReader::new(stream));
        assert!(follower.line().await.unwrap().starts_with("HTTP/1.1 200"));
        follower
    }

    /// The next line; `None` at the end.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(LIMIT, self.0.read_line(&mut line)).await.expect("a line in time").unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The data of the next event of this name; `None` at the end.
    async fn event(&mut self, name: &str) -> Option<Value> {
        let wanted = format!("event: {name}");
        while self.line().await? != wanted {}
        let data = self.line().await?;
        Some(serde_json::from_str(data.strip_prefix("data: ").expect("data")).unwrap())
    }

    async fn until_comment(&mut self) {
        while self.line().await.expect("a comment") != ": beat" {}
    }
}

async fn session(server: &TestServer) -> String {
    let login = json!({ "name": "admin", "password": crate::harness::PASSWORD });
    server.anyone().post("/api/v1/login", &login).await.expect(200).session()
}

#[tokio::test]
async fn a_follower_of_a_deployment_sees_it_now_then_its_changes_then_its_end() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    let made = firmware(&admin, "2.0.0", &pattern(1000)).await;
    devices(&admin, &["vm-1", "vm-2"]).await;
    let request = json!({ "firmware": made["id"], "target": { "all": true } });
    let id = admin.post("/api/v1/deployments", &request).await.expect(201).json()["id"].clone();
    let session = session(&server).await;
    let mut follower = Follower::begin(&server, &session, &format!("/api/v1/deployments/{id}/events")).await;
    let now = follower.event("deployment").await.expect("how it stands");
    assert_eq!(now["deployment"]["id"], id);
    admin.post(&format!("/api/v1/deployments/{id}/cancel"), &json!({})).await.expect(200);
    let mut last = now;
    while let Some(event) = follower.event("deployment").await {
        last = event;
    }
    assert_eq!(last["deployment"]["state"], "canceled");
    assert_eq!(last["deployment"]["progress"]["by_outcome"]["canceled"], 2);

    // One that comes afterwards sees the end and nothing else.
    let mut late = Follower::begin(&server, &session, &format!("/api/v1/deployments/{id}/events")).await;
    assert_eq!(late.event("deployment").await.expect("the end")["deployment"]["state"], "canceled");
    assert_eq!(late.event("deployment").await, None);
    admin.get("/api/v1/deployments/999/events").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_follower_of_devices_sees_them_come_and_go() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    devices(&admin, &["vm-1"]).await;
    let session = session(&server).await;
    let mut follower = Follower::begin(&server, &session, "/api/v1/devices/events").await;
    follower.until_comment().await;
    let key = DeviceKey::new("vm-1").unwrap();
    let number = server.link.connect(&key, server.engine.now());
    DeviceEvents::connected(&*server.engine, &key, number).await;
    loop {
        let event = follower.event("devices").await.expect("a change");
        if event["devices"][0]["online"] == true {
            assert_eq!((&event["devices"][0]["key"], &event["resync"]), (&json!("vm-1"), &json!(false)));
            break;
        }
    }
    server.supervisor.stop();
    while follower.line().await.is_some() {}
}
