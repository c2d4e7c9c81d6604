//! What the engine hears of connections: in order, once, and right under take-over, kick and stop.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use argosy_domain::ports::{Delivery, DeviceLink};
use tokio::io::AsyncWriteExt;

use crate::client::{Connect, Packet};
use crate::events::Engine;
use crate::harness::{Setup, key, start};

/// Every connection came before it went, and the next came after the last went.
fn assert_ordered(engine: &Engine, device: &str) {
    let presence = engine.presence(device);
    let mut highest = 0;
    let mut there = None;
    for (number, came) in &presence {
        if *came {
            assert_eq!(there, None, "{presence:?}");
            assert!(*number > highest, "{presence:?}");
            (highest, there) = (*number, Some(*number));
        } else {
            assert_eq!(there, Some(*number), "{presence:?}");
            there = None;
        }
    }
}

#[tokio::test]
async fn coming_and_going_is_told() {
    let h = start().await;
    let device = h.device("dev-1").await;
    h.engine.until_connections("dev-1", 1).await;
    assert_eq!(h.broker.metrics().connected.load(Ordering::Relaxed), 1);
    device.disconnect().await;
    h.engine.until_gone("dev-1", 1).await;
    assert_ordered(&h.engine, "dev-1");
    h.until("all closed", |h| h.broker.metrics().open.load(Ordering::Relaxed) == 0).await;
    assert_eq!(h.broker.metrics().connected.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_newer_connection_takes_over() {
    let h = start().await;
    let mut old = h.device("dev-1").await;
    let mut new = h.device("dev-1").await;
    assert_eq!(old.next().await, Packet::Closed);
    new.ping().await;
    assert!(h.broker.is_connected(&key("dev-1")));
    assert_ordered(&h.engine, "dev-1");
    assert_eq!(h.engine.presence("dev-1").len(), 3);
    assert_eq!(h.broker.sessions(None, "", 10).await.len(), 1);
    assert_eq!(h.broker.metrics().taken_over.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn presence_is_right_under_a_storm_of_take_overs() {
    let h = Arc::new(start().await);
    let mut tasks = tokio::task::JoinSet::new();
    let leaf = Arc::new(h.devices.device("dev-1", 7));
    for _ in 0..8 {
        let (h, leaf) = (h.clone(), leaf.clone());
        tasks.spawn(async move {
            for _ in 0..10 {
                let mut client = h.open(&leaf).await;
                let _ = client.connect(&Connect::new("dev-1")).await;
            }
        });
    }
    tasks.join_all().await;
    h.until("all closed", |h| h.broker.metrics().open.load(Ordering::Relaxed) == 0).await;
    h.until("all told", |h| h.engine.presence("dev-1").last().is_some_and(|(_, came)| !came)).await;
    assert_ordered(&h.engine, "dev-1");
    assert!(!h.broker.is_connected(&key("dev-1")));
    assert_eq!(h.broker.metrics().connected.load(Ordering::Relaxed), 0);
    h.until("no session left", |h| h.broker.held_sessions() == 0).await;

    let mut last = h.device("dev-1").await;
    last.ping().await;
    assert!(h.broker.is_connected(&key("dev-1")));
}

#[tokio::test]
async fn a_kick_cuts_the_connection() {
    let h = start().await;
    let mut device = h.device_with(&Connect::new("dev-1").will("v1/dev-1/test", b"will")).await;
    let begun = std::time::Instant::now();
    assert!(h.broker.kick(&key("dev-1")).await);
    assert_eq!(device.next().await, Packet::Closed);
    println!("kick to closed: {:?}", begun.elapsed());
    assert!(!h.broker.is_connected(&key("dev-1")));
    assert_eq!(h.send("dev-1", "update/cancel", "{}").await, Delivery::Offline);
    h.engine.until_gone("dev-1", 1).await;
    assert_eq!(h.engine.messages(), [], "a kicked device has no will");
    assert!(!h.broker.kick(&key("dev-1")).await);
}

#[tokio::test]
async fn a_kick_does_not_wait_for_a_message_that_is_being_stored() {
    let h = start().await;
    let mut device = h.device("dev-1").await;
    h.engine.durable.send_replace(false);
    device.publish("v1/dev-1/test", b"x", 1).await;
    h.engine.holding.notified().await;
    assert!(h.broker.kick(&key("dev-1")).await);
    assert_eq!(device.next().await, Packet::Closed);
    h.engine.until_gone("dev-1", 1).await;
    assert_eq!(h.engine.messages(), []);
}

#[tokio::test]
async fn a_device_that_is_suspended_while_it_connects_does_not_get_in() {
    let h = start().await;
    let (engine, broker) = (h.engine.clone(), h.broker.clone());
    // The registry has answered "yes"; before the answer arrives the device is suspended and kicked.
    *h.engine.before_answer.lock() = Some(Box::new(move || {
        Box::pin(async move {
            engine.suspended.lock().insert("dev-1".to_owned());
            broker.kick(&key("dev-1")).await;
        })
    }));
    let mut client = h.open(&h.devices.device("dev-1", 7)).await;
    assert_ne!(client.connect(&Connect::new("dev-1")).await, Some(0));
    assert!(!h.broker.is_connected(&key("dev-1")));
    assert_eq!(h.engine.presence("dev-1"), []);
}

#[tokio::test]
async fn a_device_that_leaves_after_its_connect_is_gone() {
    let h = Setup { plain: Some("1"), ..Setup::default() }.start().await;
    for _ in 0..50 {
        let mut client = h.plain_client().await;
        client.send(&Connect::new("1").bytes()).await;
        drop(client);
    }
    h.until("all closed", |h| h.broker.metrics().open.load(Ordering::Relaxed) == 0).await;
    h.until("all told", |h| h.engine.presence("1").len().is_multiple_of(2)).await;
    h.until("none connected", |h| h.broker.metrics().connected.load(Ordering::Relaxed) == 0).await;
    h.until("no session left", |h| h.broker.held_sessions() == 0).await;
    assert_ordered(&h.engine, "1");
    assert!(!h.broker.is_connected(&key("1")));
}

/// rmqtt forgets a session whose CONNACK cannot be written: nobody is told, and it stays in the table.
#[tokio::test]
async fn a_device_that_resets_before_its_connack_is_gone() {
    let h = Setup { plain: Some("1"), ..Setup::default() }.start().await;
    let (asked, on_asked) = tokio::sync::oneshot::channel();
    let (answer, on_answer) = tokio::sync::oneshot::channel::<()>();
    *h.engine.before_answer.lock() = Some(Box::new(move || {
        Box::pin(async move {
            let _ = asked.send(());
            let _ = on_answer.await;
        })
    }));
    let mut raw = tokio::net::TcpStream::connect(h.plain.unwrap()).await.unwrap();
    raw.set_zero_linger().unwrap();
    raw.write_all(&Connect::new("1").bytes()).await.unwrap();
    on_asked.await.unwrap();
    drop(raw);
    answer.send(()).unwrap();
    h.engine.until_gone("1", 1).await;
    h.until("all closed", |h| h.broker.metrics().open.load(Ordering::Relaxed) == 0).await;
    h.until("no session left", |h| h.broker.held_sessions() == 0).await;
    assert_ordered(&h.engine, "1");
    assert_eq!(h.broker.metrics().connected.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_stop_finishes_what_is_being_stored_and_tells_of_every_end() {
    let h = start().await;
    let mut device = h.device("dev-1").await;
    let mut idle = h.device_with(&Connect::new("dev-2").will("v1/dev-2/test", b"will")).await;
    h.engine.durable.send_replace(false);
    device.publish("v1/dev-1/update/result", b"{}", 1).await;
    h.engine.holding.notified().await;
    let engine = h.engine.clone();
    let (stopped, answer) = tokio::join!(h.stop(), async {
        assert_eq!(idle.next().await, Packet::Closed);
        engine.durable.send_replace(true);
        device.next().await
    });
    assert_eq!(answer, Packet::PubAck(1));
    assert_eq!(device.next().await, Packet::Closed);
    for device in ["dev-1", "dev-2"] {
        assert_ordered(&stopped, device);
        assert_eq!(stopped.presence(device).len(), 2, "{device}");
    }
    assert_eq!(stopped.messages().len(), 1, "no will at a stop of the server");
}
