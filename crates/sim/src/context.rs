//! What all devices of a fleet share: where servers are, how they are trusted, how many connections may begin at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use argosy_proto::DeviceKey;
use parking_lot::Mutex;
use rustls::sign::CertifiedKey;
use rustls_pki_types::ServerName;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock::WallClock;
use crate::config::FleetConfig;
use crate::counters::Counters;
use crate::http::{Connecting, HttpLink, Url};
use crate::identity::Identity;
use crate::mqtt::{Connected, MqttError, Session};
use crate::net::{Peer, Trust, Wire, WireError};

/// Shared by all devices.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: FleetConfig,
    pub(crate) clock: WallClock,
    pub(crate) counters: Arc<Counters>,
    trust: Option<Trust>,
    broker: Broker,
    mqtt_gate: Gate,
    /// A permit is held as long as a download connection is open.
    downloads: Arc<Semaphore>,
    /// The download server's address, looked up once.
    resolved: Mutex<Option<(String, u16, SocketAddr)>>,
    /// Identities that devices obtained and nobody has kept yet.
    renewed: Mutex<Vec<(DeviceKey, Identity)>>,
}

/// The broker, looked up.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    /// The name its certificate must have; plain MQTT if absent.
    pub(crate) name: Option<ServerName<'static>>,
}

/// Lets broker connections begin at a rate, and so many be under way.
#[derive(Debug)]
struct Gate {
    under_way: Semaphore,
    interval: Option<Duration>,
    next: Mutex<Instant>,
}

impl Gate {
    async fn wait_turn(&self) {
        let Some(interval) = self.interval else { return };
        let turn = {
            let mut next = self.next.lock();
            let turn = (*next).max(Instant::now());
            *next = turn + interval;
            turn
        };
        sleep_until(turn).await;
    }
}

impl Context {
    pub(crate) fn new(
        config: FleetConfig,
        clock: WallClock,
        trust: Option<Trust>,
        broker: Broker,
        counters: Arc<Counters>,
    ) -> Self {
        let interval =
            config.connect_rate.filter(|rate| *rate > 0.0).map(|rate| Duration::from_secs_f64(1.0 / rate));
        let handshakes = config.handshakes.clamp(1, Semaphore::MAX_PERMITS);
        let downloads = config.downloads.unwrap_or(Semaphore::MAX_PERMITS).clamp(1, Semaphore::MAX_PERMITS);
        Self {
            mqtt_gate: Gate {
                under_way: Semaphore::new(handshakes),
                interval,
                next: Mutex::new(Instant::now()),
            },
            downloads: Arc::new(Semaphore::new(downloads)),
            resolved: Mutex::new(None),
            renewed: Mutex::new(Vec::new()),
            config,
            clock,
            counters,
            trust,
            broker,
        }
    }

    /// A device has a new identity.
    pub(crate) fn renewed(&self, key: &DeviceKey, identity: Identity) {
        self.renewed.lock().push((key.clone(), identity));
        self.counters.look_again();
    }

    pub(crate) fn take_renewed(&self) -> Vec<(DeviceKey, Identity)> {
        std::mem::take(&mut *self.renewed.lock())
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Opens a session with the broker.
    pub(crate) async fn open_session(
        &self,
        identity: Option<Arc<CertifiedKey>>,
        how: Connected,
    ) -> Result<Session, MqttError> {
        self.mqtt_gate.wait_turn().await;
        let _permit = self.mqtt_gate.under_way.acquire().await;
        let tls = match (&self.broker.name, &self.trust) {
            (None, _) => None,
            (Some(name), Some(trust)) => {
                let config = match identity {
                    Some(identity) => trust.with_identity(identity),
                    None => trust.anonymous(),
                };
                Some((config, name.clone()))
            }
            (Some(_), None) => return Err(MqttError::Wire(WireError::NoTrust)),
        };
        let peer = Peer { address: self.broker.address, tls };
        let opened = timeout(self.config.connect_timeout, Session::open(&peer, &how)).await;
        let session = opened.map_err(|_| MqttError::Wire(WireError::TimedOut))??;
        Counters::add(&self.counters.mqtt_connections, 1);
        count_handshake(&self.counters.mqtt_handshakes, &session.wire);
        Ok(session)
    }

    /// Connects to the server of `url`.
    pub(crate) fn connect_http(self: &Arc<Self>, url: Arc<Url>) -> Connecting {
        let context = Arc::clone(self);
        Box::pin(async move {
            // The semaphore is never closed.
            let slot = Arc::clone(&context.downloads).acquire_owned().await.ok();
            let tls = match (url.tls, &context.trust) {
                (false, _) => None,
                (true, Some(trust)) => {
                    Some((trust.anonymous(), url.server_name().map_err(|_| WireError::Address)?))
                }
                (true, None) => return Err(WireError::NoTrust),
            };
            let peer = Peer { address: context.resolve(&url).await?, tls };
            let opened = timeout(context.config.connect_timeout, Wire::connect(&peer)).await;
            let wire = opened.map_err(|_| WireError::TimedOut)??;
            Counters::add(&context.counters.http_connections, 1);
            count_handshake(&context.counters.http_handshakes, &wire);
            Ok(HttpLink { wire, _slot: slot })
        })
    }

    async fn resolve(&self, url: &Url) -> Result<SocketAddr, WireError> {
        let known = self.resolved.lock().clone();
        if let Some((host, port, address)) = known
            && host == url.host
            && port == url.port
        {
            return Ok(address);
        }
        let address = url.resolve().await.map_err(|_| WireError::Address)?;
        *self.resolved.lock() = Some((url.host.clone(), url.port, address));
        Ok(address)
    }
}

fn count_handshake(counter: &AtomicU64, wire: &Wire) {
    Counters::add(counter, u64::from(wire.full_handshake()));
}
