//! Dead letters and the audit trail.

use argosy_domain::ports::{DeviceEvents, Door, InboundMessage};
use argosy_proto::DeviceKey;
use bytes::Bytes;

use crate::harness::{TestServer, devices, raw_product};

#[tokio::test]
async fn what_was_done_and_by_whom_is_kept() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    devices(&admin, &["vm-1"]).await;
    let audit = admin.get("/api/v1/audit?limit=2").await.expect(200);
    insta::assert_json_snapshot!(audit.shown());
    let all = admin.get("/api/v1/audit").await.expect(200);
    assert!(
        !String::from_utf8_lossy(&all.body).contains("battery"),
        "a password is no matter of the audit trail"
    );
}

#[tokio::test]
async fn a_message_that_is_not_understood_is_listed() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    devices(&admin, &["vm-1"]).await;
    let message = InboundMessage {
        key: DeviceKey::new("vm-1").unwrap(),
        topic: "v1/vm-1/update/progress".to_owned(),
        payload: Bytes::from_static(b"{\"progress\": \xff"),
        qos: 1,
        door: Door::Mtls,
        certificate: None,
    };
    DeviceEvents::message(&*server.engine, message).await.unwrap();
    let listed = admin.get("/api/v1/dead-letters").await.expect(200);
    insta::assert_json_snapshot!(listed.shown());
    let count =
        async |path: &str| admin.get(path).await.expect(200).json()["items"].as_array().unwrap().len();
    assert_eq!(count("/api/v1/dead-letters?device=vm-1").await, 1);
    assert_eq!(count("/api/v1/dead-letters?device=vm-2").await, 0);
    assert_eq!(count("/api/v1/audit?action=product.create&actor=token%3Atest").await, 1);
    assert_eq!(count("/api/v1/audit?subject=product%3Anobody").await, 0);
}
