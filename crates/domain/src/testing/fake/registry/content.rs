//! Contents, and what devices show of them.

use argosy_proto::{ArtifactId, ContentId, DeviceId, HistoryId, ProductId};
use async_trait::async_trait;

use super::table::{Order, contains, page};
use super::{Session, State};
use crate::Timestamp;
use crate::model::{
    Content, ContentChange, ContentState, DeployedFile, DeploymentPayload, Device, NewContent, ShownContents,
};
use crate::page::{Page, PageRequest};
use crate::ports::{ContentFilter, ContentRead, ContentWrite, PortError, PortResult};

impl State {
    pub(super) fn mismatch(&self, device: DeviceId) -> bool {
        self.shown.get(&device).is_some_and(ShownContents::mismatch)
    }

    /// Product, files and version of what is deployed, as they are now.
    pub(super) fn deployed(
        &self,
        payload: &DeploymentPayload,
    ) -> PortResult<(ProductId, Vec<DeployedFile>, String)> {
        let refused = |constraint| PortError::reference("insert_deployment", constraint);
        let contents = match payload {
            DeploymentPayload::Firmware(id) => {
                let firmware = self.firmware.get(id).ok_or_else(|| refused("deployment.firmware"))?;
                let file = DeployedFile {
                    artifact: firmware.spec.artifact,
                    hash: firmware.hash,
                    size: firmware.size,
                    name: firmware.spec.file_name.clone(),
                };
                return Ok((firmware.spec.product, vec![file], firmware.spec.version.clone()));
            }
            DeploymentPayload::Contents(ids) => {
                ids.iter().map(|id| self.contents.get(id)).collect::<Option<Vec<&Content>>>()
            }
        };
        let contents = contents.ok_or_else(|| refused("deployment.content"))?;
        let product = contents.first().map(|c| c.spec.product);
        if contents.iter().any(|c| Some(c.spec.product) != product) {
            return Err(refused("deployment.content"));
        }
        let files = contents.iter().map(|c| DeployedFile {
            artifact: c.spec.binary,
            hash: c.hash,
            size: c.size,
            name: c.spec.title.clone(),
        });
        let product = product.ok_or_else(|| refused("deployment.content"))?;
        Ok((product, files.collect(), String::new()))
    }

    fn title_free(&self, operation: &'static str, title: &str, own: Option<ContentId>) -> PortResult<()> {
        let taken = |c: &Content| Some(c.id) != own && c.spec.title.eq_ignore_ascii_case(title);
        if self.contents.values().any(taken) {
            return Err(PortError::conflict(operation, "content.title"));
        }
        Ok(())
    }

    fn showing(&self, product: ProductId, binary: ArtifactId) -> impl DoubleEndedIterator<Item = &Device> {
        self.shown
            .values()
            .filter(move |row| row.shown.contains(binary))
            .filter_map(|row| self.devices.get(&row.device))
            .filter(move |device| device.spec.product == product)
    }
}

#[async_trait]
impl ContentRead for Session {
    async fn content(&mut self, id: ContentId) -> PortResult<Option<Content>> {
        Ok(self.state.contents.get(&id).cloned())
    }

    async fn content_by_title(&mut self, title: &str) -> PortResult<Option<Content>> {
        Ok(self.state.contents.values().find(|c| c.spec.title.eq_ignore_ascii_case(title)).cloned())
    }

    async fn contents_by_id(&mut self, ids: &[ContentId]) -> PortResult<Vec<Content>> {
        Ok(self.state.contents.values().filter(|c| ids.contains(&c.id)).cloned().collect())
    }

    async fn contents_by_binary(
        &mut self,
        product: ProductId,
        binaries: &[ArtifactId],
    ) -> PortResult<Vec<Content>> {
        let of = |c: &&Content| c.spec.product == product && binaries.contains(&c.spec.binary);
        Ok(self.state.contents.values().filter(of).cloned().collect())
    }

