//! Renewals that are not finished, in memory: what every CONNECT, and the TLS layer, ask. The registry has them too, with the
//! certificates; this is its index.

use std::collections::HashMap;

use argosy_domain::Timestamp;
use argosy_domain::model::{CertificateName, Renewal};
use argosy_proto::{DeviceId, DeviceKey};
use parking_lot::RwLock;

/// What is known of a renewal without its certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) device: DeviceId,
    pub(super) public_key: Vec<u8>,
    pub(super) asked_with: CertificateName,
    pub(super) issued: CertificateName,
    pub(super) created_at: Timestamp,
    pub(super) requested_at: Timestamp,
    /// When the answer was sent last, since the start.
    pub(super) sent_at: Option<Timestamp>,
}

impl From<&Renewal> for Pending {
    fn from(renewal: &Renewal) -> Self {
        Self {
            device: renewal.device,
            public_key: renewal.public_key.clone(),
            asked_with: renewal.asked_with.clone(),
            issued: renewal.issued.clone(),
            created_at: renewal.created_at,
            requested_at: renewal.requested_at,
            sent_at: None,
        }
    }
}

/// The index.
#[derive(Debug, Default)]
pub(crate) struct Renewals(RwLock<Index>);

#[derive(Debug, Default)]
struct Index {
    /// By device; the one asked for last comes last.
    by_device: HashMap<DeviceKey, Vec<Pending>>,
    /// Devices by the certificate that their boards still show.
    by_asked: HashMap<CertificateName, DeviceKey>,
}

impl Index {
    fn replace(&mut self, key: &DeviceKey, mut pending: Vec<Pending>) {
        for old in self.by_device.remove(key).unwrap_or_default() {
            self.by_asked.remove(&old.asked_with);
        }
        if pending.is_empty() {
            return;
        }
        pending.sort_by_key(|p| (p.requested_at, p.created_at));
        for p in &pending {
            self.by_asked.insert(p.asked_with.clone(), key.clone());
        }
        self.by_device.insert(key.clone(), pending);
    }
}

impl Renewals {
    /// What the registry has of a device, all of it. When answers were sent is kept.
    pub(super) fn set(&self, key: &DeviceKey, renewals: &[Renewal]) {
        let mut index = self.0.write();
        let known = index.by_device.get(key).cloned().unwrap_or_default();
        let pending = renewals.iter().map(|renewal| {
            let sent_at = known.iter().find(|k| k.issued == renewal.issued).and_then(|k| k.sent_at);
            Pending { sent_at, ..Pending::from(renewal) }
        });
        let pending = pending.collect();
        index.replace(key, pending);
    }

    /// A device's renewals; the one asked for last comes last.
    pub(super) fn of(&self, key: &DeviceKey) -> Vec<Pending> {
        self.0.read().by_device.get(key).cloned().unwrap_or_default()
    }

    /// Whether a device has any.
    pub(super) fn has(&self, key: &DeviceKey) -> bool {
        self.0.read().by_device.contains_key(key)
    }

    /// The answer was sent.
    pub(super) fn sent(&self, key: &DeviceKey, issued: &CertificateName, at: Timestamp) {
        let mut index = self.0.write();
        for pending in index.by_device.get_mut(key).into_iter().flatten() {
            if pending.issued == *issued {
                pending.sent_at = Some(at);
            }
        }
    }

    /// Devices whose answer was sent at or before `before`, or never.
    pub(super) fn due(&self, before: Timestamp) -> Vec<DeviceKey> {
        let index = self.0.read();
        let due = index.by_device.iter().filter(|(_, pending)| {
            pending.last().is_some_and(|last| last.sent_at.is_none_or(|sent| sent <= before))
        });
        due.map(|(key, _)| key.clone()).collect()
    }

    /// The public keys that were asked for over a connection with this certificate.
    pub(super) fn keys_of(&self, certificate: &CertificateName) -> Vec<Vec<u8>> {
        let index = self.0.read();
        let Some(key) = index.by_asked.get(certificate) else { return Vec::new() };
        let pending = index.by_device.get(key).map(Vec::as_slice).unwrap_or_default();
        pending.iter().filter(|p| p.asked_with == *certificate).map(|p| p.public_key.clone()).collect()
    }

    /// How many devices have one.
    pub(super) fn len(&self) -> usize {
        self.0.read().by_device.len()
    }
}
