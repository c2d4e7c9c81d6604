//! Uploads and firmware: ask for an address, send the bytes to it, register them.
//!
//! Bytes are staged under a random key and can be read from nowhere until the registration has checked them; promotion to the
//! content address comes before the row, so a row always has its bytes. What is never registered is cleaned away by its time.

use std::time::Duration;

use argosy_domain::image::{ImageInspector, check_fits};
use argosy_domain::model::{
    Firmware, FirmwareState, MAX_ARTIFACT_SIZE, NewFirmware, Product, Upload, UploadState, checked_name,
    checked_notes,
};
use argosy_domain::ports::{ByteStream, PortError, StagedBlob};
use argosy_proto::{FirmwareId, ProductId, Sha256Hash};
use serde_json::json;

use super::{Actor, audit};
use crate::Engine;
use crate::error::{EngineError, EngineResult};

/// Bytes read at a time while an image is inspected.
const INSPECT_CHUNK: u64 = 256 * 1024;

/// The registration of an uploaded file as firmware.
#[derive(Debug, Clone)]
pub struct FirmwareRequest {
    /// The upload that holds the bytes.
    pub upload: String,
    /// For which hardware model.
    pub product: ProductId,
    /// 1 to 64 characters.
    pub version: String,
    /// The upload's file name if none.
    pub file_name: Option<String>,
    /// Free text.
    pub release_notes: String,
    /// Released, or a draft.
    pub state: FirmwareState,
}

fn checked_version(version: &str) -> EngineResult<String> {
    let version = version.trim();
    let good = (1..=64).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_graphic());
    if !good {
        return Err(EngineError::invalid(
            "version",
            "a version is 1 to 64 printable ASCII characters without blanks (1.4.2)",
        ));
    }
    Ok(version.to_owned())
}

fn checked_file_name(name: &str) -> EngineResult<String> {
    let name = checked_name("file_name", name)?;
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(EngineError::invalid(
            "file_name",
            "a file name has no path in it and does not begin with a dot",
        ));
    }
    Ok(name)
}

impl Engine {
    /// Gives an address for an upload. `size`, when the caller knows it, is refused early if it is too large.
    ///
    /// # Errors
    /// [`EngineError::Invalid`], [`EngineError::TooLarge`].
    pub async fn create_upload(
        &self,
        actor: &Actor,
        file_name: &str,
        size: Option<u64>,
    ) -> EngineResult<Upload> {
        actor.may_change()?;
        let file_name = checked_file_name(file_name)?;
        let limit = self.upload_limit();
        if size.is_some_and(|size| size > limit) {
            return Err(EngineError::TooLarge { limit });
        }
        let now = self.now();
        let upload = Upload {
            id: self.random_text(16),
            file_name,
            state: UploadState::Open,
            hash: None,
            size: None,
            created_by: actor.user,
            created_at: now,
            expires_at: now + Duration::from_secs(u64::from(self.config.upload_ttl_s)),
        };
        let mut work = self.ports.registry.begin("upload").await?;
        work.insert_upload(&upload).await?;
        work.commit().await?;
        Ok(upload)
    }

    /// Takes the bytes of an upload; a second sending replaces the first. When it returns they are durable.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] for an unknown or expired upload, [`EngineError::CutOff`], [`EngineError::TooLarge`].
    pub async fn receive_upload(
        &self,
        actor: &Actor,
        id: &str,
        body: ByteStream,
    ) -> EngineResult<StagedBlob> {
        actor.may_change()?;
        let mut upload = self.usable_upload(id).await?;
        let staged = self.ports.blobs.stage(&upload.id, body, self.upload_limit()).await?;
        if staged.size == 0 {
            self.ports.blobs.discard(&upload.id).await?;
            return Err(EngineError::invalid("body", "the file is empty"));
        }
        upload.state = UploadState::Staged;
        upload.hash = Some(staged.hash);
        upload.size = Some(i64::try_from(staged.size).unwrap_or(i64::MAX));
        let mut work = self.ports.registry.begin("upload").await?;
        let known = work.update_upload(&upload).await?;
        work.commit().await?;
        if !known {
            self.ports.blobs.discard(&upload.id).await?;
            return Err(EngineError::not_found("upload", id));
        }
        Ok(staged)
    }

