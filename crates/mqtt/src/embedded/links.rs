//! The connections of this process: by number from accept to close, by device key from authentication to the end.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::ports::{ConnectionNumber, DeviceEvents, Door, PresentedCertificate, Rights};
use argosy_proto::DeviceKey;
use parking_lot::{Mutex, RwLock};
use rmqtt::net::Connection;
use rmqtt::session::Session;
use rmqtt::types::Tx;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::throttle::Throttle;

/// Who a connection turned out to be.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) key: DeviceKey,
    pub(super) client_id: String,
    pub(super) tls_version: Option<String>,
    pub(super) certificate: Option<Arc<PresentedCertificate>>,
    pub(super) mqtt_version: &'static str,
    pub(super) connected_at: Timestamp,
}

/// The broker's side of a connection that is ready.
pub(super) struct Live {
    pub(super) tx: Tx,
    pub(super) session: Session,
}

/// How far the engine has been told of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Arriving,
    Connected,
    Ended,
}

/// One connection.
pub(super) struct Link {
    pub(super) connection: Arc<Connection>,
    pub(super) door: Door,
    identity: OnceLock<Identity>,
    /// Given with the device: see [`Links::take`].
    number: OnceLock<ConnectionNumber>,
    live: OnceLock<Live>,
    phase: tokio::sync::Mutex<Phase>,
    /// Messages to the device that are neither acknowledged nor dropped.
    pub(super) unacknowledged: AtomicUsize,
    pub(super) throttle: Mutex<Throttle>,
    /// What it may do; set with its identity, raised by its registration.
    rights: Mutex<Rights>,
    /// When the first message was left without an acknowledgement, for want of space.
    silent_since: OnceLock<Instant>,
    /// Cut by us for good: not even its will is taken any more.
    barred: AtomicBool,
}

impl Link {
    pub(super) fn new(connection: Arc<Connection>, door: Door) -> Self {
        Self {
            connection,
            door,
            identity: OnceLock::new(),
            number: OnceLock::new(),
            live: OnceLock::new(),
            phase: tokio::sync::Mutex::new(Phase::Arriving),
            unacknowledged: AtomicUsize::new(0),
            throttle: Mutex::new(Throttle::default()),
            rights: Mutex::new(Rights::RenewalOnly),
            silent_since: OnceLock::new(),
            barred: AtomicBool::new(false),
        }
    }

    /// Known once the registry has accepted it.
    pub(super) fn identity(&self) -> Option<&Identity> {
        self.identity.get()
    }

    /// Known once it is connected.
    pub(super) fn live(&self) -> Option<&Live> {
        self.live.get().filter(|_| !self.connection.is_cut())
    }

    /// The broker's session, connected or not.
    pub(super) fn session(&self) -> Option<&Session> {
        self.live.get().map(|live| &live.session)
    }

    pub(super) fn set_identity(&self, identity: Identity) {
        // A connection sends one CONNECT; a second one never reaches the hooks.
        let _ = self.identity.set(identity);
    }

    pub(super) fn set_live(&self, live: Live) {
        let _ = self.live.set(live);
    }

    /// What it may do.
    pub(super) fn rights(&self) -> Rights {
        *self.rights.lock()
    }

    pub(super) fn set_rights(&self, rights: Rights) {
        *self.rights.lock() = rights;
    }

    /// Every right, if what it lacked was its registration.
    pub(super) fn raise_rights(&self) -> bool {
        let mut rights = self.rights.lock();
        let raised = *rights == Rights::RegistrationAndRenewal;
        if raised {
            *rights = Rights::Full;
        }
        raised
    }

    /// A message is left without an acknowledgement; for how long the first of them has been.
    pub(super) fn silent_for(&self, now: Instant) -> Duration {
        now.duration_since(*self.silent_since.get_or_init(|| now))
    }

    pub(super) fn is_barred(&self) -> bool {
        self.barred.load(Ordering::Acquire)
    }

    /// From now on nothing of it is taken.
    pub(super) fn bar(&self) {
        self.barred.store(true, Ordering::Release);
    }

    /// Tells the engine that the device is connected, unless it is over already.
    pub(super) async fn begin(&self, events: &dyn DeviceEvents) -> bool {
        let (Some(identity), Some(number)) = (self.identity(), self.number.get()) else { return false };
        let mut phase = self.phase.lock().await;
        if *phase != Phase::Arriving || self.connection.is_cut() {
            return false;
        }
        *phase = Phase::Connected;
        // Under the lock: whoever ends this connection waits, so that the engine hears of it in this order.
        events.connected(&identity.key, *number).await;
        true
    }

