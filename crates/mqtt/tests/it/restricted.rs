//! Sessions that may not do everything: devices that are not registered, and certificates that have ended.

use std::sync::atomic::Ordering;

use argosy_domain::ports::{Delivery, DeviceLink, Rights};

use crate::client::{Connect, Packet};
use crate::harness::{key, start};
use crate::pki;

#[tokio::test]
async fn an_unregistered_device_is_heard_on_two_topics_and_stays_connected_on_others() {
    let h = start().await;
    h.engine.restricted.lock().insert("dev-1".to_owned(), Rights::RegistrationAndRenewal);
    let mut device = h.device("dev-1").await;
    assert_eq!(device.subscribe("v1/dev-1/#").await, 1, "an old board takes a refusal for a broken server");
    device.publish("v1/dev-1/status/system", b"{}", 1).await;
    assert_eq!(
        device.next().await,
        Packet::PubAck(1),
        "MQTT 3 allows no more than this or the end of the connection"
    );
    device.publish("v1/dev-1/regist", b"{}", 2).await;
    assert_eq!(device.next().await, Packet::PubAck(2));
    device.publish("v1/dev-1/cert/request", b"{}", 3).await;
    assert_eq!(device.next().await, Packet::PubAck(3));
    let topics: Vec<String> = h.engine.messages().into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(topics, ["v1/dev-1/regist", "v1/dev-1/cert/request"]);
    assert_eq!(h.broker.metrics().publish_restricted.load(Ordering::Relaxed), 1);

    assert_eq!(h.send("dev-1", "update/request/firmware", "{}").await, Delivery::Offline);
    assert_eq!(h.send("dev-1", "regist/ack", "yes").await, Delivery::Sent);
    assert_eq!(device.next_publish().await, ("v1/dev-1/regist/ack".to_owned(), b"yes".to_vec()));

    assert!(h.broker.raise_rights(&key("dev-1")));
    assert!(!h.broker.raise_rights(&key("dev-1")), "it has them");
    device.publish("v1/dev-1/status/system", b"{}", 4).await;
    h.engine.until_message("v1/dev-1/status/system").await;
    assert_eq!(h.broker.session(&key("dev-1")).await.map(|s| s.rights), Some(Rights::Full));
}

#[tokio::test]
async fn an_ended_certificate_renews_and_nothing_else_and_registration_does_not_raise_it() {
    let h = start().await;
    h.engine.restricted.lock().insert("dev-1".to_owned(), Rights::RenewalOnly);
    let mut device = h.device_with(&Connect::new("dev-1").will("v1/dev-1/test", b"bye")).await;
    device.publish("v1/dev-1/regist", b"{}", 1).await;
    assert_eq!(device.next().await, Packet::PubAck(1));
    device.publish("v1/dev-1/cert/request", b"{}", 2).await;
    assert_eq!(device.next().await, Packet::PubAck(2));
    assert_eq!(h.send("dev-1", "regist/ack", "no").await, Delivery::Offline);
    assert_eq!(h.send("dev-1", "cert/request/ack", "yes").await, Delivery::Sent);
    assert!(!h.broker.raise_rights(&key("dev-1")));
    drop(device);
    h.engine.until_gone("dev-1", 1).await;
    let topics: Vec<String> = h.engine.messages().into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(topics, ["v1/dev-1/cert/request"], "nor is its will taken");
}

#[tokio::test]
async fn a_revoked_certificate_is_cut_and_another_one_of_the_device_is_not() {
    let h = start().await;
    let (old, new) = (h.devices.device("dev-1", 0x41), h.devices.device("dev-1", 0x42));
    let mut device = h.open(&new).await;
    assert_eq!(device.connect(&Connect::new("dev-1")).await, Some(0));
    h.engine.until_connections("dev-1", 1).await;
    assert!(!h.broker.kick_certificate(&key("dev-1"), &pki::serial(&old)).await);
    device.ping().await;
    assert!(h.broker.kick_certificate(&key("dev-1"), &pki::serial(&new)).await);
    assert_eq!(device.next().await, Packet::Closed);
}
