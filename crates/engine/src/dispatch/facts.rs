//! What never changes of a deployment, kept in memory: ingest and the sender ask for it with every message.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::model::{DeployedFile, ShownFiles};
use argosy_domain::ports::{PortResult, ReadSession};
use argosy_proto::{DeploymentId, DeviceKey, Sha256Hash, UpdateKind};
use parking_lot::Mutex;

/// Deployments remembered at most; then all are forgotten and read again.
const CAPACITY: usize = 1_000;
/// Devices whose last warning is remembered at most.
const MAX_WARNED: usize = 100_000;

/// The unchanging facts of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeploymentFacts {
    pub(crate) kind: UpdateKind,
    pub(crate) files: Vec<DeployedFile>,
    pub(crate) size: i64,
    pub(crate) version: String,
    /// What a device runs afterwards (firmware).
    pub(crate) image: Option<Sha256Hash>,
    /// What a device shows afterwards (contents).
    pub(crate) shown: Option<ShownFiles>,
}

/// The cache.
#[derive(Debug, Default)]
pub(crate) struct FactsCache {
    by_deployment: Mutex<HashMap<DeploymentId, Arc<DeploymentFacts>>>,
    versions: Mutex<HashMap<Sha256Hash, String>>,
    warned: Mutex<HashMap<DeviceKey, Timestamp>>,
}

impl FactsCache {
    /// The facts of a deployment; `None` if it does not exist.
    pub(crate) async fn of<R: ReadSession + ?Sized>(
        &self,
        read: &mut R,
        id: DeploymentId,
    ) -> PortResult<Option<Arc<DeploymentFacts>>> {
        if let Some(known) = self.by_deployment.lock().get(&id) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(deployment) = read.deployment(id).await? else { return Ok(None) };
        let (image, shown) = (deployment.image(), deployment.shown_set());
        let facts = Arc::new(DeploymentFacts {
            kind: deployment.spec.payload.kind(),
            files: deployment.files,
            size: deployment.size,
            version: deployment.version,
            image,
            shown,
        });
        let mut map = self.by_deployment.lock();
        if map.len() >= CAPACITY {
            map.clear();
            self.versions.lock().clear();
        }
        if let Some(image) = facts.image {
            self.versions.lock().insert(image, facts.version.clone());
        }
        map.insert(id, Arc::clone(&facts));
        Ok(Some(facts))
    }

    /// Deployments in memory of exactly these contents, newest first.
    pub(crate) fn of_contents(&self, shown: &ShownFiles) -> Vec<DeploymentId> {
        let map = self.by_deployment.lock();
        let mut ids: Vec<_> =
            map.iter().filter(|(_, facts)| facts.shown.as_ref() == Some(shown)).map(|(id, _)| *id).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids
    }

    /// The version of an image that a deployment in memory has deployed.
    pub(crate) fn version_of(&self, hash: Option<Sha256Hash>) -> Option<String> {
        self.versions.lock().get(&hash?).cloned()
    }

    /// Whether a bad message of this device may be logged: once a minute.
    pub(crate) fn may_log(&self, key: &DeviceKey, now: Timestamp) -> bool {
        let mut warned = self.warned.lock();
        if warned.get(key).is_some_and(|at| now.since(*at) < Duration::from_secs(60)) {
            return false;
        }
        if warned.len() >= MAX_WARNED {
            warned.retain(|_, at| now.since(*at) < Duration::from_secs(60));
        }
        if warned.len() < MAX_WARNED {
            warned.insert(key.clone(), now);
        }
        true
    }
}
