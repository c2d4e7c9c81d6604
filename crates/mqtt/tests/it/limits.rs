//! Silence, size, number and rate.

use std::sync::atomic::Ordering;
use std::time::Duration;

use argosy_mqtt::Refused;
use argosy_mqtt::embedded::{Limits, RateLimit};
use proptest::prelude::Rng;

use crate::client::{Connect, Packet};
use crate::harness::Setup;

fn impatient() -> Limits {
    Limits { connect_timeout: Duration::from_millis(300), ..Limits::default() }
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let h = Setup { limits: impatient(), plain: Some("1") }.start().await;
    let timeouts =
        |h: &crate::harness::Harness| h.broker.metrics().handshake_timeouts.load(Ordering::Relaxed);
    // Plain; TCP only on the TLS port; after the TLS handshake.
    assert_eq!(h.plain_client().await.next().await, Packet::Closed);
    assert_eq!(crate::client::Client::plain(h.mtls).await.next().await, Packet::Closed);
    assert_eq!(h.open(&h.devices.device("dev-1", 7)).await.next().await, Packet::Closed);
    h.until("counted", |h| timeouts(h) == 3).await;
    h.until("all closed", |h| h.broker.metrics().open.load(Ordering::Relaxed) == 0).await;
}

#[tokio::test]
async fn a_connect_that_drips_is_closed_too() {
    let h = Setup { limits: impatient(), plain: Some("1") }.start().await;
    let bytes = Connect::new("1").bytes();
    // Cut within the fixed header, before the version is known, and after.
    for cut in [1, 8, bytes.len() - 1] {
        let mut client = h.plain_client().await;
        client.send(&bytes[..cut]).await;
        let answer = client.next().await;
        assert!(matches!(answer, Packet::Closed | Packet::ConnAck { code: 3, .. }), "{cut}: {answer:?}");
    }
    h.until("all closed", |h| h.broker.metrics().open.load(Ordering::Relaxed) == 0).await;
    assert_eq!(h.engine.log(), []);
}

#[tokio::test]
async fn what_is_no_connect_is_closed_at_once() {
    let h = Setup { plain: Some("1"), ..Setup::default() }.start().await;
    let junk: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\n\r\n", &[0x30, 2, 0, 0], &[0x10, 0xff, 0xff, 0xff, 0xff, 0xff], &[0xc0, 0]];
    for junk in junk {
        let mut client = h.plain_client().await;
        client.send(junk).await;
        assert_eq!(client.next().await, Packet::Closed, "{junk:?}");
    }
    h.until("counted", |h| h.broker.metrics().connect_failed.load(Ordering::Relaxed) == 4).await;
}

#[tokio::test]
async fn a_device_that_stops_pinging_is_closed() {
    let h = Setup { plain: Some("1"), ..Setup::default() }.start().await;
    let mut client = h.plain_client().await;
    let connect = Connect { keepalive: 1, ..Connect::new("1") };
    assert_eq!(client.connect(&connect).await, Some(0));
    assert_eq!(client.next().await, Packet::Closed);
    h.engine.until_gone("1", 1).await;
}

#[tokio::test]
async fn a_device_without_keepalive_gets_one() {
    let limits = Limits { max_keepalive: Duration::from_secs(1), ..Limits::default() };
    let h = Setup { limits, plain: Some("1") }.start().await;
    for keepalive in [0, 3600] {
        let mut client = h.plain_client().await;
        assert_eq!(client.connect(&Connect { keepalive, ..Connect::new("1") }).await, Some(0));
        assert_eq!(client.next().await, Packet::Closed);
    }
}

