//! Deployments, carried out: the executor runs the pure planner and writes its steps; the sender hands outbox rows to the device plane.

mod executor;
mod facts;
mod request;
mod sender;
mod shown;
mod writes;

use std::collections::BTreeSet;

use argosy_domain::Timestamp;
use argosy_domain::model::DeviceUpdate;
use argosy_domain::ports::Door;
use argosy_proto::{DeploymentId, DeviceId, DeviceKey, Sha256Hash, UpdateCommandId};
use parking_lot::Mutex;
use tokio::sync::Notify;

pub(crate) use executor::run;
pub(crate) use facts::{DeploymentFacts, FactsCache};
pub(crate) use sender::run_sender;
pub(crate) use shown::ShownCache;

/// Makes the signed, expiring address of an artifact for one device and deployment.
pub trait DownloadLinks: Send + Sync + 'static {
    /// The address; `None` when devices of this door have no base address configured.
    fn for_device(
        &self,
        door: Door,
        hash: &Sha256Hash,
        file_name: &str,
        key: &DeviceKey,
        deployment: DeploymentId,
        expires_at: Timestamp,
    ) -> Option<String>;
}

/// The command id of an update's current attempt.
pub(crate) fn command_id(update: &DeviceUpdate) -> String {
    let (deployment, device, attempt) = (update.deployment, update.device, update.attempt);
    UpdateCommandId { kind: update.kind(), deployment, device, attempt }.to_string()
}

/// An error with its causes, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Devices that have just connected: what is open for them is looked at first. Bounded by the number of devices.
#[derive(Debug, Default)]
pub(crate) struct ReadyDevices {
    devices: Mutex<BTreeSet<DeviceId>>,
    sender: Notify,
}

impl ReadyDevices {
    pub(crate) fn add(&self, devices: impl IntoIterator<Item = DeviceId>) {
        self.devices.lock().extend(devices);
    }

    /// Takes up to `limit` of them.
    fn take(&self, limit: usize) -> Vec<DeviceId> {
        let mut set = self.devices.lock();
        let mut taken = Vec::with_capacity(limit.min(set.len()));
        while taken.len() < limit
            && let Some(device) = set.pop_first()
        {
            taken.push(device);
        }
        taken
    }

    /// Rings the sender: rows stand in the outbox.
    pub(crate) fn ring_sender(&self) {
        self.sender.notify_one();
    }

    async fn sender_rung(&self) {
        self.sender.notified().await;
    }

    fn is_empty(&self) -> bool {
        self.devices.lock().is_empty()
    }
}
