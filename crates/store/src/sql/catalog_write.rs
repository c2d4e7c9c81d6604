//! Products, groups, regions, artifacts, uploads, firmware: writing.

use argosy_domain::Timestamp;
use argosy_domain::model::{FirmwareState, NewFirmware, NewProduct, Upload};
use argosy_domain::ports::{CatalogWrite, PortError, PortErrorKind, PortResult};
use argosy_proto::{ArtifactId, FirmwareId, GroupId, ProductId, RegionId, Sha256Hash};
use async_trait::async_trait;

use super::query::{Query, json};
use super::session::Session;

impl Session {
    /// An insert that must give an id.
    pub(super) async fn insert_id(&mut self, operation: &'static str, query: Query) -> PortResult<i64> {
        self.insert(operation, query).await?.ok_or_else(|| {
            PortError::new(operation, PortErrorKind::Internal).with_source("the engine gave no id")
        })
    }

    async fn delete(&mut self, operation: &'static str, table: &str, id: i64) -> PortResult<bool> {
        let query = Query::new(format!("DELETE FROM {table} WHERE id = ?")).bind(id);
        Ok(self.run(operation, query).await? > 0)
    }
}

#[async_trait]
impl CatalogWrite for Session {
    async fn insert_product(&mut self, new: &NewProduct, now: Timestamp) -> PortResult<ProductId> {
        const OPERATION: &str = "insert_product";
        let display = new.display.as_ref().map(|d| json(OPERATION, d)).transpose()?;
        let query = Query::new(
            "INSERT INTO products (name, name_lower, chip, image_format, slot_size, display, created_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.name.as_str())
        .bind(new.name.to_ascii_lowercase())
        .bind(new.chip.as_str())
        .bind(new.image_format.as_str())
        .bind(new.slot_size)
        .bind(display)
        .bind(now);
        self.insert_id(OPERATION, query).await.map(ProductId)
    }

    async fn update_product(&mut self, id: ProductId, new: &NewProduct) -> PortResult<bool> {
        const OPERATION: &str = "update_product";
        let display = new.display.as_ref().map(|d| json(OPERATION, d)).transpose()?;
        let query = Query::new(
            "UPDATE products SET name = ?, name_lower = ?, chip = ?, image_format = ?, slot_size = ?, display = ? WHERE id = ?",
        )
        .bind(new.name.as_str())
        .bind(new.name.to_ascii_lowercase())
        .bind(new.chip.as_str())
        .bind(new.image_format.as_str())
        .bind(new.slot_size)
        .bind(display)
        .bind(id.get());
        Ok(self.run(OPERATION, query).await? > 0)
    }

    async fn delete_product(&mut self, id: ProductId) -> PortResult<bool> {
        self.delete("delete_product", "products", id.get()).await
    }

    async fn insert_group(&mut self, name: &str, now: Timestamp) -> PortResult<GroupId> {
        let query = Query::new("INSERT INTO device_groups (name, name_lower, created_at) VALUES (?, ?, ?)")
            .bind(name)
            .bind(name.to_ascii_lowercase())
            .bind(now);
        self.insert_id("insert_group", query).await.map(GroupId)
    }

    async fn update_group(&mut self, id: GroupId, name: &str) -> PortResult<bool> {
        let query = Query::new("UPDATE device_groups SET name = ?, name_lower = ? WHERE id = ?")
            .bind(name)
            .bind(name.to_ascii_lowercase())
            .bind(id.get());
        Ok(self.run("update_group", query).await? > 0)
    }

    async fn delete_group(&mut self, id: GroupId) -> PortResult<bool> {
        self.delete("delete_group", "device_groups", id.get()).await
    }

    async fn insert_region(&mut self, code: &str, name: &str, now: Timestamp) -> PortResult<RegionId> {
        let query = Query::new(
            "INSERT INTO regions (code, code_lower, name, name_lower, created_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(code)
        .bind(code.to_ascii_lowercase())
        .bind(name)
        .bind(name.to_ascii_lowercase())
        .bind(now);
        self.insert_id("insert_region", query).await.map(RegionId)
    }

    async fn update_region(&mut self, id: RegionId, code: &str, name: &str) -> PortResult<bool> {
        let query =
            Query::new("UPDATE regions SET code = ?, code_lower = ?, name = ?, name_lower = ? WHERE id = ?")
                .bind(code)
                .bind(code.to_ascii_lowercase())
                .bind(name)
                .bind(name.to_ascii_lowercase())
                .bind(id.get());
        Ok(self.run("update_region", query).await? > 0)
    }

    async fn delete_region(&mut self, id: RegionId) -> PortResult<bool> {
        self.delete("delete_region", "regions", id.get()).await
    }

    async fn insert_artifact(
        &mut self,
        hash: &Sha256Hash,
        size: i64,
        now: Timestamp,
    ) -> PortResult<ArtifactId> {
        let query = Query::new("INSERT INTO artifacts (hash, size, created_at) VALUES (?, ?, ?)")
            .bind(hash.to_string())
            .bind(size)
            .bind(now);
        self.insert_id("insert_artifact", query).await.map(ArtifactId)
    }

    async fn insert_upload(&mut self, upload: &Upload) -> PortResult<()> {
        let query = Query::new(
            "INSERT INTO uploads (id, file_name, state, hash, size, created_by, created_at, expires_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(upload.id.as_str())
        .bind(upload.file_name.as_str())
        .bind(upload.state.as_str())
        .bind(upload.hash.map(|h| h.to_string()))
        .bind(upload.size)
        .bind(upload.created_by.get())
        .bind(upload.created_at)
        .bind(upload.expires_at);
        self.run("insert_upload", query).await.map(drop)
    }

    async fn update_upload(&mut self, upload: &Upload) -> PortResult<bool> {
        let query = Query::new(
            "UPDATE uploads SET file_name = ?, state = ?, hash = ?, size = ?, created_by = ?, created_at = ?, expires_at = ? \
             WHERE id = ?",
        )
        .bind(upload.file_name.as_str())
        .bind(upload.state.as_str())
        .bind(upload.hash.map(|h| h.to_string()))
        .bind(upload.size)
        .bind(upload.created_by.get())
        .bind(upload.created_at)
        .bind(upload.expires_at)
        .bind(upload.id.as_str());
        Ok(self.run("update_upload", query).await? > 0)
    }

    async fn delete_upload(&mut self, id: &str) -> PortResult<bool> {
        let query = Query::new("DELETE FROM uploads WHERE id = ?").bind(id);
        Ok(self.run("delete_upload", query).await? > 0)
    }

    async fn insert_firmware(&mut self, new: &NewFirmware, now: Timestamp) -> PortResult<FirmwareId> {
        const OPERATION: &str = "insert_firmware";
        let query = Query::new(
            "INSERT INTO firmware (product_id, version, version_lower, file_name, file_name_lower, artifact_id, release_notes, \
             facts, state, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.product.get())
        .bind(new.version.as_str())
        .bind(new.version.to_ascii_lowercase())
        .bind(new.file_name.as_str())
        .bind(new.file_name.to_ascii_lowercase())
        .bind(new.artifact.get())
        .bind(new.release_notes.as_str())
        .bind(json(OPERATION, &new.facts)?)
        .bind(new.state.as_str())
        .bind(now);
        match self.insert_id(OPERATION, query).await {
            Ok(id) => Ok(FirmwareId(id)),
            Err(error) => {
                let probes = [
                    ("firmware.product", "products", vec![new.product.get()]),
                    ("firmware.artifact", "artifacts", vec![new.artifact.get()]),
                ];
                Err(self.name_reference(error, &probes).await)
            }
        }
    }

    async fn update_firmware(
        &mut self,
        id: FirmwareId,
        state: FirmwareState,
        release_notes: &str,
    ) -> PortResult<bool> {
        let query = Query::new("UPDATE firmware SET state = ?, release_notes = ? WHERE id = ?")
            .bind(state.as_str())
            .bind(release_notes)
            .bind(id.get());
        Ok(self.run("update_firmware", query).await? > 0)
    }

    async fn delete_firmware(&mut self, id: FirmwareId) -> PortResult<bool> {
        self.delete("delete_firmware", "firmware", id.get()).await
    }
}
