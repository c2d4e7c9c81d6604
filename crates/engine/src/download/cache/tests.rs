use std::ops::Range;
use std::time::Duration;

use argosy_domain::ports::{ByteStream, StageError, StagedBlob};
use async_trait::async_trait;
use futures::future::join_all;
use tokio::time::timeout;

use super::*;

const BLOCK: u64 = 8192;

/// Artifacts of 20,000 bytes that hold their own hash byte; counts reads, and fails the first `failures` of them.
#[derive(Default)]
struct Store {
    reads: AtomicU64,
    failures: AtomicU64,
}

#[async_trait]
impl BlobStore for Store {
    async fn stage(&self, _: &str, _: ByteStream, limit: u64) -> Result<StagedBlob, StageError> {
        Err(StageError::TooLarge { limit })
    }
    async fn read_staged(&self, _: &str, _: Range<u64>) -> PortResult<Bytes> {
        Ok(Bytes::new())
    }
    async fn promote(&self, _: &str, _: &Sha256Hash) -> PortResult<()> {
        Ok(())
    }
    async fn discard(&self, _: &str) -> PortResult<()> {
        Ok(())
    }
    async fn staged(&self) -> PortResult<Vec<String>> {
        Ok(Vec::new())
    }
    async fn size(&self, hash: &Sha256Hash) -> PortResult<Option<u64>> {
        Ok((hash.0[0] != 0).then_some(20_000))
    }
    async fn read(&self, hash: &Sha256Hash, range: Range<u64>) -> PortResult<Bytes> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let failing = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if failing.is_ok() {
            return Err(PortError::new("read", PortErrorKind::Unavailable));
        }
        Ok(Bytes::from(vec![hash.0[0]; usize::try_from(range.end - range.start).unwrap()]))
    }
    async fn remove(&self, _: &Sha256Hash) -> PortResult<()> {
        Ok(())
    }
}

fn cache(capacity: u64) -> (Arc<Store>, ArtifactCache) {
    let store = Arc::new(Store::default());
    let blobs: Arc<dyn BlobStore> = store.clone();
    (store, ArtifactCache::new(blobs, CacheConfig { capacity, block: BLOCK }))
}

fn hash(n: u8) -> Sha256Hash {
    Sha256Hash([n; 32])
}

#[tokio::test]
async fn a_block_that_many_want_is_read_once() {
    let (store, cache) = cache(1 << 20);
    let one = hash(1);
    let all = join_all((0..100).map(|i| cache.read(&one, 20_000, i))).await;
    for (i, bytes) in all.into_iter().enumerate() {
        assert_eq!(bytes.unwrap().len(), BLOCK as usize - i);
    }
    assert_eq!(store.reads.load(Ordering::SeqCst), 1);
    assert_eq!(cache.cached(&hash(1), 5).unwrap().len(), BLOCK as usize - 5);
    assert_eq!(cache.read(&hash(1), 20_000, 19_999).await.unwrap(), Bytes::from(vec![1_u8]));
    assert_eq!(cache.size(&hash(0)).await.unwrap(), None);
    assert_eq!(cache.size(&hash(1)).await.unwrap(), Some(20_000));
}

#[tokio::test]
async fn a_failed_read_is_tried_again_by_the_next_and_holds_no_memory() {
    let (store, cache) = cache(1 << 20);
    store.failures.store(1, Ordering::SeqCst);
    assert!(cache.read(&hash(1), 20_000, 0).await.is_err());
    assert_eq!(cache.stats().bytes, 0);
    assert!(cache.read(&hash(1), 20_000, 0).await.is_ok());
}

#[tokio::test]
async fn memory_stays_within_the_budget_and_the_oldest_block_goes_first() {
    let (store, cache) = cache(4 * BLOCK);
    for n in 1..=4 {
        cache.read(&hash(n), 20_000, 0).await.unwrap();
    }
    cache.read(&hash(1), 20_000, 0).await.unwrap();
    cache.read(&hash(5), 20_000, 0).await.unwrap();
    assert_eq!(cache.stats().bytes, 4 * BLOCK);
    assert_eq!(store.reads.load(Ordering::SeqCst), 5);
    assert!(cache.cached(&hash(1), 0).is_some(), "used again, so it stays");
    assert!(cache.cached(&hash(2), 0).is_none(), "used longest ago, so it went");
}

#[tokio::test]
async fn who_finds_no_memory_waits_for_a_response_to_end() {
    let (_, cache) = cache(4 * BLOCK);
    let mut held = Vec::new();
    for n in 1..=4 {
        held.push(cache.read(&hash(n), 20_000, 0).await.unwrap());
    }
    let fifth_hash = hash(5);
    let mut fifth = Box::pin(cache.read(&fifth_hash, 20_000, 0));
    assert!(timeout(Duration::from_millis(20), &mut fifth).await.is_err(), "all memory is held by responses");
    held.clear();
    assert_eq!(timeout(Duration::from_secs(5), fifth).await.unwrap().unwrap()[0], 5);
    assert!(cache.stats().bytes <= 4 * BLOCK);
}

#[tokio::test]
async fn many_downloads_of_many_artifacts_all_end_within_a_small_budget() {
    let (_, cache) = cache(4 * BLOCK);
    let downloads = (1..=60_u8).map(|n| {
        let cache = &cache;
        async move {
            let mut at = 0;
            while at < 20_000 {
                let bytes = cache.read(&hash(n), 20_000, at).await.unwrap();
                assert!(bytes.iter().all(|b| *b == n));
                at += bytes.len() as u64;
                tokio::task::yield_now().await;
                assert!(cache.stats().bytes <= 4 * BLOCK);
            }
            at
        }
    });
    let ends = timeout(Duration::from_secs(20), join_all(downloads)).await.unwrap();
    assert!(ends.iter().all(|end| *end == 20_000));
}
