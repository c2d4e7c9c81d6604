//! Deployments and device updates.

use argosy_proto::{DeploymentId, DeviceId};
use async_trait::async_trait;

use crate::Timestamp;
use crate::model::{
    Deployment, DeploymentState, DeviceUpdate, NewDeployment, UpdateBytes, UpdateCounts, UpdateState,
};
use crate::page::{Page, PageRequest};
use crate::ports::PortResult;

/// Which deployments: every field that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentFilter {
    /// In one of these states (empty: any).
    pub states: Vec<DeploymentState>,
    /// Name contains it (ASCII case does not matter).
    pub search: Option<String>,
}

/// Which device updates of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateFilter {
    /// In one of these states (empty: any).
    pub states: Vec<UpdateState>,
    /// Device key begins with it.
    pub search: Option<String>,
}

/// A planned target: the device and what is known of the image it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which device.
    pub device: DeviceId,
    /// Its key.
    pub key: argosy_proto::DeviceKey,
    /// The image it is known to run.
    pub image_hash: Option<argosy_proto::Sha256Hash>,
}

/// Reads of deployments.
#[async_trait]
pub trait DeploymentsRead {
    /// One deployment.
    async fn deployment(&mut self, id: DeploymentId) -> PortResult<Option<Deployment>>;
    /// Deployments, newest first (descending id).
    async fn deployments(
        &mut self,
        filter: &DeploymentFilter,
        page: &PageRequest,
    ) -> PortResult<Page<Deployment>>;
    /// All deployments that are not final, oldest first.
    async fn active_deployments(&mut self) -> PortResult<Vec<Deployment>>;
    /// The next targets of a planning deployment: devices of its product that its stored selection holds, state
    /// active, id > `after`, in order of id, `limit` at most.
    async fn plan_targets(
        &mut self,
        deployment: &Deployment,
        after: DeviceId,
        limit: u32,
    ) -> PortResult<Vec<Target>>;
    /// Which of these devices a newer deployment of the same kind (firmware, contents) has planned too, and not canceled. Bulk.
    async fn planned_by_newer(
        &mut self,
        deployment: &Deployment,
        devices: &[DeviceId],
    ) -> PortResult<Vec<DeviceId>>;
    /// Device updates of a deployment by state: exact.
    async fn update_counts(&mut self, id: DeploymentId) -> PortResult<UpdateCounts>;
    /// Bytes of a deployment.
    async fn update_bytes(&mut self, id: DeploymentId) -> PortResult<UpdateBytes>;
    /// One device update.
    async fn device_update(
        &mut self,
        deployment: DeploymentId,
        device: DeviceId,
    ) -> PortResult<Option<DeviceUpdate>>;
    /// These device updates (those that exist), in any order. Bulk.
    async fn device_updates_by_id(
        &mut self,
        ids: &[(DeploymentId, DeviceId)],
    ) -> PortResult<Vec<DeviceUpdate>>;
    /// A deployment's device updates by device id.
    async fn device_updates(
        &mut self,
        id: DeploymentId,
        filter: &UpdateFilter,
        page: &PageRequest,
    ) -> PortResult<Page<DeviceUpdate>>;
    /// Pending updates of a deployment with device id > `after`, by device id, `limit` at most: what the executor walks.
    async fn pending_updates(
        &mut self,
        id: DeploymentId,
        after: DeviceId,
        limit: u32,
    ) -> PortResult<Vec<DeviceUpdate>>;
    /// In-flight updates of a deployment by device id, device id > `after`, `limit` at most: whose leases the executor watches.
    async fn in_flight_updates(
        &mut self,
        id: DeploymentId,
        after: DeviceId,
        limit: u32,
    ) -> PortResult<Vec<DeviceUpdate>>;
    /// Every update of these devices that is not final, in deployments that are not final, by (device, deployment). Bulk.
    async fn open_updates_of(&mut self, devices: &[DeviceId]) -> PortResult<Vec<DeviceUpdate>>;
    /// A device's updates over all deployments, newest deployment first.
    async fn updates_of_device(
        &mut self,
        device: DeviceId,
        page: &PageRequest,
    ) -> PortResult<Page<DeviceUpdate>>;
}

/// Writes of deployments.
#[async_trait]
pub trait DeploymentsWrite {
    /// Makes a deployment in state `planning`, of what its payload's files are now. A reference error if the firmware
    /// (`deployment.firmware`) or a content (`deployment.content`) does not exist; contents must be of one product.
    async fn insert_deployment(&mut self, new: &NewDeployment, now: Timestamp) -> PortResult<DeploymentId>;
    /// Writes state, `planned`, `plan_cursor`, `started_at`, `finished_at` if the stored generation is still
    /// `deployment.generation`, and raises it by one; `false`: somebody was faster, read again.
    async fn save_deployment(&mut self, deployment: &Deployment) -> PortResult<bool>;
    /// Adds planned device updates; those that exist stay as they are (a chunk that is repeated after a crash). Bulk.
    async fn insert_device_updates(&mut self, updates: &[DeviceUpdate]) -> PortResult<()>;
    /// Writes device updates, each only if its stored revision is still the one that was read (the second part of the pair);
    /// returns how many matched. Bulk; a device update may stand in it once.
    async fn save_device_updates(&mut self, updates: &[(DeviceUpdate, i64)]) -> PortResult<u64>;
    /// Cancels up to `limit` updates of a deployment that are not final; returns those that held a slot, as they were before.
    /// Call again until [`CancelChunk::canceled`] is zero.
    async fn cancel_updates(
        &mut self,
        id: DeploymentId,
        message: &str,
        now: Timestamp,
        limit: u32,
    ) -> PortResult<CancelChunk>;
    /// Ends up to `limit` updates that are not final as `timed_out`; returns how many.
    async fn expire_updates(
        &mut self,
        id: DeploymentId,
        message: &str,
        now: Timestamp,
        limit: u32,
    ) -> PortResult<u64>;
    /// Cancels the pending updates that deployments of the same kind (firmware, contents) older than `newer` have for the devices
    /// that `newer` has planned in the id range (`after`, `upto`] (newer wins); returns how many.
    async fn supersede_pending(
        &mut self,
        newer: DeploymentId,
        after: DeviceId,
        upto: DeviceId,
        message: &str,
        now: Timestamp,
    ) -> PortResult<u64>;
}

/// One step of [`DeploymentsWrite::cancel_updates`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CancelChunk {
    /// Rows canceled by this call.
    pub canceled: u64,
    /// Those of them that held a slot, as they were before: their devices are told.
    pub in_flight: Vec<DeviceUpdate>,
}
