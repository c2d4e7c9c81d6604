//! Who may connect, and what a device may touch.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use argosy_domain::ports::{DeviceLink, Door};
use argosy_mqtt::Refused;
use argosy_mqtt::embedded::{BindError, PlainListener};

use crate::client::{Client, Connect, Packet};
use crate::harness::{Setup, key, start};
use crate::pki::{self, Authority};

const TLS13: [&rustls::SupportedProtocolVersion; 1] = [&rustls::version::TLS13];
const TLS12: [&rustls::SupportedProtocolVersion; 1] = [&rustls::version::TLS12];
/// CONNACK: not authorised.
const DENIED: u8 = 5;

#[tokio::test]
async fn a_device_reaches_its_own_topics() {
    let h = start().await;
    let mut device = h.device("dev-1").await;
    device.publish("v1/dev-1/hello", b"{}", 1).await;
    assert_eq!(device.next().await, Packet::PubAck(1));
    assert_eq!(h.engine.until_message("v1/dev-1/hello").await, "{}");
    assert_eq!(device.subscribe("v1/dev-1/#").await, 1);
    assert_eq!(device.subscribe("v1/dev-1/update/+/firmware").await, 1);
    device.ping().await;
}

#[tokio::test]
async fn a_foreign_topic_closes_the_connection_and_reaches_nobody() {
    let h = start().await;
    let mut victim = h.device("dev-2").await;
    for topic in
        ["v1/dev-2/hello", "v1/dev-10/hello", "v1/dev-1", "v1/dev-1/", "$SYS/x", "v1/dev-1/a/#", "hello"]
    {
        let mut device = h.device("dev-1").await;
        device.publish(topic, b"{}", 1).await;
        assert_eq!(device.next().await, Packet::Closed, "{topic}");
    }
    assert_eq!(h.engine.messages(), []);
    victim.ping().await;
}

#[tokio::test]
async fn a_foreign_filter_is_refused() {
    let h = start().await;
    let mut device = h.device("dev-1").await;
    for filter in ["v1/dev-2/#", "v1/+/hello", "#", "+/dev-1/#", "$share/g/v1/dev-1/#", "$SYS/#", "v1/dev-1#"]
    {
        assert_eq!(device.subscribe(filter).await, 0x80, "{filter}");
    }
    let session = h.broker.session(&key("dev-1")).await.unwrap();
    assert!(session.subscriptions.iter().all(|f| f.starts_with("v1/dev-1/")), "{:?}", session.subscriptions);
}

#[tokio::test]
async fn what_a_device_says_reaches_no_other_device() {
    let h = start().await;
    let mut device = h.device("dev-1").await;
    assert_eq!(device.subscribe("v1/dev-1/#").await, 1);
    device.publish("v1/dev-1/test", b"mine", 1).await;
    // Not even itself: what comes next is the acknowledgement, and then what the server sends.
    assert_eq!(device.next().await, Packet::PubAck(1));
    h.send("dev-1", "hello/ack", "server").await;
    assert_eq!(device.next_publish().await, ("v1/dev-1/hello/ack".to_owned(), b"server".to_vec()));
}

#[tokio::test]
async fn no_certificate_or_a_foreign_one_gets_no_handshake() {
    let h = start().await;
    let stranger = Authority::new("somebody else").device("dev-1", 7);
    for leaf in [None, Some(&stranger), Some(&h.servers.server(9))] {
        for versions in [TLS13, TLS12] {
            let client = Client::tls(h.mtls, h.servers.client(leaf, &versions)).await;
            // With TLS 1.3 a client learns of it only when it reads.
            if let Ok(mut client) = client {
                assert_eq!(client.connect(&Connect::new("dev-1")).await, None);
            }
        }
    }
    h.until("handshakes counted", |h| h.broker.metrics().tls_failed.load(Ordering::Relaxed) >= 6).await;
    assert_eq!(h.engine.log(), []);
}

#[tokio::test]
async fn the_registry_decides_by_certificate() {
    let h = start().await;
    let leaf = h.devices.device("dev-1", 0x1234);
    h.engine.revoked.lock().insert(pki::serial(&leaf));
    assert_eq!(h.open(&leaf).await.connect(&Connect::new("dev-1")).await, Some(DENIED));
    let other = h.devices.device("dev-1", 0x1235);
    assert_eq!(h.open(&other).await.connect(&Connect::new("dev-1")).await, Some(0));
    assert_eq!(h.open(&other).await.connect(&Connect::new("dev-2")).await, Some(DENIED));
    assert_eq!(h.broker.metrics().refusals(Refused::Revoked), 1);
    assert_eq!(h.broker.metrics().refusals(Refused::WrongClientId), 1);
    h.engine.suspended.lock().insert("dev-1".to_owned());
    assert_eq!(h.open(&other).await.connect(&Connect::new("dev-1")).await, Some(DENIED));
}

