//! A device plane without a wire: devices are connected by the test, and what was sent to them is kept.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use argosy_proto::DeviceKey;
use async_trait::async_trait;
use bytes::Bytes;

use crate::Timestamp;
use crate::ports::{
    ConnectionNumber, Delivery, DeviceLink, Door, LiveSession, PortError, PortErrorKind, PortResult, Rights,
};

/// One message that was handed to a connected device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMessage {
    /// To whom.
    pub key: DeviceKey,
    /// On which topic.
    pub topic: String,
    /// What.
    pub payload: Bytes,
    /// Its expiry, in seconds.
    pub expires_in_s: u32,
}

/// The fake device link.
#[derive(Debug, Default)]
pub struct FakeLink(Mutex<Plane>);

#[derive(Debug, Default)]
struct Plane {
    sessions: BTreeMap<DeviceKey, LiveSession>,
    connections: u64,
    sent: Vec<SentMessage>,
    kicked: Vec<DeviceKey>,
    failures: usize,
}

impl FakeLink {
    fn plane(&self) -> MutexGuard<'_, Plane> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects a device by the mutual-TLS door (or takes its connection over).
    pub fn connect(&self, key: &DeviceKey, at: Timestamp) -> ConnectionNumber {
        self.connect_as(LiveSession {
            key: key.clone(),
            client_id: key.to_string(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)),
            door: Door::Mtls,
            tls_version: Some("TLSv1.3".to_owned()),
            certificate_serial: Some("01".to_owned()),
            rights: Rights::Full,
            mqtt_version: "5".to_owned(),
            subscriptions: vec![format!("v1/{key}/#")],
            connected_at: at,
        })
    }

    /// Connects a device with exactly this session.
    pub fn connect_as(&self, session: LiveSession) -> ConnectionNumber {
        let mut plane = self.plane();
        plane.connections += 1;
        plane.sessions.insert(session.key.clone(), session);
        ConnectionNumber(plane.connections)
    }

    /// Ends a device's connection; `false` if it had none.
    pub fn disconnect(&self, key: &DeviceKey) -> bool {
        self.plane().sessions.remove(key).is_some()
    }

    /// Everything sent so far, in order.
    pub fn sent(&self) -> Vec<SentMessage> {
        self.plane().sent.clone()
    }

    /// Everything sent since the last call, in order.
    pub fn take_sent(&self) -> Vec<SentMessage> {
        std::mem::take(&mut self.plane().sent)
    }

    /// Devices that were kicked, in order.
    pub fn kicked(&self) -> Vec<DeviceKey> {
        self.plane().kicked.clone()
    }

    /// Makes the next `count` publishes fail as unavailable.
    pub fn fail_next_publishes(&self, count: usize) {
        self.plane().failures = count;
    }
}

#[async_trait]
impl DeviceLink for FakeLink {
    async fn publish(
        &self,
        key: &DeviceKey,
        topic: String,
        payload: Bytes,
        expires_in_s: u32,
    ) -> PortResult<Delivery> {
        let mut plane = self.plane();
        if plane.failures > 0 {
            plane.failures -= 1;
            return Err(PortError::new("link.publish", PortErrorKind::Unavailable));
        }
        let Some(session) = plane.sessions.get(key) else { return Ok(Delivery::Offline) };
        let allowed =
            argosy_proto::parse_down(&topic).is_ok_and(|(_, down)| session.rights.may_receive(&down));
        if session.rights != Rights::Full && !allowed {
            return Ok(Delivery::Offline);
        }
        plane.sent.push(SentMessage { key: key.clone(), topic, payload, expires_in_s });
        Ok(Delivery::Sent)
    }

    fn is_connected(&self, key: &DeviceKey) -> bool {
        self.plane().sessions.contains_key(key)
    }

    async fn kick(&self, key: &DeviceKey) -> bool {
        let mut plane = self.plane();
        plane.kicked.push(key.clone());
        plane.sessions.remove(key).is_some()
    }

    async fn kick_certificate(&self, key: &DeviceKey, serial: &str) -> bool {
        let mut plane = self.plane();
        let same = plane.sessions.get(key).is_some_and(|s| s.certificate_serial.as_deref() == Some(serial));
        if same {
            plane.kicked.push(key.clone());
            plane.sessions.remove(key);
        }
        same
    }

    fn raise_rights(&self, key: &DeviceKey) -> bool {
        match self.plane().sessions.get_mut(key) {
            Some(session) if session.rights == Rights::RegistrationAndRenewal => {
                session.rights = Rights::Full;
                true
            }
            _ => false,
        }
    }

    async fn sessions(&self, after: Option<&DeviceKey>, search: &str, limit: usize) -> Vec<LiveSession> {
        let (plane, search) = (self.plane(), search.to_ascii_lowercase());
        plane
            .sessions
            .iter()
            .filter(|(key, _)| after.is_none_or(|after| *key > after))
            .filter(|(key, _)| key.as_str().to_ascii_lowercase().contains(&search))
            .take(limit)
            .map(|(_, session)| session.clone())
            .collect()
    }

    async fn session(&self, key: &DeviceKey) -> Option<LiveSession> {
        self.plane().sessions.get(key).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;

    #[test]
    fn only_connected_devices_are_sent_anything() {
        block_on(async {
            let link = FakeLink::default();
            let key = DeviceKey::new("vm-1").unwrap();
            let publish = || link.publish(&key, "v1/vm-1/x".to_owned(), Bytes::from_static(b"{}"), 60);
            assert_eq!(publish().await.unwrap(), Delivery::Offline);
            let first = link.connect(&key, Timestamp(1));
            assert!(link.connect(&key, Timestamp(2)) > first, "a take-over has a higher number");
            assert_eq!(publish().await.unwrap(), Delivery::Sent);
            assert_eq!(link.sessions(None, "", 10).await.len(), 1);
            assert!(link.sessions(Some(&key), "", 10).await.is_empty());
            link.fail_next_publishes(1);
            assert!(publish().await.unwrap_err().is_transient());
            assert!(link.kick(&key).await);
            assert!(!link.kick(&key).await);
            assert!(!link.is_connected(&key));
            assert_eq!(publish().await.unwrap(), Delivery::Offline);
            assert_eq!(link.take_sent().len(), 1);
            assert!(link.sent().is_empty());
        });
    }
}
