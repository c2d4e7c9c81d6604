//! Load for a broker: devices that publish as fast as they are acknowledged, and cost so little themselves that the broker is what is
//! measured.
//!
//! Each device has its own key, certificate and TLS connection. Its publishes are encoded once; before each sending only the digits
//! that change are written over. A device keeps a window of unacknowledged publishes and fills it up again when half of it is
//! acknowledged, so that several travel in one TLS record, as they do from a device that sends what it had saved up.
//!
//! It speaks MQTT 3.1.1 to any broker: Argosy, or what Argosy is compared with.

mod device;
mod payload;
mod tally;

use std::net::ToSocketAddrs as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use argosy_proto::DeviceKey;
use parking_lot::Mutex;
use rustls_pki_types::ServerName;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::identity::{IdentityError, IdentityStore};
use crate::mqtt::codec;
use crate::net::{Peer, Trust, TrustError, Wire};

pub use payload::Said;
use tally::Tally;

/// Handshakes at a time.
const CONNECTING: usize = 64;

/// What load to make.
#[derive(Debug, Clone)]
pub struct LoadConfig {
    /// The broker, `host:port`; always over TLS.
    pub broker: String,
    /// The folder of identities.
    pub identities: PathBuf,
    /// The devices.
    pub keys: Vec<DeviceKey>,
    /// What they publish.
    pub said: Said,
    /// Publishes of a device that are not acknowledged yet, at most.
    pub window: u16,
    /// Messages of each device a second, at most; `None`: as fast as they are acknowledged.
    pub rate: Option<f64>,
    /// Threads; each has its share of the devices.
    pub threads: usize,
    /// Seconds of load before it is counted.
    pub warmup: Duration,
    /// Seconds that are counted.
    pub duration: Duration,
    /// Connect again what breaks, until the end. Otherwise a broken connection ends the run.
    pub persistent: bool,
    /// Say on standard error when counting begins and ends.
    pub announce: bool,
    /// Ends the counted time early when it is set.
    pub stop: Option<Arc<AtomicBool>>,
    /// Also connect this device, subscribe it to everything below `v1/`, and throw away what comes. For brokers that pass on.
    pub subscriber: Option<DeviceKey>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct LoadReport {
    /// Devices.
    pub devices: usize,
    /// Publishes acknowledged in the counted time.
    pub acked: u64,
    /// … a second.
    pub acked_per_s: f64,
    /// Publishes acknowledged in all.
    pub acked_total: u64,
    /// Seconds that were counted.
    pub seconds: f64,
    /// Bytes of one payload.
    pub payload_bytes: usize,
    /// Milliseconds from sending to acknowledgement: of half of the windows it was less.
    pub p50_ms: f64,
    /// … of 99 in 100.
    pub p99_ms: f64,
    /// Messages that the subscriber was sent, if there is one.
    pub delivered: u64,
    /// Connections that broke and were made again.
    pub reconnects: u64,
    /// Numbers acknowledged, by device, as ranges from and to; only with [`Said::Numbers`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<(String, Vec<(u64, u64)>)>,
}

/// The load cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The address is wrong.
    #[error("the broker's address {address:?} is not host:port, or has no address")]
    Address {
        /// As given.
        address: String,
    },
    /// Identities cannot be read.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A device has no identity.
    #[error("device {key} has no identity: enrol it first")]
    Unknown {
        /// Which.
        key: DeviceKey,
    },
    /// The roots are missing or wrong.
    #[error("the roots of the identities' folder cannot be used")]
    Trust(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A connection failed or broke.
    #[error("device {key}: {why}")]
    Device {
        /// Which.
        key: DeviceKey,
        /// What happened.
        why: String,
    },
    /// A thread cannot be started.
    #[error("a worker cannot be started")]
    Worker(#[source] std::io::Error),
}

/// What every device's task has.
struct Shared {
    config: LoadConfig,
    tally: Tally,
    connecting: Semaphore,
    failed: Mutex<Option<LoadError>>,
    stop: tokio_stop::Stop,
}

/// A flag that tasks wait for.
mod tokio_stop {
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::sync::Notify;

    #[derive(Default)]
    pub(super) struct Stop {
        set: AtomicBool,
        notify: Notify,
    }

    impl Stop {
        pub(super) fn set(&self) {
            self.set.store(true, Ordering::Release);
            self.notify.notify_waiters();
        }

        pub(super) fn is_set(&self) -> bool {
            self.set.load(Ordering::Acquire)
        }

        pub(super) async fn wait(&self) {
            let notified = self.notify.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if !self.is_set() {
                notified.await;
            }
        }
    }
}

/// Makes the load; returns when its time is over.
///
/// # Errors
/// [`LoadError`] when identities are missing, or a connection fails and the load is not persistent.
pub fn run(config: LoadConfig) -> Result<LoadReport, LoadError> {
    let wrong = || LoadError::Address { address: config.broker.clone() };
    let address = config.broker.to_socket_addrs().ok().and_then(|mut all| all.next()).ok_or_else(wrong)?;
    let host = config.broker.rsplit_once(':').map_or("", |(host, _)| host).to_owned();
    let name = ServerName::try_from(host).map_err(|_| wrong())?;
    let store = IdentityStore::open(&config.identities)?;
    let trust = |error: TrustError| LoadError::Trust(Box::new(error));
    let no_roots = || LoadError::Trust("there is no roots.pem: enrol the devices first".into());
    let roots = Trust::from_pem(store.roots_pem().ok_or_else(no_roots)?).map_err(trust)?;
    let peer = |key: &DeviceKey| -> Result<Peer, LoadError> {
        let identity = store.get(key).ok_or_else(|| LoadError::Unknown { key: key.clone() })?;
        let tls = roots.with_identity(identity.certified(key)?);
        Ok(Peer { address, tls: Some((tls, name.clone())) })
    };
    let mut shares: Vec<Vec<(DeviceKey, Peer)>> = vec![Vec::new(); config.threads.max(1)];
    let workers = shares.len();
    for (place, key) in config.keys.iter().enumerate() {
        shares[place % workers].push((key.clone(), peer(key)?));
    }
    let subscriber = match &config.subscriber {
        Some(key) => Some((key.clone(), peer(key)?)),
        None => None,
    };
    let shared = Arc::new(Shared {
        tally: Tally::default(),
        connecting: Semaphore::new(CONNECTING),
        failed: Mutex::new(None),
        stop: tokio_stop::Stop::default(),
        config,
    });
    let mut threads = Vec::new();
    for (place, share) in shares.into_iter().enumerate() {
        let shared = Arc::clone(&shared);
        let subscriber = subscriber.clone().filter(|_| place == 0);
        let thread = std::thread::Builder::new().name(format!("load-{place}"));
        threads.push(thread.spawn(move || work(&shared, share, subscriber)).map_err(LoadError::Worker)?);
    }
    supervise(&shared);
    for thread in threads {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
    if let Some(error) = shared.failed.lock().take() {
        return Err(error);
    }
    Ok(shared.tally.report(&shared.config))
}

/// Opens the counted time when everybody is there and warm, and ends the load.
fn supervise(shared: &Shared) {
    let tick = Duration::from_millis(5);
    let failed = || shared.failed.lock().is_some();
    let announce = |word: &str| {
        if shared.config.announce {
            eprintln!("{word}");
        }
    };
    let stopped = || shared.config.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed));
    let sleep_until = |until: Instant| {
        while !failed() && !stopped() && Instant::now() < until {
            std::thread::sleep(tick.min(until.saturating_duration_since(Instant::now())));
        }
    };
    while !failed() && !stopped() && shared.tally.connected() < shared.config.keys.len() {
        std::thread::sleep(tick);
    }
    shared.tally.everybody_is_there();
    sleep_until(Instant::now() + shared.config.warmup);
    shared.tally.begin();
    announce("counting");
    sleep_until(Instant::now() + shared.config.duration);
    shared.tally.end();
    announce("counted");
    shared.stop.set();
}

fn work(shared: &Arc<Shared>, share: Vec<(DeviceKey, Peer)>, subscriber: Option<(DeviceKey, Peer)>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            shared.failed.lock().get_or_insert(LoadError::Worker(error));
            return;
        }
    };
    let tasks = tokio::task::LocalSet::new();
    if let Some((key, peer)) = subscriber {
        let shared = Arc::clone(shared);
        tasks.spawn_local(async move { device::subscribe(&shared, &key, &peer).await });
    }
    for (key, peer) in share {
        let shared = Arc::clone(shared);
        tasks.spawn_local(async move { device::live(&shared, key, &peer).await });
    }
    runtime.block_on(tasks);
}

/// Connects and says CONNECT.
async fn open(shared: &Shared, key: &DeviceKey, peer: &Peer) -> Result<Wire, String> {
    let _turn = shared.connecting.acquire().await.map_err(|error| error.to_string())?;
    let connect = async {
        let mut wire = Wire::connect(peer).await.map_err(|error| describe(&error))?;
        wire.send(&codec::connect(key.as_str(), true, 300)).map_err(|error| describe(&error))?;
        let mut decoder = codec::Decoder::default();
        loop {
            let read = std::future::poll_fn(|cx| wire.poll_read(cx, &mut |bytes| decoder.feed(bytes))).await;
            read.map_err(|error| describe(&error))?;
            match decoder.next().map_err(|error| error.to_string())? {
                Some(codec::Packet::ConnAck { code: 0, .. }) => return Ok(wire),
                Some(codec::Packet::ConnAck { code, .. }) => return Err(format!("refused with code {code}")),
                Some(_) => return Err("something else than CONNACK came".to_owned()),
                None => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), connect)
        .await
        .unwrap_or_else(|_| Err("no CONNACK within 30 s".to_owned()))
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
