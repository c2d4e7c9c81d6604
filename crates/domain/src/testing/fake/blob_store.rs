//! A blob store in memory.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use argosy_proto::Sha256Hash;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use sha2::{Digest, Sha256};

use crate::ports::{BlobStore, ByteStream, PortError, PortErrorKind, PortResult, StageError, StagedBlob};

/// A stream of exactly these chunks, and then, if given, of an error.
pub fn bytes_stream(chunks: impl IntoIterator<Item = Bytes>, broken: Option<PortError>) -> ByteStream {
    Box::pin(Chunks { chunks: chunks.into_iter().collect(), broken })
}

struct Chunks {
    chunks: VecDeque<Bytes>,
    broken: Option<PortError>,
}

impl Stream for Chunks {
    type Item = Result<Bytes, PortError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.chunks.pop_front().map(Ok);
        Poll::Ready(next.or_else(|| self.broken.take().map(Err)))
    }
}

/// The fake blob store.
#[derive(Debug, Default)]
pub struct FakeBlobStore(Mutex<Shelves>);

#[derive(Debug, Default)]
struct Shelves {
    staged: BTreeMap<String, Bytes>,
    artifacts: BTreeMap<Sha256Hash, Bytes>,
}

impl FakeBlobStore {
    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses what is no upload id, as a store of files must.
fn checked(operation: &'static str, id: &str) -> PortResult<()> {
    if id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(PortError::new(operation, PortErrorKind::Internal)
        .with_source("an upload id is 32 hexadecimal digits"))
}

fn cut(operation: &'static str, bytes: &Bytes, range: Range<u64>) -> PortResult<Bytes> {
    let bound = |at: u64| usize::try_from(at).ok().filter(|at| *at <= bytes.len());
    match (bound(range.start), bound(range.end)) {
        (Some(start), Some(end)) if start <= end => Ok(bytes.slice(start..end)),
        _ => {
            Err(PortError::new(operation, PortErrorKind::Internal).with_source("the range is out of bounds"))
        }
    }
}

#[async_trait]
impl BlobStore for FakeBlobStore {
    async fn stage(&self, id: &str, mut body: ByteStream, limit: u64) -> Result<StagedBlob, StageError> {
        checked("blob.stage", id)?;
        self.shelves().staged.remove(id);
        let mut bytes = BytesMut::new();
        while let Some(chunk) = poll_fn(|context| body.as_mut().poll_next(context)).await {
            let Ok(chunk) = chunk else {
                return Err(StageError::CutOff { received: bytes.len() as u64 });
            };
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(StageError::TooLarge { limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        let staged = StagedBlob { hash: Sha256Hash(Sha256::digest(&bytes).into()), size: bytes.len() as u64 };
        self.shelves().staged.insert(id.to_owned(), bytes.freeze());
        Ok(staged)
    }

    async fn read_staged(&self, id: &str, range: Range<u64>) -> PortResult<Bytes> {
        let shelves = self.shelves();
        let bytes =
            shelves.staged.get(id).ok_or_else(|| PortError::reference("blob.read_staged", "blob.staged"))?;
        cut("blob.read_staged", bytes, range)
    }

    async fn promote(&self, id: &str, hash: &Sha256Hash) -> PortResult<()> {
        checked("blob.promote", id)?;
        let mut shelves = self.shelves();
        match shelves.staged.remove(id) {
            Some(bytes) => {
                shelves.artifacts.entry(*hash).or_insert(bytes);
                Ok(())
            }
            None if shelves.artifacts.contains_key(hash) => Ok(()),
            None => Err(PortError::reference("blob.promote", "blob.staged")),
        }
    }

    async fn discard(&self, id: &str) -> PortResult<()> {
        checked("blob.discard", id)?;
        self.shelves().staged.remove(id);
        Ok(())
    }

    async fn staged(&self) -> PortResult<Vec<String>> {
        Ok(self.shelves().staged.keys().cloned().collect())
    }

    async fn size(&self, hash: &Sha256Hash) -> PortResult<Option<u64>> {
        Ok(self.shelves().artifacts.get(hash).map(|bytes| bytes.len() as u64))
    }

    async fn read(&self, hash: &Sha256Hash, range: Range<u64>) -> PortResult<Bytes> {
        let shelves = self.shelves();
        let bytes =
            shelves.artifacts.get(hash).ok_or_else(|| PortError::reference("blob.read", "blob.artifact"))?;
        cut("blob.read", bytes, range)
    }

    async fn remove(&self, hash: &Sha256Hash) -> PortResult<()> {
        self.shelves().artifacts.remove(hash);
        Ok(())
    }
}
