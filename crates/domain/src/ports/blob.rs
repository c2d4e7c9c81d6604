//! Where bytes are kept: staged uploads, and artifacts under their hash.

use std::ops::Range;

use argosy_proto::Sha256Hash;
use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;

use super::{PortError, PortResult};

/// A stream of bytes on its way in or out.
pub type ByteStream = BoxStream<'static, Result<Bytes, PortError>>;

/// What was staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagedBlob {
    /// SHA-256 of all bytes.
    pub hash: Sha256Hash,
    /// Their number.
    pub size: u64,
}

/// Why staging ended.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// More bytes than allowed; nothing is kept.
    #[error("the upload is larger than {limit} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// The sender broke off; nothing is kept.
    #[error("the upload was cut off after {received} bytes")]
    CutOff {
        /// Bytes received.
        received: u64,
    },
    /// The store could not.
    #[error(transparent)]
    Failed(#[from] PortError),
}

/// The blob store. Staged bytes cannot be read through [`BlobStore::read`]; promotion makes them readable, durably and at once.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Streams `body` to the staging key `id` (32 hexadecimal digits), counting and hashing on the way; durable when it returns.
    /// A second staging of the same id replaces the first. On any error nothing is left.
    async fn stage(&self, id: &str, body: ByteStream, limit: u64) -> Result<StagedBlob, StageError>;

    /// Bytes of a staged upload, for inspection before promotion.
    async fn read_staged(&self, id: &str, range: Range<u64>) -> PortResult<Bytes>;

    /// Moves a staged upload to its content address, verifying nothing again. Idempotent: an artifact that is there already stays.
    async fn promote(&self, id: &str, hash: &Sha256Hash) -> PortResult<()>;

    /// Removes a staged upload, if it is there.
    async fn discard(&self, id: &str) -> PortResult<()>;

    /// Ids of everything that is staged (for the clean-up at start and on the timer).
    async fn staged(&self) -> PortResult<Vec<String>>;

    /// Size of an artifact; `None` if it is not there.
    async fn size(&self, hash: &Sha256Hash) -> PortResult<Option<u64>>;

    /// A range of an artifact. The caller keeps within its size; what is read is bounded by the range.
    async fn read(&self, hash: &Sha256Hash, range: Range<u64>) -> PortResult<Bytes>;

    /// Removes an artifact, if it is there.
    async fn remove(&self, hash: &Sha256Hash) -> PortResult<()>;
}
