//! Hot artifacts in bounded memory.
//!
//! Artifacts are kept in blocks. Memory is a budget that every block takes its share of for as long as *anybody* holds it: the
//! cache, or a response that is still being written. So thousands of downloads of different artifacts cannot cost more than the
//! budget: the next block then waits its turn, in order of arrival. A block that many want is read once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use argosy_domain::ports::{BlobStore, PortError, PortErrorKind, PortResult};
use argosy_proto::Sha256Hash;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

/// Bytes that one permit of the budget stands for.
const UNIT: u64 = 4096;
/// Sizes remembered at most.
const MAX_SIZES: usize = 4096;

/// How much memory, in what pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheConfig {
    /// Bytes at most; at least four blocks are always allowed.
    pub capacity: u64,
    /// Bytes of a block; a multiple of 4096.
    pub block: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { capacity: 256 * 1024 * 1024, block: 1024 * 1024 }
    }
}

/// What the cache did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Blocks found in memory.
    pub hits: u64,
    /// Blocks read from the store.
    pub misses: u64,
    /// Blocks given up for others.
    pub evictions: u64,
    /// Bytes in use now, by the cache and by responses.
    pub bytes: u64,
}

type BlockKey = (Sha256Hash, u64);

#[derive(Debug, Default)]
struct Slot {
    block: OnceCell<Bytes>,
    used: AtomicU64,
}

/// A block's bytes with their share of the budget; the share goes back when the last slice is dropped.
struct Held {
    bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Counts a caller that waits, also when it is dropped while it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The cache. Share it behind an [`Arc`].
pub struct ArtifactCache {
    blobs: Arc<dyn BlobStore>,
    block: u64,
    units: u32,
    budget: Arc<Semaphore>,
    slots: Mutex<HashMap<BlockKey, Arc<Slot>>>,
    sizes: Mutex<HashMap<Sha256Hash, u64>>,
    /// Callers that wait for memory: while there are any, nothing stays in the cache.
    waiting: AtomicUsize,
    tick: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
}

impl std::fmt::Debug for ArtifactCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArtifactCache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl ArtifactCache {
    /// An empty cache over `blobs`.
    pub fn new(blobs: Arc<dyn BlobStore>, config: CacheConfig) -> Self {
        let block = config.block.next_multiple_of(UNIT).max(UNIT);
        let units = u32::try_from(config.capacity.max(4 * block) / UNIT).unwrap_or(u32::MAX >> 4);
        Self {
            blobs,
            block,
            units,
            budget: Arc::new(Semaphore::new(units as usize)),
            slots: Mutex::default(),
            sizes: Mutex::default(),
            waiting: AtomicUsize::new(0),
            tick: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
        }
    }

    /// Size of an artifact; `None` if the store does not have it.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn size(&self, hash: &Sha256Hash) -> PortResult<Option<u64>> {
        if let Some(size) = self.sizes.lock().get(hash) {
            return Ok(Some(*size));
        }
        let size = self.blobs.size(hash).await?;
        if let Some(size) = size {
            let mut sizes = self.sizes.lock();
            if sizes.len() >= MAX_SIZES {
                sizes.clear();
            }
            sizes.insert(*hash, size);
        }
        Ok(size)
    }

    /// Forgets an artifact (it was removed from the store).
    pub fn forget(&self, hash: &Sha256Hash) {
        self.sizes.lock().remove(hash);
        self.slots.lock().retain(|(h, _), _| h != hash);
    }

    /// The bytes from `offset` to the end of its block, if they are in memory.
    pub fn cached(&self, hash: &Sha256Hash, offset: u64) -> Option<Bytes> {
        let index = offset / self.block;
        let slot = self.slots.lock().get(&(*hash, index)).cloned()?;
        let block = slot.block.get()?;
        self.hits.fetch_add(1, Ordering::Relaxed);
        self.touch(&slot);
        self.from(block, offset)
    }