#[tokio::test]
async fn an_oversized_payload_closes_only_its_own_connection() {
    let limits = Limits { max_payload: 10_000, ..Limits::default() };
    let h = Setup { limits, plain: None }.start().await;
    let mut other = h.device("dev-2").await;
    // A little over, within what the packet limit lets through, and far over.
    for size in [10_001, 200_000] {
        let mut device = h.device("dev-1").await;
        device.publish("v1/dev-1/status/error_log", &vec![b'x'; size], 1).await;
        assert_eq!(device.next().await, Packet::Closed, "{size}");
    }
    let mut device = h.device("dev-1").await;
    device.publish("v1/dev-1/status/error_log", &vec![b'x'; 10_000], 1).await;
    assert_eq!(device.next().await, Packet::PubAck(1));
    assert_eq!(h.engine.messages().len(), 1);
    other.ping().await;
}

#[tokio::test]
async fn no_more_connections_than_allowed() {
    let limits = Limits { max_connections: 2, ..Limits::default() };
    let h = Setup { limits, plain: Some("1..9") }.start().await;
    let mut first = h.plain_client().await;
    assert_eq!(first.connect(&Connect::new("1")).await, Some(0));
    let mut second = h.plain_client().await;
    assert_eq!(second.connect(&Connect::new("2")).await, Some(0));
    assert_eq!(h.plain_client().await.next().await, Packet::Closed);
    assert_eq!(h.broker.metrics().refusals(Refused::TooManyConnections), 1);
    first.ping().await;
    second.disconnect().await;
    h.until("room", |h| h.broker.metrics().open.load(Ordering::Relaxed) == 1).await;
    let mut third = h.plain_client().await;
    assert_eq!(third.connect(&Connect::new("3")).await, Some(0));
}

#[tokio::test]
async fn a_device_over_its_rate_is_slowed_down_and_then_closed() {
    let rate = RateLimit { per_second: 20.0, burst: 5, patience: Duration::from_millis(500) };
    let h = Setup { limits: Limits { rate, ..Limits::default() }, plain: None }.start().await;
    let mut other = h.device("dev-2").await;
    let mut device = h.device("dev-1").await;
    for id in 1..=200 {
        device.publish("v1/dev-1/test", b"x", id).await;
    }
    let mut taken = 0;
    while device.next().await != Packet::Closed {
        taken += 1;
    }
    // The burst, and the rate for as long as patience lasts (which begins when the burst is used up).
    assert!((5..=20).contains(&taken), "{taken}");
    let metrics = h.broker.metrics();
    assert_eq!(metrics.throttle_closed.load(Ordering::Relaxed), 1);
    assert!(metrics.throttled.load(Ordering::Relaxed) >= 5);
    other.ping().await;
}

#[tokio::test]
async fn pings_and_subscriptions_are_charged_too() {
    let rate = RateLimit { per_second: 50.0, burst: 5, patience: Duration::from_millis(300) };
    let h = Setup { limits: Limits { rate, ..Limits::default() }, plain: None }.start().await;
    let mut device = h.device("dev-1").await;
    device.send(&[0xc0, 0].repeat(500)).await;
    let mut pings = 0;
    while device.next().await != Packet::Closed {
        pings += 1;
    }
    assert!(pings < 100, "{pings}");
}

/// What a hostile device sends after its CONNECT harms nobody else, whatever it is.
#[tokio::test]
async fn garbage_ends_only_its_own_connection() {
    let h = Setup { plain: Some("1..500"), ..Setup::default() }.start().await;
    let mut bystander = h.device("dev-1").await;
    let mut random =
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    for n in 1..=300u32 {
        let mut client = h.plain_client().await;
        assert_eq!(client.connect(&Connect::new(&n.to_string())).await, Some(0));
        let mut garbage = vec![0; 64];
        random.fill_bytes(&mut garbage);
        // Half of it begins like a packet of some type, with a length that holds.
        if n % 2 == 0 {
            garbage[1] = 30;
        }
        client.send(&garbage).await;
        drop(client);
    }
    h.until("all closed", |h| h.broker.metrics().open.load(Ordering::Relaxed) == 1).await;
    h.until("no session left", |h| h.broker.held_sessions() == 1).await;
    bystander.ping().await;
    for n in 1..=300u32 {
        assert_eq!(h.engine.presence(&n.to_string()).len(), 2, "{n}");
    }
}
