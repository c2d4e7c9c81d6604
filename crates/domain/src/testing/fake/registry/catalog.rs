//! Products, groups, regions, artifacts, uploads, firmware.

use argosy_proto::{ArtifactId, FirmwareId, GroupId, ProductId, RegionId, Sha256Hash};
use async_trait::async_trait;

use super::table::{Order, contains, page};
use super::{Session, State};
use crate::Timestamp;
use crate::model::{
    Artifact, Firmware, FirmwareState, Group, NewFirmware, NewProduct, Product, Region, Upload,
};
use crate::page::{Page, PageRequest};
use crate::ports::{CatalogRead, CatalogWrite, FirmwareFilter, PortError, PortResult};

fn holds(text: &str, search: Option<&str>) -> bool {
    search.is_none_or(|part| contains(text, part))
}

impl State {
    fn newest_firmware(&self, wanted: impl Fn(&Firmware) -> bool) -> impl Iterator<Item = Firmware> {
        self.firmware.values().rev().filter(move |f| wanted(f)).cloned()
    }

    /// The registered firmware of a product with this image, the newest if several.
    pub(super) fn firmware_with(&self, product: ProductId, hash: &Sha256Hash) -> Option<Firmware> {
        self.newest_firmware(|f| f.spec.product == product && f.hash == *hash).next()
    }

    fn product_name_free(
        &self,
        operation: &'static str,
        name: &str,
        own: Option<ProductId>,
    ) -> PortResult<()> {
        if self.products.values().any(|p| p.spec.name == name && Some(p.id) != own) {
            return Err(PortError::conflict(operation, "product.name"));
        }
        Ok(())
    }

    fn group_name_free(&self, operation: &'static str, name: &str, own: Option<GroupId>) -> PortResult<()> {
        if self.groups.values().any(|g| g.name == name && Some(g.id) != own) {
            return Err(PortError::conflict(operation, "group.name"));
        }
        Ok(())
    }

    fn region_code_free(&self, operation: &'static str, code: &str, own: Option<RegionId>) -> PortResult<()> {
        if self.regions.values().any(|r| r.code == code && Some(r.id) != own) {
            return Err(PortError::conflict(operation, "region.code"));
        }
        Ok(())
    }
}

#[async_trait]
impl CatalogRead for Session {
    async fn product(&mut self, id: ProductId) -> PortResult<Option<Product>> {
        Ok(self.state.products.get(&id).cloned())
    }

    async fn product_by_name(&mut self, name: &str) -> PortResult<Option<Product>> {
        Ok(self.state.products.values().find(|p| p.spec.name == name).cloned())
    }

    async fn products(&mut self, search: Option<&str>, request: &PageRequest) -> PortResult<Page<Product>> {
        let rows = self.state.products.iter().filter(|(_, p)| holds(&p.spec.name, search));
        page("products", rows.map(|(id, p)| (id.get(), p.clone())), Order::OldestFirst, request)
    }

    async fn group(&mut self, id: GroupId) -> PortResult<Option<Group>> {
        Ok(self.state.groups.get(&id).cloned())
    }

    async fn group_by_name(&mut self, name: &str) -> PortResult<Option<Group>> {
        Ok(self.state.groups.values().find(|g| g.name == name).cloned())
    }

    async fn groups(&mut self, search: Option<&str>, request: &PageRequest) -> PortResult<Page<Group>> {
        let rows = self.state.groups.iter().filter(|(_, g)| holds(&g.name, search));
        page("groups", rows.map(|(id, g)| (id.get(), g.clone())), Order::OldestFirst, request)
    }

    async fn region(&mut self, id: RegionId) -> PortResult<Option<Region>> {
        Ok(self.state.regions.get(&id).cloned())
    }

    async fn region_by_code(&mut self, code: &str) -> PortResult<Option<Region>> {
        Ok(self.state.regions.values().find(|r| r.code == code).cloned())
    }

    async fn regions(&mut self, search: Option<&str>, request: &PageRequest) -> PortResult<Page<Region>> {
        let rows =
            self.state.regions.iter().filter(|(_, r)| holds(&r.code, search) || holds(&r.name, search));
        page("regions", rows.map(|(id, r)| (id.get(), r.clone())), Order::OldestFirst, request)
    }

