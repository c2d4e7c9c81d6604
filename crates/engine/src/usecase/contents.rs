//! Contents: an uploaded picture (or a ready binary) becomes what a product's display shows, and is kept under a title.

use std::collections::HashSet;
use std::sync::Arc;

use argosy_domain::Timestamp;
use argosy_domain::model::{
    Content, ContentFit, ContentMade, ContentState, MAX_CONTENT_FILE, NewContent, Rgb, checked_name,
    checked_notes,
};
use argosy_domain::ports::{
    MadeContent, MakeContent, MediaErrorKind, PortError, PortErrorKind, StagedBlob, UnitOfWork,
};
use argosy_proto::{ArtifactId, ContentId, ProductId, Sha256Hash};
use bytes::Bytes;
use futures::StreamExt as _;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{Actor, audit};
use crate::Engine;
use crate::error::{EngineError, EngineResult};

/// The registration of an uploaded file as content.
#[derive(Debug, Clone)]
pub struct ContentRequest {
    /// The upload that holds the file.
    pub upload: String,
    /// For which hardware model; it must have a display.
    pub product: ProductId,
    /// Its title; unique, ASCII case aside.
    pub title: String,
    /// Free text.
    pub description: String,
    /// How a picture of another shape is brought onto the display.
    pub fit: ContentFit,
    /// Colour of bars, and of what a transparent picture lets through.
    pub background: Rgb,
}

/// One of a content's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentPart {
    /// As it was uploaded (a ready binary is its own original).
    Original,
    /// What devices download.
    Binary,
    /// What the display shows, as a PNG.
    Preview,
    /// The same, small.
    Thumbnail,
}

/// A content's file, as the blob store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentFile {
    /// Its hash: its name for caches.
    pub hash: Sha256Hash,
    /// Its bytes.
    pub size: i64,
    /// Its media type.
    pub media_type: &'static str,
    /// A name for people who keep it.
    pub file_name: String,
}

/// What is being made: how many at once, and under which staging keys, which housekeeping then leaves alone.
pub(crate) struct Making {
    turns: Arc<Semaphore>,
    staged: Mutex<HashSet<String>>,
}

impl Making {
    pub(crate) fn new(at_once: u32) -> Self {
        let turns = Arc::new(Semaphore::new(usize::try_from(at_once.clamp(1, 16)).unwrap_or(1)));
        Self { turns, staged: Mutex::default() }
    }

    /// Whether a staging key is in use here.
    pub(crate) fn stages(&self, id: &str) -> bool {
        self.staged.lock().contains(id)
    }
}

impl Engine {
    /// Makes content of a staged upload and registers it. A file that is refused leaves the upload as it was.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] on `upload_id` with what is wrong with the file; `content_exists`, `content_same_binary`,
    /// `no_display`, `upload_incomplete`.
    pub async fn register_content(&self, actor: &Actor, request: ContentRequest) -> EngineResult<Content> {
        actor.may_change()?;
        let upload = self.usable_upload(&request.upload).await?;
        let title = checked_name("title", &request.title)?;
        let description = checked_notes("description", &request.description)?;
        let (Some(hash), Some(size)) = (upload.hash, upload.size) else {
            let message = "no file has been sent to this upload's address yet; PUT it there first";
            return Err(EngineError::conflict("upload_incomplete", message));
        };
        let mut read = self.ports.registry.read().await?;
        let product = read.product(request.product).await?;
        let product = product.ok_or_else(|| EngineError::not_found("product", request.product))?;
        // Before the work is done; the unique row decides in the end.
        if read.content_by_title(&title).await?.is_some() {
            return Err(PortError::conflict("register content", "content.title").into());
        }
        drop(read);
        let Some(display) = product.spec.display.clone() else {
            let message = format!("the product {} has no display; give it one first", product.spec.name);
            return Err(EngineError::conflict("no_display", message));
        };
        let length = u64::try_from(size).unwrap_or(0);
        if length > MAX_CONTENT_FILE {
            return Err(EngineError::TooLarge { limit: MAX_CONTENT_FILE });
        }
        let made = {
            let _turn = Arc::clone(&self.making.turns).acquire_owned().await.map_err(defect)?;
            let file = self.ports.blobs.read_staged(&upload.id, 0..length).await?;
            let (media, fit, background) = (Arc::clone(&self.ports.media), request.fit, request.background);
            let make = move || media.make(&MakeContent { file: &file, display: &display, fit, background });
            tokio::task::spawn_blocking(make).await.map_err(defect)?.map_err(|error| {
                if error.kind == MediaErrorKind::UnsupportedDisplay {
                    EngineError::conflict("unsupported_display", error.reason)
                } else {
                    EngineError::invalid("upload_id", error.reason)
                }
            })?
        };
        let MadeContent { binary, preview, thumbnail, facts } = made;
        // Bytes first, rows after: a crash in between leaves files that nothing refers to, never a row without its file.
        let ready = facts.made == ContentMade::Ready;
        let binary = self.keep_file(binary).await?;
        let preview = self.keep_file(preview).await?;
        let thumbnail = self.keep_file(thumbnail).await?;
        if !ready {
            self.ports.blobs.promote(&upload.id, &hash).await?;
        }
        let now = self.now();
        let mut work = self.ports.registry.begin("content").await?;
        let original = StagedBlob { hash, size: length };
        let spec = NewContent {
            title,
            description,
            product: product.id,
            file_name: upload.file_name.clone(),
            original: if ready { None } else { Some(artifact(&mut *work, original, now).await?) },
            binary: artifact(&mut *work, binary, now).await?,
            preview: artifact(&mut *work, preview, now).await?,
            thumbnail: artifact(&mut *work, thumbnail, now).await?,
            facts,
            state: ContentState::Available,
        };
        let id = work.insert_content(&spec, now).await?;
        work.delete_upload(&upload.id).await?;
        let subject = format!("content:{}", spec.title);
        let detail =
            json!({ "id": id, "product": product.spec.name, "sha256": binary.hash, "size": binary.size });
        audit(&mut *work, actor, "content.register", subject, detail, now).await?;
        work.commit().await?;
        self.ports.blobs.discard(&upload.id).await?;
        let size = i64::try_from(binary.size).unwrap_or(i64::MAX);
        Ok(Content { id, spec, hash: binary.hash, size, created_at: now })
    }

