//! Products, groups, regions, artifacts, uploads, firmware.

use argosy_proto::{ArtifactId, FirmwareId, GroupId, ProductId, RegionId, Sha256Hash};
use async_trait::async_trait;

use crate::Timestamp;
use crate::model::{
    Artifact, Firmware, FirmwareState, Group, NewFirmware, NewProduct, Product, Region, Upload,
};
use crate::page::{Page, PageRequest};
use crate::ports::PortResult;

/// Which firmware: every field that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirmwareFilter {
    /// Of this product.
    pub product: Option<ProductId>,
    /// In this state.
    pub state: Option<FirmwareState>,
    /// Version or file name contains it (ASCII case does not matter).
    pub search: Option<String>,
}

/// Reads of the catalogue.
#[async_trait]
pub trait CatalogRead {
    /// One product.
    async fn product(&mut self, id: ProductId) -> PortResult<Option<Product>>;
    /// One product by its unique name (exact).
    async fn product_by_name(&mut self, name: &str) -> PortResult<Option<Product>>;
    /// Products by id; `search`: name contains.
    async fn products(&mut self, search: Option<&str>, page: &PageRequest) -> PortResult<Page<Product>>;
    /// One group.
    async fn group(&mut self, id: GroupId) -> PortResult<Option<Group>>;
    /// One group by its unique name (exact).
    async fn group_by_name(&mut self, name: &str) -> PortResult<Option<Group>>;
    /// Groups by id; `search`: name contains.
    async fn groups(&mut self, search: Option<&str>, page: &PageRequest) -> PortResult<Page<Group>>;
    /// One region.
    async fn region(&mut self, id: RegionId) -> PortResult<Option<Region>>;
    /// One region by its unique code (exact).
    async fn region_by_code(&mut self, code: &str) -> PortResult<Option<Region>>;
    /// Regions by id; `search`: code or name contains.
    async fn regions(&mut self, search: Option<&str>, page: &PageRequest) -> PortResult<Page<Region>>;
    /// One artifact.
    async fn artifact(&mut self, id: ArtifactId) -> PortResult<Option<Artifact>>;
    /// One artifact by its hash.
    async fn artifact_by_hash(&mut self, hash: &Sha256Hash) -> PortResult<Option<Artifact>>;
    /// One upload.
    async fn upload(&mut self, id: &str) -> PortResult<Option<Upload>>;
    /// Uploads that expired before `at`, oldest first, `limit` at most.
    async fn expired_uploads(&mut self, at: Timestamp, limit: u32) -> PortResult<Vec<Upload>>;
    /// One firmware.
    async fn firmware(&mut self, id: FirmwareId) -> PortResult<Option<Firmware>>;
    /// A product's firmware whose artifact has this hash; the newest if several.
    async fn firmware_by_hash(
        &mut self,
        product: ProductId,
        hash: &Sha256Hash,
    ) -> PortResult<Option<Firmware>>;
    /// A product's firmware of exactly this version; all of them, newest first (file names differ).
    async fn firmware_by_version(&mut self, product: ProductId, version: &str) -> PortResult<Vec<Firmware>>;
    /// Firmware, newest first (descending id).
    async fn firmware_list(
        &mut self,
        filter: &FirmwareFilter,
        page: &PageRequest,
    ) -> PortResult<Page<Firmware>>;
}

/// Writes of the catalogue. Constraints: `product.name`, `group.name`, `region.code`, `artifact.hash`, `firmware.file`
/// (conflicts); `product.in_use`, `group.in_use`, `region.in_use`, `firmware.in_use` (references).
#[async_trait]
pub trait CatalogWrite {
    /// Makes a product.
    async fn insert_product(&mut self, new: &NewProduct, now: Timestamp) -> PortResult<ProductId>;
    /// Changes a product (all of its fields); `false` if it does not exist.
    async fn update_product(&mut self, id: ProductId, new: &NewProduct) -> PortResult<bool>;
    /// Removes a product nothing refers to; `false` if it does not exist.
    async fn delete_product(&mut self, id: ProductId) -> PortResult<bool>;
    /// Makes a group.
    async fn insert_group(&mut self, name: &str, now: Timestamp) -> PortResult<GroupId>;
    /// Renames a group.
    async fn update_group(&mut self, id: GroupId, name: &str) -> PortResult<bool>;
    /// Removes a group without devices.
    async fn delete_group(&mut self, id: GroupId) -> PortResult<bool>;
    /// Makes a region.
    async fn insert_region(&mut self, code: &str, name: &str, now: Timestamp) -> PortResult<RegionId>;
    /// Changes a region.
    async fn update_region(&mut self, id: RegionId, code: &str, name: &str) -> PortResult<bool>;
    /// Removes a region without devices.
    async fn delete_region(&mut self, id: RegionId) -> PortResult<bool>;
    /// Makes an artifact row.
    async fn insert_artifact(
        &mut self,
        hash: &Sha256Hash,
        size: i64,
        now: Timestamp,
    ) -> PortResult<ArtifactId>;
    /// Keeps a new upload.
    async fn insert_upload(&mut self, upload: &Upload) -> PortResult<()>;
    /// Rewrites an upload (by id); `false` if it does not exist.
    async fn update_upload(&mut self, upload: &Upload) -> PortResult<bool>;
    /// Removes an upload.
    async fn delete_upload(&mut self, id: &str) -> PortResult<bool>;
    /// Registers a firmware.
    async fn insert_firmware(&mut self, new: &NewFirmware, now: Timestamp) -> PortResult<FirmwareId>;
    /// Changes a firmware's state and notes; `false` if it does not exist.
    async fn update_firmware(
        &mut self,
        id: FirmwareId,
        state: FirmwareState,
        release_notes: &str,
    ) -> PortResult<bool>;
    /// Removes a firmware that no deployment refers to; `false` if it does not exist.
    async fn delete_firmware(&mut self, id: FirmwareId) -> PortResult<bool>;
}