    async fn contents(&mut self, filter: &ContentFilter, request: &PageRequest) -> PortResult<Page<Content>> {
        let rows = self.state.contents.values().filter(|c| {
            filter.product.is_none_or(|product| c.spec.product == product)
                && filter.state.is_none_or(|state| c.spec.state == state)
                && filter.search.as_ref().is_none_or(|search| {
                    contains(&c.spec.title, search) || contains(&c.spec.file_name, search)
                })
        });
        page("contents", rows.map(|c| (c.id.get(), c.clone())), Order::NewestFirst, request)
    }

    async fn shown_contents(&mut self, devices: &[DeviceId]) -> PortResult<Vec<ShownContents>> {
        Ok(devices.iter().filter_map(|device| self.state.shown.get(device)).cloned().collect())
    }

    async fn devices_showing(
        &mut self,
        product: ProductId,
        binary: ArtifactId,
        request: &PageRequest,
    ) -> PortResult<Page<Device>> {
        let rows = self.state.showing(product, binary).map(|d| (d.id.get(), d));
        Ok(page("devices_showing", rows, Order::OldestFirst, request)?.map(|d| self.state.whole(d)))
    }

    async fn count_devices_showing(&mut self, product: ProductId, binary: ArtifactId) -> PortResult<u64> {
        Ok(self.state.showing(product, binary).count() as u64)
    }

    async fn count_contents_mismatches(&mut self) -> PortResult<u64> {
        Ok(self.state.shown.values().filter(|row| row.mismatch()).count() as u64)
    }

    async fn content_history(
        &mut self,
        device: DeviceId,
        request: &PageRequest,
    ) -> PortResult<Page<ContentChange>> {
        let rows = self.state.content_history.values().filter(|c| c.device == device);
        page("content_history", rows.map(|c| (c.id.get(), c.clone())), Order::NewestFirst, request)
    }
}

#[async_trait]
impl ContentWrite for Session {
    async fn insert_content(&mut self, new: &NewContent, now: Timestamp) -> PortResult<ContentId> {
        const OPERATION: &str = "insert_content";
        if !self.state.products.contains_key(&new.product) {
            return Err(PortError::reference(OPERATION, "content.product"));
        }
        let files = [new.original, Some(new.binary), Some(new.preview), Some(new.thumbnail)];
        if files.into_iter().flatten().any(|id| !self.state.artifacts.contains_key(&id)) {
            return Err(PortError::reference(OPERATION, "content.artifact"));
        }
        self.state.title_free(OPERATION, &new.title, None)?;
        let same = |c: &Content| c.spec.product == new.product && c.spec.binary == new.binary;
        if self.state.contents.values().any(same) {
            return Err(PortError::conflict(OPERATION, "content.binary"));
        }
        let Some(binary) = self.state.artifacts.get(&new.binary).cloned() else {
            return Err(PortError::reference(OPERATION, "content.artifact"));
        };
        let id = ContentId(self.state.new_id());
        let content =
            Content { id, spec: new.clone(), hash: binary.hash, size: binary.size, created_at: now };
        self.state.contents.insert(id, content);
        Ok(id)
    }

    async fn update_content(
        &mut self,
        id: ContentId,
        title: &str,
        description: &str,
        state: ContentState,
    ) -> PortResult<bool> {
        self.state.title_free("update_content", title, Some(id))?;
        let Some(content) = self.state.contents.get_mut(&id) else { return Ok(false) };
        title.clone_into(&mut content.spec.title);
        description.clone_into(&mut content.spec.description);
        content.spec.state = state;
        Ok(true)
    }

    async fn delete_content(&mut self, id: ContentId) -> PortResult<bool> {
        if self.state.deployments.values().any(|d| d.spec.payload.contents().contains(&id)) {
            return Err(PortError::reference("delete_content", "content.in_use"));
        }
        Ok(self.state.contents.remove(&id).is_some())
    }

    async fn save_shown_contents(&mut self, rows: &[ShownContents]) -> PortResult<()> {
        for row in rows {
            self.state.shown.insert(row.device, row.clone());
        }
        Ok(())
    }

    async fn insert_content_changes(&mut self, changes: &[ContentChange]) -> PortResult<()> {
        for change in changes {
            let id = HistoryId(self.state.new_id());
            self.state.content_history.insert(id, ContentChange { id, ..change.clone() });
        }
        Ok(())
    }
}
