//! Messages in both directions: when they are acknowledged, and that nothing waits for an absent device.

use std::sync::atomic::Ordering;

use argosy_domain::ports::{Delivery, DeviceLink, PortErrorKind};

use crate::client::{Connect, Packet, publish};
use crate::events::Event;
use crate::harness::{Setup, key, start};

#[tokio::test]
async fn a_message_is_acknowledged_only_when_it_is_durable() {
    let h = start().await;
    let mut device = h.device("dev-1").await;
    h.engine.durable.send_replace(false);
    device.publish("v1/dev-1/update/result", b"{}", 1).await;
    h.engine.holding.notified().await;
    // Another device gets its answer meanwhile: nothing is held up but the device itself.
    let mut other = h.device("dev-2").await;
    other.ping().await;
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), device.next()).await;
    assert!(early.is_err(), "acknowledged before it was durable: {early:?}");
    h.engine.durable.send_replace(true);
    assert_eq!(device.next().await, Packet::PubAck(1));
}

#[tokio::test]
async fn a_message_that_could_not_be_stored_is_not_acknowledged() {
    let h = start().await;
    let mut device = h.device("dev-1").await;
    h.engine.failing.store(true, Ordering::SeqCst);
    device.publish("v1/dev-1/hello", b"{}", 1).await;
    assert_eq!(device.next().await, Packet::Closed, "so that the device sends it again");
    h.engine.failing.store(false, Ordering::SeqCst);
    let mut device = h.device("dev-1").await;
    device.publish("v1/dev-1/hello", b"{}", 1).await;
    assert_eq!(device.next().await, Packet::PubAck(1));
    assert_eq!(h.engine.messages().len(), 1);
}

#[tokio::test]
async fn a_failed_qos_0_message_costs_no_connection() {
    let h = start().await;
    let mut device = h.device("dev-1").await;
    h.engine.failing.store(true, Ordering::SeqCst);
    device.publish("v1/dev-1/status/system", b"{}", 0).await;
    device.ping().await;
    assert_eq!(h.broker.metrics().ingest_failed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn messages_carry_what_they_came_with() {
    let h = Setup { plain: Some("1"), ..Setup::default() }.start().await;
    let mut device = h.plain_client().await;
    assert_eq!(device.connect(&Connect::new("1")).await, Some(0));
    // The retain flag is of no consequence, and a topic that the protocol does not know is the engine's to judge.
    device.send(&publish("v1/1/never/heard", b"a", 0, 0, true)).await;
    device.send(&publish("v1/1/test", b"b", 1, 7, true)).await;
    assert_eq!(device.next().await, Packet::PubAck(7));
    let message = |topic: &str, payload: &str, qos| Event::Message {
        key: "1".into(),
        topic: topic.into(),
        payload: payload.into(),
        qos,
        plain: true,
    };
    let log = h.engine.log();
    assert_eq!(log[1..], [message("v1/1/never/heard", "a", 0), message("v1/1/test", "b", 1)]);
}

#[tokio::test]
async fn qos_2_gets_its_handshake_with_the_promise_of_qos_1() {
    let h = start().await;
    let mut device = h.device("dev-1").await;
    device.send(&publish("v1/dev-1/test", b"x", 2, 5, false)).await;
    assert_eq!(device.next().await, Packet::PubRec(5));
    device.send(&[0x62, 2, 0, 5]).await;
    assert_eq!(device.next().await, Packet::PubComp(5));
    assert_eq!(h.engine.messages().len(), 1);
}

#[tokio::test]
async fn a_device_that_never_subscribed_is_reached() {
    let h = start().await;
    let mut device = h.device("dev-1").await;
    assert!(h.broker.is_connected(&key("dev-1")));
    assert_eq!(h.send("dev-1", "update/request/firmware", "{1}").await, Delivery::Sent);
    assert_eq!(h.send("dev-1", "update/cancel", "{2}").await, Delivery::Sent);
    assert_eq!(device.next_publish().await, ("v1/dev-1/update/request/firmware".to_owned(), b"{1}".to_vec()));
    assert_eq!(device.next_publish().await, ("v1/dev-1/update/cancel".to_owned(), b"{2}".to_vec()));
}

#[tokio::test]
async fn only_the_devices_own_downward_topics_are_sent() {
    let h = start().await;
    let _device = h.device("dev-1").await;
    for topic in ["v1/dev-2/update/cancel", "v1/dev-1/hello", "v1/dev-1/+", "x"] {
        let error = h.broker.publish(&key("dev-1"), topic.to_owned(), "{}".into(), 60).await.unwrap_err();
        assert_eq!(error.kind, PortErrorKind::Internal, "{topic}");
    }
}

#[tokio::test]
async fn nothing_waits_for_a_device_with_a_persistent_session_that_is_away() {
    let h = start().await;
    let connect = Connect::new("dev-1").persistent();
    let mut device = h.device_with(&connect).await;
    assert_eq!(device.subscribe("v1/dev-1/#").await, 1);
    // Sent, but never acknowledged: a broker would repeat it after the reconnect.
    assert_eq!(h.send("dev-1", "update/request/firmware", "{unacknowledged}").await, Delivery::Sent);
    assert!(matches!(device.next().await, Packet::Publish { .. }));
    drop(device);
    h.engine.until_gone("dev-1", 1).await;
    assert!(!h.broker.is_connected(&key("dev-1")));
    assert_eq!(h.send("dev-1", "update/request/firmware", "{away}").await, Delivery::Offline);
    assert_eq!(h.send("dev-1", "update/cancel", "{away}").await, Delivery::Offline);

    let mut device = h.device_with(&connect).await;
    assert_eq!(h.send("dev-1", "hello/ack", "{fresh}").await, Delivery::Sent);
    assert_eq!(device.next_publish().await, ("v1/dev-1/hello/ack".to_owned(), b"{fresh}".to_vec()));
}

#[tokio::test]
async fn nothing_unacknowledged_moves_to_the_connection_that_takes_over() {
    let h = start().await;
    let connect = Connect::new("dev-1").persistent();
    let mut old = h.device_with(&connect).await;
    for n in 0..20 {
        assert_eq!(h.send("dev-1", "update/request/firmware", &format!("{{{n}}}")).await, Delivery::Sent);
    }
    assert!(matches!(old.next().await, Packet::Publish { .. }));
    let mut new = h.device_with(&connect).await;
    h.send("dev-1", "update/cancel", "{fresh}").await;
    assert_eq!(new.next_publish().await, ("v1/dev-1/update/cancel".to_owned(), b"{fresh}".to_vec()));
}

#[tokio::test]
async fn a_device_that_acknowledges_nothing_is_not_fed_for_ever() {
    let limits = argosy_mqtt::embedded::Limits { max_unacknowledged: 4, ..Default::default() };
    let h = Setup { limits, plain: None }.start().await;
    let mut device = h.device("dev-1").await;
    for n in 0..4 {
        assert_eq!(h.send("dev-1", "update/request/firmware", &n.to_string()).await, Delivery::Sent);
    }
    let topic = || "v1/dev-1/update/cancel".to_owned();
    let error = h.broker.publish(&key("dev-1"), topic(), "x".into(), 60).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    // It acknowledges one: there is room for one.
    device.next_publish().await;
    let mut sent = 0;
    h.until("room", |h| {
        let link = h.broker.metrics();
        link.published.load(Ordering::Relaxed) == 4
    })
    .await;
    for _ in 0..1000 {
        if h.broker.publish(&key("dev-1"), topic(), "x".into(), 60).await.is_ok() {
            sent += 1;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(sent, 1);
}
