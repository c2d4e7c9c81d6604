//! Starts a broker with a scripted engine behind it.

use std::net::SocketAddr;
use std::sync::Arc;

use argosy_domain::Timestamp;
use argosy_domain::ports::{Clock, Delivery, DeviceLink};
use argosy_mqtt::LinkMetrics;
use argosy_mqtt::embedded::{EmbeddedBroker, Limits, MtlsListener, PlainListener};
use argosy_proto::DeviceKey;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Connect};
use crate::events::Engine;
use crate::pki::{self, Authority, LIMIT, Leaf, Swappable};

const BOTH: [&rustls::SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

pub struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_750_000_000_000)
    }
}

pub struct Harness {
    pub broker: EmbeddedBroker,
    pub engine: Arc<Engine>,
    pub devices: Authority,
    pub servers: Authority,
    pub certificate: Arc<Swappable>,
    pub mtls: SocketAddr,
    pub plain: Option<SocketAddr>,
    pub soft: CancellationToken,
    running: JoinHandle<()>,
}

#[derive(Default)]
pub struct Setup {
    pub limits: Limits,
    /// Keys that the plain listener takes; `None`: it is off.
    pub plain: Option<&'static str>,
}

impl Setup {
    pub async fn start(self) -> Harness {
        let (devices, servers) = (Authority::new("test devices"), Authority::new("test servers"));
        let certificate = Swappable::new(&servers.server(1));
        let engine = Arc::new(Engine::new());
        let broker = EmbeddedBroker::new(self.limits, Arc::new(FixedClock), Arc::new(LinkMetrics::default()));
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mtls = MtlsListener {
            address,
            tls: pki::server_config(&devices, certificate.clone()),
            reader: pki::reader(),
        };
        let plain = self.plain.map(|allow| PlainListener {
            address,
            allow: allow.parse().unwrap(),
            beyond_loopback: false,
        });
        let bound = broker.bind(mtls, plain, engine.clone()).await.unwrap();
        let (mtls, plain) = (bound.mtls_address(), bound.plain_address());
        let soft = CancellationToken::new();
        let run = bound.run(soft.clone(), CancellationToken::new());
        #[expect(clippy::disallowed_methods, reason = "the test is the supervisor: it keeps the handle")]
        let running = tokio::spawn(async move { run.await.unwrap() });
        Harness { broker, engine, devices, servers, certificate, mtls, plain, soft, running }
    }
}

pub async fn start() -> Harness {
    Setup::default().start().await
}

pub fn key(text: &str) -> DeviceKey {
    DeviceKey::new(text).unwrap()
}

impl Harness {
    /// Opens a TLS connection with `leaf`; nothing is said on it yet.
    pub async fn open(&self, leaf: &Leaf) -> Client {
        Client::tls(self.mtls, self.servers.client(Some(leaf), &BOTH)).await.unwrap()
    }

    /// Connects the device `name` with a certificate of its own.
    pub async fn device(&self, name: &str) -> Client {
        self.device_with(&Connect::new(name)).await
    }

    pub async fn device_with(&self, connect: &Connect) -> Client {
        let mut client = self.open(&self.devices.device(&connect.client_id, 7)).await;
        assert_eq!(client.connect(connect).await, Some(0));
        client
    }

    pub async fn plain_client(&self) -> Client {
        Client::plain(self.plain.expect("the plain listener is on")).await
    }

    /// Sends a message to a device, as the engine does.
    pub async fn send(&self, device: &str, what: &str, payload: &str) -> Delivery {
        let topic = format!("v1/{device}/{what}");
        self.broker.publish(&key(device), topic, payload.to_owned().into(), 60).await.unwrap()
    }

    /// Stops the broker and waits until it is gone.
    pub async fn stop(self) -> Arc<Engine> {
        self.soft.cancel();
        tokio::time::timeout(LIMIT, self.running).await.expect("the broker did not stop").unwrap();
        self.engine
    }

    /// Waits until `done` holds.
    pub async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let wait = async {
            while !done(self) {
                tokio::task::yield_now().await;
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(LIMIT, wait).await.is_ok(), "waited in vain for: {what}");
    }
}