    /// Tells the engine that the connection has ended, if it was told of its begin; once.
    pub(super) async fn end(&self, events: &dyn DeviceEvents) -> bool {
        let mut phase = self.phase.lock().await;
        if std::mem::replace(&mut *phase, Phase::Ended) != Phase::Connected {
            return false;
        }
        let (Some(identity), Some(number)) = (self.identity(), self.number.get()) else { return false };
        events.disconnected(&identity.key, *number).await;
        true
    }
}

/// A newer connection of the same device is already there.
#[derive(Debug)]
pub(super) struct Overtaken;

/// All connections.
#[derive(Default)]
pub(super) struct Links {
    by_number: RwLock<HashMap<u64, Arc<Link>>>,
    by_key: RwLock<BTreeMap<DeviceKey, Arc<Link>>>,
    /// The last number that the engine was told of.
    last: AtomicU64,
    /// Rises with every kick: tells an authentication that its answer may be out of date.
    kicks: AtomicU64,
    changed: Notify,
}

impl Links {
    /// Takes a new connection if there is room.
    pub(super) fn open(&self, link: Link, limit: usize) -> bool {
        let mut links = self.by_number.write();
        if links.len() >= limit {
            return false;
        }
        links.insert(link.connection.number(), Arc::new(link));
        true
    }

    /// Forgets a closed connection.
    pub(super) fn close(&self, number: u64) -> Option<Arc<Link>> {
        let link = self.by_number.write().remove(&number);
        self.changed.notify_waiters();
        link
    }

    /// The connection with that number.
    pub(super) fn get(&self, number: u64) -> Option<Arc<Link>> {
        self.by_number.read().get(&number).cloned()
    }

    /// The connection that the broker calls `client_id`.
    pub(super) fn by_client_id(&self, client_id: &str) -> Option<Arc<Link>> {
        self.get(client_id.parse().ok()?)
    }

    /// The current connection of a device.
    pub(super) fn of(&self, key: &DeviceKey) -> Option<Arc<Link>> {
        self.by_key.read().get(key).cloned()
    }

    /// Makes `link` the device's connection, gives it the number by which the engine knows it (higher than that of any connection
    /// that the device had before), and returns the connection that it replaces.
    ///
    /// # Errors
    /// [`Overtaken`] if a connection that was accepted later has been quicker: the device has left this one already.
    pub(super) fn take(&self, key: &DeviceKey, link: &Arc<Link>) -> Result<Option<Arc<Link>>, Overtaken> {
        let mut links = self.by_key.write();
        if links.get(key).is_some_and(|current| current.connection.number() > link.connection.number()) {
            return Err(Overtaken);
        }
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let _ = link.number.set(ConnectionNumber(number));
        Ok(links.insert(key.clone(), link.clone()))
    }

    /// `link` is no longer the device's connection, if it still was.
    pub(super) fn release(&self, link: &Arc<Link>) {
        let Some(identity) = link.identity() else { return };
        let mut links = self.by_key.write();
        if links.get(&identity.key).is_some_and(|current| Arc::ptr_eq(current, link)) {
            links.remove(&identity.key);
        }
    }

    /// Devices after `after` whose key holds `search` in any case, in the order of their keys.
    pub(super) fn after(&self, after: Option<&DeviceKey>, search: &str, limit: usize) -> Vec<Arc<Link>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let search = search.to_ascii_lowercase();
        let found =
            |key: &DeviceKey| search.is_empty() || key.as_str().to_ascii_lowercase().contains(&search);
        let links = self.by_key.read();
        let ready = links
            .range::<DeviceKey, _>((from, Bound::Unbounded))
            .filter(|(key, link)| found(key) && link.live().is_some());
        ready.take(limit).map(|(_, link)| link.clone()).collect()
    }

    /// Every connection.
    pub(super) fn all(&self) -> Vec<Arc<Link>> {
        self.by_number.read().values().cloned().collect()
    }

    /// How many kicks there have been.
    pub(super) fn kicks(&self) -> u64 {
        self.kicks.load(Ordering::SeqCst)
    }

    /// Counts a kick. Before looking for the connection: see [`Links::kicks`].
    pub(super) fn count_kick(&self) {
        self.kicks.fetch_add(1, Ordering::SeqCst);
    }

    /// Resolves when no connection is open.
    pub(super) async fn empty(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.by_number.read().is_empty() {
                return;
            }
            changed.await;
        }
    }
}
