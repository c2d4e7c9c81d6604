//! Who is connected, in memory: what the dispatcher asks thousands of times a second. The registry's copy follows in
//! bulk (`ingest::heard`), and starts from "everybody offline" at every start.

use std::collections::HashMap;

use argosy_domain::Timestamp;
use argosy_domain::ports::{ConnectionNumber, Door, Rights};
use argosy_proto::DeviceKey;
use parking_lot::RwLock;

/// What is known of one device's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Its newest connection.
    pub number: ConnectionNumber,
    /// Through which door.
    pub door: Door,
    /// What it may do.
    pub rights: Rights,
    /// Connected now.
    pub online: bool,
    /// Since when it is connected, or gone.
    pub since: Timestamp,
}

/// The map.
#[derive(Debug, Default)]
pub struct Presence {
    by_key: RwLock<HashMap<DeviceKey, Connection>>,
    doors: RwLock<HashMap<DeviceKey, (Door, Rights)>>,
    started_at: RwLock<Option<Timestamp>>,
}

impl Presence {
    pub(crate) fn started(&self, now: Timestamp) {
        *self.started_at.write() = Some(now);
    }

    /// When the engine started; `None` before.
    pub(crate) fn start(&self) -> Option<Timestamp> {
        *self.started_at.read()
    }

    /// Remembers door and rights at authentication; the connection event does not carry them.
    pub(crate) fn admitted(&self, key: &DeviceKey, door: Door, rights: Rights) {
        self.doors.write().insert(key.clone(), (door, rights));
    }

    /// The device's connection has every right from now on.
    pub(crate) fn raised(&self, key: &DeviceKey) {
        if let Some(connection) = self.by_key.write().get_mut(key) {
            connection.rights = Rights::Full;
        }
        if let Some((_, rights)) = self.doors.write().get_mut(key) {
            *rights = Rights::Full;
        }
    }

    /// A connection began; `false` if a newer one of the device is known.
    pub(crate) fn connected(&self, key: &DeviceKey, number: ConnectionNumber, now: Timestamp) -> bool {
        let (door, rights) = self.doors.read().get(key).copied().unwrap_or((Door::Mtls, Rights::Full));
        let mut map = self.by_key.write();
        if map.get(key).is_some_and(|known| known.number > number) {
            return false;
        }
        map.insert(key.clone(), Connection { number, door, rights, online: true, since: now });
        true
    }

    /// A connection ended; `false` if it was not the device's newest (it was taken over).
    pub(crate) fn disconnected(&self, key: &DeviceKey, number: ConnectionNumber, now: Timestamp) -> bool {
        let mut map = self.by_key.write();
        match map.get_mut(key) {
            Some(known) if known.number == number && known.online => {
                known.online = false;
                known.since = now;
                true
            }
            _ => false,
        }
    }

    /// The device's connection, now or last.
    pub fn of(&self, key: &DeviceKey) -> Option<Connection> {
        self.by_key.read().get(key).copied()
    }

    /// Whether the device is connected and may be sent work.
    pub fn is_online(&self, key: &DeviceKey) -> bool {
        self.of(key).is_some_and(|c| c.online && c.rights == Rights::Full)
    }

    /// Since when the device has been gone; for one not seen since the start of the server, since that start.
    pub fn offline_since(&self, key: &DeviceKey) -> Option<Timestamp> {
        match self.of(key) {
            Some(connection) if connection.online && connection.rights == Rights::Full => None,
            Some(connection) => Some(connection.since),
            None => *self.started_at.read(),
        }
    }

    /// Devices connected now.
    pub fn online_count(&self) -> usize {
        self.by_key.read().values().filter(|c| c.online).count()
    }
}
