//! The change feed: tells followers (server-sent events, `--watch`) *that* something changed; they read what it is now.
//!
//! Bounded: a follower that is too slow misses notes and is told so, and then reads everything anew.

use argosy_proto::{DeploymentId, DeviceId};
use tokio::sync::broadcast;

/// Notes a follower may lag behind.
const CAPACITY: usize = 1024;

/// Something changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A deployment, or device updates of it (these devices, all that changed in one commit).
    Deployment {
        /// Which.
        id: DeploymentId,
        /// The devices whose update changed; empty: the deployment itself.
        devices: std::sync::Arc<[DeviceId]>,
    },
    /// Live facts or registration of devices (all that changed in one commit).
    Devices {
        /// Which.
        ids: std::sync::Arc<[DeviceId]>,
    },
}

/// The feed.
#[derive(Debug, Clone)]
pub struct Feed(broadcast::Sender<Change>);

impl Feed {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(CAPACITY).0)
    }

    /// Follows from now on.
    pub fn follow(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }

    /// Whether anybody listens.
    pub(crate) fn is_followed(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Tells everybody; nobody listening is fine.
    pub(crate) fn tell(&self, change: Change) {
        let _ = self.0.send(change);
    }

    pub(crate) fn deployment(&self, id: DeploymentId) {
        self.tell(Change::Deployment { id, devices: std::sync::Arc::from([]) });
    }

    pub(crate) fn device(&self, id: DeviceId) {
        self.tell(Change::Devices { ids: std::sync::Arc::from([id]) });
    }
}
