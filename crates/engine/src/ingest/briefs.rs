//! What ingest needs to know of a device, kept in memory so that a fact costs no read of the registry.
//!
//! The registry stays the truth: whoever changes a device there forgets it here ([`Briefs::forget`]), after the commit. What was
//! read before somebody forgot is not put in (the generation tells), so that nothing old can come back. Bounded: when it is full,
//! a part of it is forgotten and read again when it is needed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argosy_domain::ports::{DeviceBrief, PortResult};
use argosy_proto::DeviceKey;
use parking_lot::RwLock;

use crate::Engine;

/// Devices remembered at most.
const CAPACITY: usize = 250_000;

/// The memory.
#[derive(Debug, Default)]
pub(crate) struct Briefs {
    by_key: RwLock<HashMap<DeviceKey, Arc<DeviceBrief>>>,
    generation: AtomicU64,
}

impl Briefs {
    /// What is remembered of a device.
    pub(crate) fn get(&self, key: &DeviceKey) -> Option<Arc<DeviceBrief>> {
        self.by_key.read().get(key).cloned()
    }

    /// To be taken before the registry is read, and given to [`Briefs::put`].
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Remembers what was read or written, unless something was forgotten since `generation`: then it forgets these too.
    pub(crate) fn put(&self, known: impl IntoIterator<Item = Arc<DeviceBrief>>, generation: u64) {
        let mut map = self.by_key.write();
        let current = self.generation() == generation;
        for device in known {
            if current {
                if map.len() >= CAPACITY {
                    let mut n = 0_usize;
                    map.retain(|_, _| {
                        n += 1;
                        !n.is_multiple_of(8)
                    });
                }
                map.insert(device.key.clone(), device);
            } else {
                map.remove(&device.key);
            }
        }
    }

    /// These devices were changed in the registry.
    pub(crate) fn forget<'a>(&self, keys: impl IntoIterator<Item = &'a DeviceKey>) {
        let mut map = self.by_key.write();
        self.generation.fetch_add(1, Ordering::AcqRel);
        for key in keys {
            map.remove(key);
        }
    }
}

impl Engine {
    /// A device, from memory or the registry; `None` if it is not registered.
    pub(super) async fn known(&self, key: &DeviceKey) -> PortResult<Option<Arc<DeviceBrief>>> {
        if let Some(known) = self.briefs.get(key) {
            return Ok(Some(known));
        }
        let generation = self.briefs.generation();
        let mut read = self.ports.registry.read().await?;
        let found = read.device_briefs(std::slice::from_ref(key)).await?.pop();
        drop(read);
        let known = found.map(Arc::new);
        if let Some(known) = &known {
            self.briefs.put([Arc::clone(known)], generation);
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argosy_domain::model::DeviceState;
    use argosy_proto::{DeviceId, ProductId};

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_after_it() {
        let device = Arc::new(DeviceBrief {
            id: DeviceId(1),
            key: DeviceKey::new("1").expect("key"),
            product: ProductId(1),
            state: DeviceState::Active,
            capabilities: Vec::new(),
            firmware_version: Some("1.0.0".to_owned()),
            image_hash: None,
        });
        let briefs = Briefs::default();
        let before = briefs.generation();
        briefs.forget([&device.key]);
        briefs.put([Arc::clone(&device)], before);
        assert_eq!(briefs.get(&device.key), None);
        briefs.put([Arc::clone(&device)], briefs.generation());
        assert_eq!(briefs.get(&device.key), Some(device));
    }
}
