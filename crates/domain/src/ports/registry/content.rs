//! Contents, and what devices show of them.

use argosy_proto::{ArtifactId, ContentId, DeviceId, ProductId};
use async_trait::async_trait;

use crate::Timestamp;
use crate::model::{Content, ContentChange, ContentState, Device, NewContent, ShownContents};
use crate::page::{Page, PageRequest};
use crate::ports::PortResult;

/// Which contents: every field that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentFilter {
    /// Of this product.
    pub product: Option<ProductId>,
    /// In this state.
    pub state: Option<ContentState>,
    /// Title or file name contains it (ASCII case does not matter).
    pub search: Option<String>,
}

/// Reads of contents.
#[async_trait]
pub trait ContentRead {
    /// One content.
    async fn content(&mut self, id: ContentId) -> PortResult<Option<Content>>;
    /// One content by its unique title (ASCII case does not matter).
    async fn content_by_title(&mut self, title: &str) -> PortResult<Option<Content>>;
    /// These contents (those that exist), in any order. Bulk.
    async fn contents_by_id(&mut self, ids: &[ContentId]) -> PortResult<Vec<Content>>;
    /// A product's contents with these binaries (those that exist; one at most for each), in any order. Bulk.
    async fn contents_by_binary(
        &mut self,
        product: ProductId,
        binaries: &[ArtifactId],
    ) -> PortResult<Vec<Content>>;
    /// Contents, newest first (descending id).
    async fn contents(&mut self, filter: &ContentFilter, page: &PageRequest) -> PortResult<Page<Content>>;
    /// What these devices show (those that said or were sent anything), in any order. Bulk.
    async fn shown_contents(&mut self, devices: &[DeviceId]) -> PortResult<Vec<ShownContents>>;
    /// A product's devices that show this file now, by id.
    async fn devices_showing(
        &mut self,
        product: ProductId,
        binary: ArtifactId,
        page: &PageRequest,
    ) -> PortResult<Page<Device>>;
    /// How many a product's devices show this file now.
    async fn count_devices_showing(&mut self, product: ProductId, binary: ArtifactId) -> PortResult<u64>;
    /// How many devices show something else than they were sent.
    async fn count_contents_mismatches(&mut self) -> PortResult<u64>;
    /// How a device's shown contents changed, newest first (descending id).
    async fn content_history(
        &mut self,
        device: DeviceId,
        page: &PageRequest,
    ) -> PortResult<Page<ContentChange>>;
}

/// Writes of contents. Constraints: `content.title`, `content.binary` (conflicts); `content.product`, `content.artifact`,
/// `content.in_use` (references).
#[async_trait]
pub trait ContentWrite {
    /// Registers a content. A product has one content for one binary, so that a device's report names it.
    async fn insert_content(&mut self, new: &NewContent, now: Timestamp) -> PortResult<ContentId>;
    /// Changes a content's title, description and state; `false` if it does not exist.
    async fn update_content(
        &mut self,
        id: ContentId,
        title: &str,
        description: &str,
        state: ContentState,
    ) -> PortResult<bool>;
    /// Removes a content that no deployment refers to; `false` if it does not exist.
    async fn delete_content(&mut self, id: ContentId) -> PortResult<bool>;
    /// Writes what devices show (all fields), and which devices show what. Bulk; a device may stand in it once.
    async fn save_shown_contents(&mut self, rows: &[ShownContents]) -> PortResult<()>;
    /// Appends to content histories. Bulk.
    async fn insert_content_changes(&mut self, changes: &[ContentChange]) -> PortResult<()>;
}