#[tokio::test]
async fn a_registry_that_cannot_be_asked_denies_nobody_for_good() {
    let h = start().await;
    h.engine.unavailable.store(true, Ordering::SeqCst);
    let leaf = h.devices.device("dev-1", 7);
    assert_eq!(h.open(&leaf).await.connect(&Connect::new("dev-1")).await, None, "closed without an answer");
    h.engine.unavailable.store(false, Ordering::SeqCst);
    assert_eq!(h.open(&leaf).await.connect(&Connect::new("dev-1")).await, Some(0));
}

#[tokio::test]
async fn imported_identities_with_one_client_id_do_not_disturb_each_other() {
    let h = start().await;
    let leaves = [h.devices.device("ESP32", 21), h.devices.device("ESP32", 22)];
    for (leaf, key) in leaves.iter().zip(["1", "2"]) {
        h.engine.imported.lock().insert(pki::serial(leaf), key.to_owned());
    }
    let mut clients = Vec::new();
    for leaf in &leaves {
        let mut client = h.open(leaf).await;
        assert_eq!(client.connect(&Connect::new("ESP32")).await, Some(0));
        clients.push(client);
    }
    for (client, key) in clients.iter_mut().zip(["1", "2"]) {
        client.publish(&format!("v1/{key}/test"), b"x", 1).await;
        assert_eq!(client.next().await, Packet::PubAck(1));
        h.send(key, "hello/ack", key).await;
        assert_eq!(client.next_publish().await.1, key.as_bytes());
    }
    // The certificate's rights are its row's, not its name's.
    clients[0].publish("v1/2/test", b"x", 2).await;
    assert_eq!(clients[0].next().await, Packet::Closed);
}

#[tokio::test]
async fn a_forged_will_is_refused_at_connect() {
    let h = start().await;
    for topic in ["v1/dev-2/hello", "v1/+/hello", "v1/dev-1/#", "elsewhere"] {
        let mut client = h.open(&h.devices.device("dev-1", 7)).await;
        assert_eq!(client.connect(&Connect::new("dev-1").will(topic, b"x")).await, Some(DENIED), "{topic}");
    }
    let large = vec![b'x'; 65_000];
    let small_limit = argosy_mqtt::embedded::Limits { max_payload: 1000, ..Default::default() };
    let h2 = Setup { limits: small_limit, plain: None }.start().await;
    let mut client = h2.open(&h2.devices.device("dev-1", 7)).await;
    assert_ne!(client.connect(&Connect::new("dev-1").will("v1/dev-1/test", &large[..2000])).await, Some(0));
    assert_eq!(h.broker.metrics().refusals(Refused::Will), 4);
    assert_eq!(h.engine.messages(), []);
}

#[tokio::test]
async fn an_own_will_is_a_message_of_the_device() {
    let h = start().await;
    let device = h.device_with(&Connect::new("dev-1").will("v1/dev-1/test", b"gone")).await;
    drop(device);
    assert_eq!(h.engine.until_message("v1/dev-1/test").await, "gone");
    // A DISCONNECT takes it back.
    let device = h.device_with(&Connect::new("dev-2").will("v1/dev-2/test", b"gone")).await;
    device.disconnect().await;
    h.engine.until_gone("dev-2", 1).await;
    assert_eq!(h.engine.messages().len(), 1);
}

#[tokio::test]
async fn the_plain_listener_takes_only_listed_keys_without_certificate() {
    let h = Setup { plain: Some("1..5, dev-9"), ..Setup::default() }.start().await;
    h.engine.certified.lock().insert("3".to_owned());
    for (client_id, code) in
        [("1", 0), ("dev-9", 0), ("6", DENIED), ("dev-1", DENIED), ("3", DENIED), ("1/x", DENIED)]
    {
        let mut client = h.plain_client().await;
        assert_eq!(client.connect(&Connect::new(client_id)).await, Some(code), "{client_id}");
    }
    assert_eq!(h.broker.metrics().refusals(Refused::NotAllowedPlain), 3);

    let mut client = h.plain_client().await;
    assert_eq!(client.connect(&Connect::new("2")).await, Some(0));
    client.publish("v1/2/hello", b"{}", 1).await;
    assert_eq!(client.next().await, Packet::PubAck(1));
    client.publish("v1/1/hello", b"{}", 2).await;
    assert_eq!(client.next().await, Packet::Closed);
    assert_eq!(h.engine.messages(), [("v1/2/hello".to_owned(), "{}".to_owned())]);
}

