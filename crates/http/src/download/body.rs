//! The body of a download: slices of cached blocks, never a copy.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use argosy_domain::ports::{PortError, PortResult};
use argosy_engine::download::ArtifactCache;
use argosy_proto::Sha256Hash;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use crate::server::stats::{HttpStats, add, sub};

/// Bytes of one frame at most. A frame is a slice of a block, so a large one costs no memory; TLS takes from it what its buffer holds.
const FRAME: usize = 256 * 1024;

type Reading = Pin<Box<dyn Future<Output = PortResult<Bytes>> + Send>>;

/// A range of an artifact on its way out. It holds its slot until it is dropped.
pub(crate) struct DownloadBody {
    cache: Arc<ArtifactCache>,
    stats: Arc<HttpStats>,
    hash: Sha256Hash,
    size: u64,
    at: u64,
    end: u64,
    block: Bytes,
    reading: Option<Reading>,
    _slot: OwnedSemaphorePermit,
}

impl std::fmt::Debug for DownloadBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DownloadBody").field("at", &self.at).field("end", &self.end).finish_non_exhaustive()
    }
}

impl DownloadBody {
    pub(crate) fn new(
        cache: Arc<ArtifactCache>,
        stats: Arc<HttpStats>,
        hash: Sha256Hash,
        size: u64,
        range: std::ops::Range<u64>,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        add(&stats.downloads, 1);
        add(&stats.downloads_open, 1);
        let (at, end) = (range.start, range.end);
        Self { cache, stats, hash, size, at, end, block: Bytes::new(), reading: None, _slot: slot }
    }

    fn poll_block(&mut self, cx: &mut Context<'_>) -> Poll<PortResult<()>> {
        if let Some(block) = self.cache.cached(&self.hash, self.at) {
            self.block = block;
            return Poll::Ready(Ok(()));
        }
        let reading = self.reading.get_or_insert_with(|| {
            let (cache, hash, size, at) = (Arc::clone(&self.cache), self.hash, self.size, self.at);
            Box::pin(async move { cache.read(&hash, size, at).await })
        });
        let read = ready!(reading.as_mut().poll(cx));
        self.reading = None;
        self.block = read?;
        Poll::Ready(Ok(()))
    }
}

impl Body for DownloadBody {
    type Data = Bytes;
    type Error = PortError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PortError>>> {
        let this = &mut *self;
        let left = this.end - this.at;
        if left == 0 {
            return Poll::Ready(None);
        }
        if this.block.is_empty()
            && let Err(error) = ready!(this.poll_block(cx))
        {
            tracing::error!(artifact = %this.hash, %error, "artifact {} cannot be read: {error}", this.hash);
            return Poll::Ready(Some(Err(error)));
        }
        let length = this.block.len().min(FRAME).min(usize::try_from(left).unwrap_or(FRAME));
        let frame = this.block.split_to(length);
        this.at += length as u64;
        add(&this.stats.download_bytes, length as u64);
        if this.at == this.end {
            // The rest of the block must not outlive the slot in a buffer.
            this.block = Bytes::new();
            add(&this.stats.downloads_complete, 1);
        }
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.at)
    }
}

impl Drop for DownloadBody {
    fn drop(&mut self) {
        sub(&self.stats.downloads_open, 1);
    }
}