    /// Registers a staged upload as firmware: the image is read and checked against the product first.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] on `upload_id` with what is wrong with the image; `firmware_exists`; `upload_incomplete`.
    pub async fn register_firmware(&self, actor: &Actor, request: FirmwareRequest) -> EngineResult<Firmware> {
        actor.may_change()?;
        let upload = self.usable_upload(&request.upload).await?;
        let version = checked_version(&request.version)?;
        let file_name = checked_file_name(request.file_name.as_deref().unwrap_or(&upload.file_name))?;
        let release_notes = checked_notes("release_notes", &request.release_notes)?;
        if request.state == FirmwareState::Withdrawn {
            return Err(EngineError::invalid("state", "a firmware is registered as draft or released"));
        }
        let (Some(hash), Some(size)) = (upload.hash, upload.size) else {
            let message = "no file has been sent to this upload's address yet; PUT it there first";
            return Err(EngineError::conflict("upload_incomplete", message));
        };
        let product = self.ports.registry.read().await?.product(request.product).await?;
        let product = product.ok_or_else(|| EngineError::not_found("product", request.product))?;
        // Before the bytes move: a refused upload can be registered under another name. (The unique row decides in the end.)
        let mut read = self.ports.registry.read().await?;
        let same = read.firmware_by_version(product.id, &version).await?;
        drop(read);
        if same.iter().any(|f| f.spec.file_name == file_name) {
            return Err(PortError::conflict("register firmware", "firmware.file").into());
        }
        let facts = self.inspect(&upload.id, size, &product).await?;
        // Bytes first, row after: a crash in between leaves an artifact that nothing refers to, never a row without bytes.
        self.ports.blobs.promote(&upload.id, &hash).await?;
        let now = self.now();
        let mut work = self.ports.registry.begin("firmware").await?;
        let artifact = match work.artifact_by_hash(&hash).await? {
            Some(known) => known.id,
            None => work.insert_artifact(&hash, size, now).await?,
        };
        let spec = NewFirmware {
            product: product.id,
            version,
            file_name,
            artifact,
            release_notes,
            facts,
            state: request.state,
        };
        let id = work.insert_firmware(&spec, now).await?;
        work.delete_upload(&upload.id).await?;
        let subject = format!("firmware:{} {}", product.spec.name, spec.version);
        audit(
            &mut *work,
            actor,
            "firmware.register",
            subject,
            json!({ "id": id, "sha256": hash, "size": size }),
            now,
        )
        .await?;
        work.commit().await?;
        self.ports.blobs.discard(&upload.id).await?;
        Ok(Firmware { id, spec, hash, size, created_at: now })
    }

    async fn inspect(
        &self,
        upload: &str,
        size: i64,
        product: &Product,
    ) -> EngineResult<argosy_domain::model::ImageFacts> {
        let bad =
            |error: argosy_domain::image::ImageError| EngineError::invalid("upload_id", error.to_string());
        let total = u64::try_from(size).unwrap_or(0);
        let mut inspector = ImageInspector::new(product.spec.image_format);
        let mut at = 0;
        while at < total {
            let end = (at + INSPECT_CHUNK).min(total);
            let chunk = self.ports.blobs.read_staged(upload, at..end).await?;
            inspector.push(&chunk).map_err(bad)?;
            at = end;
        }
        let facts = inspector.finish().map_err(bad)?;
        check_fits(&product.spec, &facts, total)
            .map_err(|error| EngineError::invalid("upload_id", error.to_string()))?;
        Ok(facts)
    }

    /// Changes a firmware's state and notes.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; `firmware_state` for a step that is not allowed (a withdrawn firmware stays withdrawn).
    pub async fn update_firmware(
        &self,
        actor: &Actor,
        id: FirmwareId,
        state: Option<FirmwareState>,
        notes: Option<&str>,
    ) -> EngineResult<Firmware> {
        actor.may_change()?;
        let notes = notes.map(|n| checked_notes("release_notes", n)).transpose()?;
        let mut work = self.ports.registry.begin("firmware").await?;
        let Some(mut firmware) = work.firmware(id).await? else {
            return Err(EngineError::not_found("firmware", id));
        };
        if let Some(to) = state {
            let from = firmware.spec.state;
            let allowed = from == to
                || matches!(
                    (from, to),
                    (FirmwareState::Draft, _) | (FirmwareState::Released, FirmwareState::Withdrawn)
                );
            if !allowed {
                let message = format!("a {from} firmware cannot become {to}; register a new version instead");
                return Err(EngineError::conflict("firmware_state", message));
            }
            firmware.spec.state = to;
        }
        if let Some(notes) = notes {
            firmware.spec.release_notes = notes;
        }
        work.update_firmware(id, firmware.spec.state, &firmware.spec.release_notes).await?;
        let detail = json!({ "state": firmware.spec.state });
        audit(&mut *work, actor, "firmware.update", format!("firmware:id:{id}"), detail, self.now()).await?;
        work.commit().await?;
        Ok(firmware)
    }

    /// Removes a firmware that no deployment refers to. Its artifact stays: another firmware may share it.
    ///
    /// # Errors
    /// [`EngineError::NotFound`], `firmware_in_use`.
    pub async fn delete_firmware(&self, actor: &Actor, id: FirmwareId) -> EngineResult<()> {
        actor.may_change()?;
        let mut work = self.ports.registry.begin("firmware").await?;
        if !work.delete_firmware(id).await? {
            return Err(EngineError::not_found("firmware", id));
        }
        audit(&mut *work, actor, "firmware.delete", format!("firmware:id:{id}"), json!({}), self.now())
            .await?;
        Ok(work.commit().await?)
    }

    /// The artifact behind a hash may be downloaded only if a firmware refers to it; for the download plane.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn artifact_size(&self, hash: &Sha256Hash) -> EngineResult<Option<i64>> {
        Ok(self.ports.registry.read().await?.artifact_by_hash(hash).await?.map(|a| a.size))
    }

    fn upload_limit(&self) -> u64 {
        self.config.max_upload_bytes.min(u64::try_from(MAX_ARTIFACT_SIZE).unwrap_or(u64::MAX))
    }

    pub(crate) async fn usable_upload(&self, id: &str) -> EngineResult<Upload> {
        let upload = self.ports.registry.read().await?.upload(id).await?;
        upload
            .filter(|u| u.expires_at > self.now())
            .ok_or_else(|| EngineError::not_found("upload", id.chars().take(64).collect::<String>()))
    }
}