#[tokio::test]
async fn no_command_and_no_certificate_goes_out_in_plain() {
    let h = Setup { plain: Some("1"), ..Setup::default() }.start().await;
    let mut client = h.plain_client().await;
    assert_eq!(client.connect(&Connect::new("1")).await, Some(0));
    for what in ["command/request", "cert/request/ack"] {
        let topic = format!("v1/1/{what}");
        assert!(h.broker.publish(&key("1"), topic, "{}".into(), 60).await.is_err(), "{what}");
    }
    h.send("1", "hello/ack", "ok").await;
    assert_eq!(client.next_publish().await.0, "v1/1/hello/ack");
    assert_eq!(h.broker.session(&key("1")).await.unwrap().door, Door::Plain);
}

#[tokio::test]
async fn the_plain_listener_stays_on_this_machine_unless_told_otherwise() {
    let h = start().await;
    let plain = PlainListener {
        address: SocketAddr::from(([0, 0, 0, 0], 0)),
        allow: "1".parse().unwrap(),
        beyond_loopback: false,
    };
    let mtls = argosy_mqtt::embedded::MtlsListener {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: pki::server_config(&h.devices, h.certificate.clone()),
        reader: pki::reader(),
    };
    let error = h.broker.bind(mtls, Some(plain), Arc::clone(&h.engine) as _).await.unwrap_err();
    assert!(matches!(error, BindError::PlainBeyondLoopback { .. }), "{error}");
}

#[tokio::test]
async fn sessions_tell_who_is_there() {
    let h = start().await;
    let leaf = h.devices.device("dev-b", 0xab);
    let mut client = Client::tls(h.mtls, h.servers.client(Some(&leaf), &TLS12)).await.unwrap();
    assert_eq!(client.connect(&Connect::new("dev-b")).await, Some(0));
    assert_eq!(client.subscribe("v1/dev-b/own/#").await, 1);
    let _a = h.device("dev-a").await;
    let _c = h.device("dev-c").await;

    let keys = |sessions: Vec<argosy_domain::ports::LiveSession>| {
        sessions.into_iter().map(|s| s.key.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(keys(h.broker.sessions(None, "", 2).await), ["dev-a", "dev-b"]);
    assert_eq!(keys(h.broker.sessions(Some(&key("dev-b")), "", 10).await), ["dev-c"]);
    assert_eq!(keys(h.broker.sessions(None, "V-B", 10).await), ["dev-b"]);
    assert!(h.broker.sessions(Some(&key("dev-b")), "v-b", 10).await.is_empty());
    let session = h.broker.session(&key("dev-b")).await.unwrap();
    assert_eq!(session.tls_version.as_deref(), Some("TLSv1.2"));
    assert_eq!(session.certificate_serial, Some(pki::serial(&leaf)));
    assert_eq!((session.mqtt_version.as_str(), session.client_id.as_str()), ("3.1.1", "dev-b"));
    assert!(session.subscriptions.contains(&"v1/dev-b/own/#".to_owned()));
    assert!(session.subscriptions.contains(&"v1/dev-b/update/request/firmware".to_owned()));
    assert_eq!(h.broker.session(&key("dev-a")).await.unwrap().tls_version.as_deref(), Some("TLSv1.3"));
    assert!(h.broker.session(&key("dev-x")).await.is_none());
}

#[tokio::test]
async fn a_new_server_certificate_disturbs_no_connection() {
    let h = start().await;
    let mut before = h.device("dev-1").await;
    let renewed = Authority::new("renewed servers");
    h.certificate.swap(&renewed.server(2));
    let leaf = h.devices.device("dev-2", 8);
    let mut after = Client::tls(h.mtls, renewed.client(Some(&leaf), &TLS13)).await.unwrap();
    assert_eq!(after.connect(&Connect::new("dev-2")).await, Some(0));
    before.ping().await;
    h.send("dev-1", "hello/ack", "still there").await;
    assert_eq!(before.next_publish().await.1, b"still there");
    assert!(Client::tls(h.mtls, h.servers.client(Some(&leaf), &TLS13)).await.is_err(), "the old one is gone");
}
