//! Devices, their certificates and their firmware history.

use argosy_proto::{DeviceId, DeviceKey, GroupId, ProductId, RegionId};
use async_trait::async_trait;

use crate::Timestamp;
use crate::model::{
    Admission, Certificate, Device, DeviceFilter, DevicePatch, DeviceTouch, FirmwareChange, NewDevice,
};
use crate::page::{Page, PageRequest};
use crate::ports::PortResult;

/// What ingest needs of a device, cheap to read in bulk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceBrief {
    /// Row id.
    pub id: DeviceId,
    /// Its key.
    pub key: DeviceKey,
    /// Its product.
    pub product: ProductId,
    /// Its state.
    pub state: crate::model::DeviceState,
    /// What its agent can do.
    pub capabilities: Vec<String>,
    /// The version it reported last.
    pub firmware_version: Option<String>,
    /// The image it is known to run.
    pub image_hash: Option<argosy_proto::Sha256Hash>,
}

/// A number of devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceTally {
    /// All of them.
    pub devices: u64,
    /// Those that are connected now.
    pub online: u64,
}

/// Within which part of the fleet to count: every field that is set must hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CountScope {
    /// Of this product.
    pub product: Option<ProductId>,
    /// In this group.
    pub group: Option<GroupId>,
    /// In this region.
    pub region: Option<RegionId>,
}

/// Devices by one property: exact, each list without properties that no device has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCounts {
    /// All.
    pub total: u64,
    /// Connected now.
    pub online: u64,
    /// By state.
    pub by_state: Vec<(crate::model::DeviceState, DeviceTally)>,
    /// By reported version, most first, 100 at most; `None`: never reported.
    pub by_version: Vec<(Option<String>, DeviceTally)>,
    /// By product.
    pub by_product: Vec<(ProductId, DeviceTally)>,
    /// By group; `None`: in no group.
    pub by_group: Vec<(Option<GroupId>, DeviceTally)>,
    /// By region; `None`: in no region.
    pub by_region: Vec<(Option<RegionId>, DeviceTally)>,
}

/// Reads of devices.
#[async_trait]
pub trait DevicesRead {
    /// One device.
    async fn device(&mut self, id: DeviceId) -> PortResult<Option<Device>>;
    /// One device by its key (exact, case matters).
    async fn device_by_key(&mut self, key: &DeviceKey) -> PortResult<Option<Device>>;
    /// Briefs of the devices with these keys (those that exist), in any order. Bulk.
    async fn device_briefs(&mut self, keys: &[DeviceKey]) -> PortResult<Vec<DeviceBrief>>;
    /// Devices by id.
    async fn devices(&mut self, filter: &DeviceFilter, page: &PageRequest) -> PortResult<Page<Device>>;
    /// How many devices the filter selects.
    async fn count_devices(&mut self, filter: &DeviceFilter) -> PortResult<u64>;
    /// Counts of the devices within a scope, from tallies: as cheap for a million as for ten.
    async fn device_counts(&mut self, scope: &CountScope) -> PortResult<DeviceCounts>;
    /// The devices of each of these groups, those without any left out, in any order. Bulk.
    async fn group_tallies(&mut self, groups: &[GroupId]) -> PortResult<Vec<(GroupId, DeviceTally)>>;
    /// The devices of each of these regions, those without any left out, in any order. Bulk.
    async fn region_tallies(&mut self, regions: &[RegionId]) -> PortResult<Vec<(RegionId, DeviceTally)>>;
    /// What the gate needs to know of a certificate; `None`: not on the allow-list.
    async fn admission(&mut self, issuer: &str, serial: &str) -> PortResult<Option<Admission>>;
    /// A device's certificates, newest first.
    async fn certificates(&mut self, device: DeviceId) -> PortResult<Vec<Certificate>>;
    /// Whether the device was ever given a certificate, by us or by a CA that was imported.
    async fn has_certificate(&mut self, device: DeviceId) -> PortResult<bool>;
    /// A device's firmware history, newest first (descending id).
    async fn firmware_history(
        &mut self,
        device: DeviceId,
        page: &PageRequest,
    ) -> PortResult<Page<FirmwareChange>>;
}

/// Writes of devices. Constraints: `device.key`, `certificate.serial` (conflicts); `device.product`, `device.group`, `device.region` (references).
#[async_trait]
pub trait DevicesWrite {
    /// Registers devices, all or none; ids in the order given. Bulk.
    async fn insert_devices(&mut self, new: &[NewDevice], now: Timestamp) -> PortResult<Vec<DeviceId>>;
    /// Changes one device; `false` if it does not exist.
    async fn patch_device(&mut self, id: DeviceId, patch: &DevicePatch, now: Timestamp) -> PortResult<bool>;
    /// Applies live facts. Bulk; one touch a device (callers merge). A `seen_at` older than what is stored keeps the stored one.
    async fn touch_devices(&mut self, touches: &[DeviceTouch]) -> PortResult<()>;
    /// Marks every device offline (at start, before any listener opens).
    async fn all_offline(&mut self, now: Timestamp) -> PortResult<u64>;
    /// Puts certificates on the allow-list. Bulk.
    async fn insert_certificates(&mut self, certificates: &[Certificate]) -> PortResult<()>;
    /// Appends to firmware histories. Bulk.
    async fn insert_firmware_changes(&mut self, changes: &[FirmwareChange]) -> PortResult<()>;
}