    /// The bytes from `offset` (which is below `size`) to the end of its block, without copying.
    ///
    /// # Errors
    /// When the store cannot read them.
    pub async fn read(&self, hash: &Sha256Hash, size: u64, offset: u64) -> PortResult<Bytes> {
        let index = offset / self.block;
        let slot = Arc::clone(self.slots.lock().entry((*hash, index)).or_default());
        self.touch(&slot);
        // One caller reads, the others wait for it. If it gives up, the next one takes over.
        let block = slot.block.get_or_try_init(|| self.fill(hash, size, index)).await;
        match block {
            Ok(block) => {
                if self.waiting.load(Ordering::SeqCst) > 0 {
                    self.slots.lock().remove(&(*hash, index));
                }
                self.from(block, offset).ok_or_else(|| {
                    PortError::new("read artifact", PortErrorKind::Internal)
                        .with_source("it is shorter than its size")
                })
            }
            Err(error) => {
                self.drop_empty((*hash, index));
                Err(error)
            }
        }
    }

    /// What it did so far.
    pub fn stats(&self) -> CacheStats {
        let free = u64::try_from(self.budget.available_permits()).unwrap_or(0);
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            evictions: self.evictions.load(Ordering::Relaxed),
            bytes: u64::from(self.units).saturating_sub(free) * UNIT,
        }
    }

    async fn fill(&self, hash: &Sha256Hash, size: u64, index: u64) -> PortResult<Bytes> {
        let start = index * self.block;
        let end = size.min(start + self.block);
        let length = end.saturating_sub(start);
        let share = self.share(u32::try_from(length.div_ceil(UNIT)).unwrap_or(self.units)).await?;
        self.misses.fetch_add(1, Ordering::Relaxed);
        let bytes = self.blobs.read(hash, start..end).await?;
        if bytes.len() as u64 != length {
            return Err(PortError::new("read artifact", PortErrorKind::Internal)
                .with_source(format!("{} bytes came instead of {length}", bytes.len())));
        }
        Ok(Bytes::from_owner(Held { bytes, _share: share }))
    }

    /// Takes `units` of the budget, giving up old blocks for them; waits for responses to end if that is not enough.
    async fn share(&self, units: u32) -> PortResult<OwnedSemaphorePermit> {
        let units = units.clamp(1, self.units);
        if let Ok(share) = Arc::clone(&self.budget).try_acquire_many_owned(units) {
            return Ok(share);
        }
        let _waiting = Waiting::begin(&self.waiting);
        loop {
            if let Ok(share) = Arc::clone(&self.budget).try_acquire_many_owned(units) {
                return Ok(share);
            }
            if !self.evict_oldest() {
                break;
            }
        }
        let waited = Arc::clone(&self.budget).acquire_many_owned(units).await;
        waited.map_err(|_| PortError::new("read artifact", PortErrorKind::Unavailable))
    }

    /// Gives up the block that was used longest ago, first among those that no response holds.
    fn evict_oldest(&self) -> bool {
        let mut slots = self.slots.lock();
        let oldest = slots
            .iter()
            .filter_map(|(key, slot)| Some((key, slot.block.get()?, slot.used.load(Ordering::Relaxed))))
            .min_by_key(|(_, block, used)| (!block.is_unique(), *used))
            .map(|(key, _, _)| *key);
        let Some(key) = oldest else { return false };
        slots.remove(&key);
        self.evictions.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// A failed read leaves no empty slot behind (others may be waiting in it: they hold it themselves).
    fn drop_empty(&self, key: BlockKey) {
        let mut slots = self.slots.lock();
        if slots.get(&key).is_some_and(|slot| !slot.block.initialized()) {
            slots.remove(&key);
        }
    }

    fn touch(&self, slot: &Slot) {
        slot.used.store(self.tick.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    fn from(&self, block: &Bytes, offset: u64) -> Option<Bytes> {
        let within = usize::try_from(offset % self.block).ok()?;
        (within < block.len()).then(|| block.slice(within..))
    }
}

#[cfg(test)]
mod tests;
