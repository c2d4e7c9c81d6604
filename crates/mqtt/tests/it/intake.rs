//! Publishes that go past the broker's session: many of a device under way, their acknowledgements in order; and none without space.

use std::sync::atomic::Ordering;

use crate::client::Packet;
use crate::harness::start;

#[tokio::test]
async fn many_are_under_way_and_none_is_acknowledged_before_it_is_durable_and_then_all_in_order() {
    let h = start().await;
    h.engine.taking.store(true, Ordering::SeqCst);
    h.engine.durable.send_replace(false);
    let mut device = h.device("dev-1").await;
    for id in 1..=10 {
        device.publish("v1/dev-1/sales/data", b"{}", id).await;
    }
    h.engine.until("ten messages", |log| (log.len() >= 11).then_some(())).await;
    // The broker has read them all, reads on, and has acknowledged nothing: what comes first is the answer to the ping.
    device.ping().await;
    h.engine.durable.send_replace(true);
    for id in 1..=10 {
        assert_eq!(device.next().await, Packet::PubAck(id));
    }
}

#[tokio::test]
async fn without_space_nothing_is_acknowledged_and_the_device_stays() {
    let h = start().await;
    h.engine.taking.store(true, Ordering::SeqCst);
    h.engine.full.store(true, Ordering::SeqCst);
    let mut device = h.device("dev-1").await;
    device.publish("v1/dev-1/sales/data", b"{}", 1).await;
    device.publish("v1/dev-1/sales/data", b"{}", 2).await;
    h.engine.until("two messages", |log| (log.len() >= 3).then_some(())).await;
    device.ping().await;
    h.engine.full.store(false, Ordering::SeqCst);
    device.publish("v1/dev-1/update/progress", b"{}", 3).await;
    assert_eq!(device.next().await, Packet::PubAck(3), "what can be kept is taken");
    device.ping().await;
    assert_eq!(h.broker.metrics().ingest_failed.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_device_whose_publishes_never_reach_the_session_is_alive_for_it() {
    let h = start().await;
    h.engine.taking.store(true, Ordering::SeqCst);
    let mut device = h.device("dev-1").await;
    for id in 1..=5 {
        device.publish("v1/dev-1/test", br#"{"message":"x"}"#, id).await;
        assert_eq!(device.next().await, Packet::PubAck(id));
    }
    // The sign of life that the session gets is nothing that the device hears.
    device.ping().await;
}