    /// Puts bytes that were made here into the blob store.
    async fn keep_file(&self, bytes: Vec<u8>) -> EngineResult<StagedBlob> {
        let (id, limit) = (self.random_text(16), bytes.len() as u64);
        self.making.staged.lock().insert(id.clone());
        let body = futures::stream::once(async move { Ok(Bytes::from(bytes)) }).boxed();
        let kept = async {
            let staged = self.ports.blobs.stage(&id, body, limit).await?;
            self.ports.blobs.promote(&id, &staged.hash).await?;
            Ok(staged)
        };
        let kept = kept.await;
        self.making.staged.lock().remove(&id);
        kept
    }

    /// Changes a content's title, description and state. What is deployed keeps the title that it had.
    ///
    /// # Errors
    /// [`EngineError::NotFound`], [`EngineError::Invalid`], `content_exists`.
    pub async fn update_content(
        &self,
        actor: &Actor,
        id: ContentId,
        title: Option<&str>,
        description: Option<&str>,
        state: Option<ContentState>,
    ) -> EngineResult<Content> {
        actor.may_change()?;
        let mut work = self.ports.registry.begin("content").await?;
        let Some(mut content) = work.content(id).await? else {
            return Err(EngineError::not_found("content", id));
        };
        if let Some(title) = title {
            content.spec.title = checked_name("title", title)?;
        }
        if let Some(description) = description {
            content.spec.description = checked_notes("description", description)?;
        }
        content.spec.state = state.unwrap_or(content.spec.state);
        let spec = &content.spec;
        work.update_content(id, &spec.title, &spec.description, spec.state).await?;
        let detail = json!({ "id": id, "state": spec.state });
        audit(&mut *work, actor, "content.update", format!("content:{}", spec.title), detail, self.now())
            .await?;
        work.commit().await?;
        Ok(content)
    }

    /// Removes a content that no deployment refers to. Its files stay: another content may share them, and devices may show it.
    ///
    /// # Errors
    /// [`EngineError::NotFound`], `content_in_use`.
    pub async fn delete_content(&self, actor: &Actor, id: ContentId) -> EngineResult<()> {
        actor.may_change()?;
        let mut work = self.ports.registry.begin("content").await?;
        let Some(content) = work.content(id).await? else {
            return Err(EngineError::not_found("content", id));
        };
        work.delete_content(id).await?;
        let subject = format!("content:{}", content.spec.title);
        audit(&mut *work, actor, "content.delete", subject, json!({ "id": id }), self.now()).await?;
        Ok(work.commit().await?)
    }

    /// One of a content's files.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn content_file(&self, id: ContentId, part: ContentPart) -> EngineResult<ContentFile> {
        let mut read = self.ports.registry.read().await?;
        let content = read.content(id).await?.ok_or_else(|| EngineError::not_found("content", id))?;
        let spec = &content.spec;
        let stem = spec.file_name.rsplit_once('.').map_or(spec.file_name.as_str(), |(stem, _)| stem);
        let (artifact, media_type, file_name) = match (part, spec.original) {
            (ContentPart::Original, Some(original)) => {
                (original, media_type(&content), spec.file_name.clone())
            }
            (ContentPart::Original, None) | (ContentPart::Binary, _) => {
                (spec.binary, "application/octet-stream", format!("{stem}.bin"))
            }
            (ContentPart::Preview, _) => (spec.preview, "image/png", format!("{stem}-preview.png")),
            (ContentPart::Thumbnail, _) => (spec.thumbnail, "image/png", format!("{stem}-thumbnail.png")),
        };
        let artifact = read.artifact(artifact).await?.ok_or_else(|| EngineError::not_found("content", id))?;
        Ok(ContentFile { hash: artifact.hash, size: artifact.size, media_type, file_name })
    }
}

/// What was uploaded is what its bytes say, never what its name says.
fn media_type(content: &Content) -> &'static str {
    use argosy_domain::model::ContentSource;
    match content.spec.facts.source {
        ContentSource::Png => "image/png",
        ContentSource::Jpeg => "image/jpeg",
        ContentSource::Webp => "image/webp",
        ContentSource::Lvgl => "application/octet-stream",
    }
}

async fn artifact(work: &mut dyn UnitOfWork, blob: StagedBlob, now: Timestamp) -> EngineResult<ArtifactId> {
    if let Some(known) = work.artifact_by_hash(&blob.hash).await? {
        return Ok(known.id);
    }
    let size = i64::try_from(blob.size).unwrap_or(i64::MAX);
    Ok(work.insert_artifact(&blob.hash, size, now).await?)
}

fn defect(source: impl std::error::Error + Send + Sync + 'static) -> EngineError {
    EngineError::Port(PortError::new("make content", PortErrorKind::Internal).with_source(source))
}