    async fn artifact(&mut self, id: ArtifactId) -> PortResult<Option<Artifact>> {
        Ok(self.state.artifacts.get(&id).cloned())
    }

    async fn artifact_by_hash(&mut self, hash: &Sha256Hash) -> PortResult<Option<Artifact>> {
        Ok(self.state.artifacts.values().find(|a| a.hash == *hash).cloned())
    }

    async fn upload(&mut self, id: &str) -> PortResult<Option<Upload>> {
        Ok(self.state.uploads.get(id).cloned())
    }

    async fn expired_uploads(&mut self, at: Timestamp, limit: u32) -> PortResult<Vec<Upload>> {
        let mut expired: Vec<_> =
            self.state.uploads.values().filter(|u| u.expires_at < at).cloned().collect();
        expired.sort_by(|a, b| (a.expires_at, &a.id).cmp(&(b.expires_at, &b.id)));
        expired.truncate(limit as usize);
        Ok(expired)
    }

    async fn firmware(&mut self, id: FirmwareId) -> PortResult<Option<Firmware>> {
        Ok(self.state.firmware.get(&id).cloned())
    }

    async fn firmware_by_hash(
        &mut self,
        product: ProductId,
        hash: &Sha256Hash,
    ) -> PortResult<Option<Firmware>> {
        Ok(self.state.firmware_with(product, hash))
    }

    async fn firmware_by_version(&mut self, product: ProductId, version: &str) -> PortResult<Vec<Firmware>> {
        Ok(self.state.newest_firmware(|f| f.spec.product == product && f.spec.version == version).collect())
    }

    async fn firmware_list(
        &mut self,
        filter: &FirmwareFilter,
        request: &PageRequest,
    ) -> PortResult<Page<Firmware>> {
        let search = filter.search.as_deref();
        let rows = self.state.firmware.iter().filter(|(_, f)| {
            filter.product.is_none_or(|product| f.spec.product == product)
                && filter.state.is_none_or(|state| f.spec.state == state)
                && (holds(&f.spec.version, search) || holds(&f.spec.file_name, search))
        });
        page("firmware_list", rows.map(|(id, f)| (id.get(), f.clone())), Order::NewestFirst, request)
    }
}

#[async_trait]
impl CatalogWrite for Session {
    async fn insert_product(&mut self, new: &NewProduct, now: Timestamp) -> PortResult<ProductId> {
        self.state.product_name_free("insert_product", &new.name, None)?;
        let id = ProductId(self.state.new_id());
        self.state.products.insert(id, Product { id, spec: new.clone(), created_at: now });
        Ok(id)
    }

    async fn update_product(&mut self, id: ProductId, new: &NewProduct) -> PortResult<bool> {
        self.state.product_name_free("update_product", &new.name, Some(id))?;
        let Some(product) = self.state.products.get_mut(&id) else { return Ok(false) };
        product.spec = new.clone();
        Ok(true)
    }

    async fn delete_product(&mut self, id: ProductId) -> PortResult<bool> {
        let used = self.state.devices.values().any(|d| d.spec.product == id)
            || self.state.firmware.values().any(|f| f.spec.product == id)
            || self.state.contents.values().any(|c| c.spec.product == id);
        if used {
            return Err(PortError::reference("delete_product", "product.in_use"));
        }
        Ok(self.state.products.remove(&id).is_some())
    }

    async fn insert_group(&mut self, name: &str, now: Timestamp) -> PortResult<GroupId> {
        self.state.group_name_free("insert_group", name, None)?;
        let id = GroupId(self.state.new_id());
        self.state.groups.insert(id, Group { id, name: name.to_owned(), created_at: now });
        Ok(id)
    }

    async fn update_group(&mut self, id: GroupId, name: &str) -> PortResult<bool> {
        self.state.group_name_free("update_group", name, Some(id))?;
        let Some(group) = self.state.groups.get_mut(&id) else { return Ok(false) };
        name.clone_into(&mut group.name);
        Ok(true)
    }

