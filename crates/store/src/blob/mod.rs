//! The blob store over `object_store`: staged uploads under `staging/{id}`, artifacts under `sha256/{first two digits}/{hash}`.
//!
//! A back end is chosen by URI: `file:PATH` (a folder; every write is synced before it counts). An S3 bucket comes into the same place
//! with the scale-out issue: it is another [`ObjectStore`] under the same [`ObjectBlobs`].

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use argosy_domain::ports::{
    BlobStore, ByteStream, PortError, PortErrorKind, PortResult, StageError, StagedBlob,
};
use argosy_proto::Sha256Hash;
use async_trait::async_trait;
use aws_lc_rs::digest;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};

/// Bytes of one part of an upload: what is held in memory of it. S3 asks for 5 MiB at least.
const PART: usize = 8 * 1024 * 1024;

/// Opens the blob store that `uri` names: `file:PATH`, or a plain path.
///
/// # Errors
/// When the scheme is unknown, or the folder cannot be made.
pub fn open(uri: &str) -> PortResult<Arc<dyn BlobStore>> {
    let path = match uri.split_once(':') {
        Some(("file", path)) => path.strip_prefix("//").unwrap_or(path),
        None => uri,
        Some((scheme, _)) => {
            let why = format!("{scheme}: is not a blob store this version knows; use file:PATH");
            return Err(PortError::new("open blob store", PortErrorKind::Internal).with_source(why));
        }
    };
    Ok(Arc::new(ObjectBlobs::local(PathBuf::from(path))?))
}

/// The blob store.
#[derive(Debug)]
pub struct ObjectBlobs {
    store: Arc<dyn ObjectStore>,
}

impl ObjectBlobs {
    /// A folder on this machine; made if it is not there. One process owns it: parts of uploads that a crash left are removed.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn local(root: PathBuf) -> PortResult<Self> {
        let failed = |error: std::io::Error| {
            PortError::new("open blob store", PortErrorKind::Internal)
                .with_source(format!("{}: {error}", root.display()))
        };
        let staging = root.join("staging");
        std::fs::create_dir_all(&staging).map_err(failed)?;
        std::fs::create_dir_all(root.join("sha256")).map_err(failed)?;
        for entry in std::fs::read_dir(&staging).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // object_store writes `{name}#{n}` and renames when an upload is complete.
            if entry.file_name().to_string_lossy().contains('#') {
                std::fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        let store = LocalFileSystem::new_with_prefix(&root)
            .map_err(|e| port_error("open blob store", e))?
            .with_fsync(true);
        Ok(Self { store: Arc::new(store) })
    }

    async fn present(&self, operation: &'static str, path: &Path) -> PortResult<Option<u64>> {
        match self.store.head(path).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(port_error(operation, error)),
        }
    }

    async fn delete(&self, operation: &'static str, path: &Path) -> PortResult<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(port_error(operation, error)),
        }
    }
}

#[async_trait]
impl BlobStore for ObjectBlobs {
    async fn stage(&self, id: &str, body: ByteStream, limit: u64) -> Result<StagedBlob, StageError> {
        const OPERATION: &str = "stage upload";
        let path = staging(OPERATION, id)?;
        let mut upload = self.store.put_multipart(&path).await.map_err(|e| port_error(OPERATION, e))?;
        match receive(&mut *upload, body, limit).await {
            Ok(staged) => match upload.complete().await {
                Ok(_) => Ok(staged),
                Err(error) => {
                    let _ = upload.abort().await;
                    Err(port_error(OPERATION, error).into())
                }
            },
            Err(error) => {
                let _ = upload.abort().await;
                self.delete(OPERATION, &path).await?;
                Err(error)
            }
        }
    }

    async fn read_staged(&self, id: &str, range: Range<u64>) -> PortResult<Bytes> {
        const OPERATION: &str = "read staged upload";
        let path = staging(OPERATION, id)?;
        self.store.get_range(&path, range).await.map_err(|e| port_error(OPERATION, e))
    }

    async fn promote(&self, id: &str, hash: &Sha256Hash) -> PortResult<()> {
        const OPERATION: &str = "promote upload";
        let (from, to) = (staging(OPERATION, id)?, address(hash));
        if self.present(OPERATION, &to).await?.is_some() {
            return self.delete(OPERATION, &from).await;
        }
        self.store.rename(&from, &to).await.map_err(|e| port_error(OPERATION, e))
    }

    async fn discard(&self, id: &str) -> PortResult<()> {
        self.delete("discard upload", &staging("discard upload", id)?).await
    }

    async fn staged(&self) -> PortResult<Vec<String>> {
        let prefix = Path::from("staging");
        let found: Vec<_> =
            self.store.list(Some(&prefix)).try_collect().await.map_err(|e| port_error("list uploads", e))?;
        Ok(found.into_iter().filter_map(|meta| meta.location.filename().map(str::to_owned)).collect())
    }

    async fn size(&self, hash: &Sha256Hash) -> PortResult<Option<u64>> {
        self.present("look up artifact", &address(hash)).await
    }

    async fn read(&self, hash: &Sha256Hash, range: Range<u64>) -> PortResult<Bytes> {
        self.store.get_range(&address(hash), range).await.map_err(|e| port_error("read artifact", e))
    }

    async fn remove(&self, hash: &Sha256Hash) -> PortResult<()> {
        self.delete("remove artifact", &address(hash)).await
    }
}

/// Takes the body in, part by part.
async fn receive(
    upload: &mut dyn MultipartUpload,
    mut body: ByteStream,
    limit: u64,
) -> Result<StagedBlob, StageError> {
    let mut context = digest::Context::new(&digest::SHA256);
    let (mut size, mut part) = (0_u64, BytesMut::new());
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| StageError::CutOff { received: size })?;
        size += chunk.len() as u64;
        if size > limit {
            return Err(StageError::TooLarge { limit });
        }
        context.update(&chunk);
        part.extend_from_slice(&chunk);
        if part.len() >= PART {
            put(upload, part.split().freeze()).await?;
        }
    }
    if !part.is_empty() || size == 0 {
        put(upload, part.freeze()).await?;
    }
    let mut hash = [0_u8; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Ok(StagedBlob { hash: Sha256Hash(hash), size })
}

async fn put(upload: &mut dyn MultipartUpload, part: Bytes) -> Result<(), StageError> {
    upload.put_part(part.into()).await.map_err(|e| port_error("stage upload", e).into())
}

/// The staging key; an id that is not 32 hexadecimal digits never becomes a path.
fn staging(operation: &'static str, id: &str) -> PortResult<Path> {
    if id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(Path::from(format!("staging/{id}")));
    }
    Err(PortError::new(operation, PortErrorKind::Internal)
        .with_source("an upload id is 32 hexadecimal digits"))
}

fn address(hash: &Sha256Hash) -> Path {
    let text = hash.to_string();
    Path::from(format!("sha256/{}/{text}", &text[..2]))
}

fn port_error(operation: &'static str, error: object_store::Error) -> PortError {
    let full =
        std::iter::successors(Some(&error as &(dyn std::error::Error + 'static)), |e| e.source()).any(|e| {
            e.downcast_ref::<std::io::Error>().is_some_and(|io| {
                matches!(io.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
            })
        });
    let kind = match &error {
        object_store::Error::NotFound { .. } => PortErrorKind::Reference,
        _ if full => PortErrorKind::Full,
        _ => PortErrorKind::Internal,
    };
    PortError::new(operation, kind).with_source(error)
}