    async fn delete_group(&mut self, id: GroupId) -> PortResult<bool> {
        if self.state.devices.values().any(|d| d.spec.group == Some(id)) {
            return Err(PortError::reference("delete_group", "group.in_use"));
        }
        Ok(self.state.groups.remove(&id).is_some())
    }

    async fn insert_region(&mut self, code: &str, name: &str, now: Timestamp) -> PortResult<RegionId> {
        self.state.region_code_free("insert_region", code, None)?;
        let id = RegionId(self.state.new_id());
        let region = Region { id, code: code.to_owned(), name: name.to_owned(), created_at: now };
        self.state.regions.insert(id, region);
        Ok(id)
    }

    async fn update_region(&mut self, id: RegionId, code: &str, name: &str) -> PortResult<bool> {
        self.state.region_code_free("update_region", code, Some(id))?;
        let Some(region) = self.state.regions.get_mut(&id) else { return Ok(false) };
        code.clone_into(&mut region.code);
        name.clone_into(&mut region.name);
        Ok(true)
    }

    async fn delete_region(&mut self, id: RegionId) -> PortResult<bool> {
        if self.state.devices.values().any(|d| d.spec.region == Some(id)) {
            return Err(PortError::reference("delete_region", "region.in_use"));
        }
        Ok(self.state.regions.remove(&id).is_some())
    }

    async fn insert_artifact(
        &mut self,
        hash: &Sha256Hash,
        size: i64,
        now: Timestamp,
    ) -> PortResult<ArtifactId> {
        if self.state.artifacts.values().any(|a| a.hash == *hash) {
            return Err(PortError::conflict("insert_artifact", "artifact.hash"));
        }
        let id = ArtifactId(self.state.new_id());
        self.state.artifacts.insert(id, Artifact { id, hash: *hash, size, created_at: now });
        Ok(id)
    }

    async fn insert_upload(&mut self, upload: &Upload) -> PortResult<()> {
        if self.state.uploads.contains_key(&upload.id) {
            return Err(PortError::conflict("insert_upload", "upload.id"));
        }
        self.state.uploads.insert(upload.id.clone(), upload.clone());
        Ok(())
    }

    async fn update_upload(&mut self, upload: &Upload) -> PortResult<bool> {
        let Some(stored) = self.state.uploads.get_mut(&upload.id) else { return Ok(false) };
        stored.clone_from(upload);
        Ok(true)
    }

    async fn delete_upload(&mut self, id: &str) -> PortResult<bool> {
        Ok(self.state.uploads.remove(id).is_some())
    }

    async fn insert_firmware(&mut self, new: &NewFirmware, now: Timestamp) -> PortResult<FirmwareId> {
        if !self.state.products.contains_key(&new.product) {
            return Err(PortError::reference("insert_firmware", "firmware.product"));
        }
        let Some(artifact) = self.state.artifacts.get(&new.artifact).cloned() else {
            return Err(PortError::reference("insert_firmware", "firmware.artifact"));
        };
        let same = |f: &Firmware| {
            f.spec.product == new.product
                && f.spec.version == new.version
                && f.spec.file_name == new.file_name
        };
        if self.state.firmware.values().any(same) {
            return Err(PortError::conflict("insert_firmware", "firmware.file"));
        }
        let id = FirmwareId(self.state.new_id());
        let firmware =
            Firmware { id, spec: new.clone(), hash: artifact.hash, size: artifact.size, created_at: now };
        self.state.firmware.insert(id, firmware);
        Ok(id)
    }

    async fn update_firmware(
        &mut self,
        id: FirmwareId,
        state: FirmwareState,
        release_notes: &str,
    ) -> PortResult<bool> {
        let Some(firmware) = self.state.firmware.get_mut(&id) else { return Ok(false) };
        firmware.spec.state = state;
        release_notes.clone_into(&mut firmware.spec.release_notes);
        Ok(true)
    }

    async fn delete_firmware(&mut self, id: FirmwareId) -> PortResult<bool> {
        if self.state.deployments.values().any(|d| d.spec.payload.firmware() == Some(id)) {
            return Err(PortError::reference("delete_firmware", "firmware.in_use"));
        }
        Ok(self.state.firmware.remove(&id).is_some())
    }
}
