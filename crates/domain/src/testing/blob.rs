//! The contract of [`BlobStore`]: what every back end, and the fake, must do. Each case gets a fresh, empty store.

use argosy_proto::Sha256Hash;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::fake::split_mix;
use super::registry::BoxFuture;
use super::{bytes_stream, join_all};
use crate::ports::{BlobStore, ByteStream, PortError, PortErrorKind, StageError, StagedBlob};

/// One behaviour: it panics if the store does not behave so.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Runs it against a fresh, empty store.
    pub run: for<'a> fn(&'a dyn BlobStore) -> BoxFuture<'a, ()>,
}

impl core::fmt::Debug for Case {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! list_cases {
    ($($case:ident),* $(,)?) => {
        /// Every case.
        pub fn cases() -> Vec<Case> {
            vec![$(Case { name: stringify!($case), run: |store| Box::pin($case(store)) }),*]
        }
    };
}

list_cases!(
    an_upload_is_staged_promoted_and_read,
    size_and_hash_are_computed_however_the_pieces_fall,
    staged_bytes_can_only_be_read_as_staged,
    too_large_leaves_nothing,
    an_upload_that_is_cut_off_leaves_nothing,
    a_second_upload_replaces_the_first,
    a_failed_second_upload_leaves_nothing,
    promotion_can_be_repeated,
    two_uploads_of_the_same_bytes_become_one_artifact,
    what_was_not_staged_is_not_promoted,
    ranges_give_exactly_their_bytes,
    what_is_not_there,
    discarded_and_removed_bytes_are_gone,
    uploads_side_by_side_do_not_mix,
    a_large_upload_arrives_whole,
    an_id_is_never_a_path,
);

/// Runs every case, each against the store that `make` gives.
pub async fn all<'m>(make: &(dyn Fn() -> BoxFuture<'m, Box<dyn BlobStore>> + Sync)) {
    for case in cases() {
        eprintln!("blob contract: {}", case.name);
        let store = make().await;
        (case.run)(&*store).await;
    }
}

const LIMIT: u64 = 1 << 30;

fn id(number: u8) -> String {
    format!("{number:032x}")
}

fn random(len: usize, seed: u64) -> Bytes {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&split_mix(&mut state).to_le_bytes());
    }
    bytes.truncate(len);
    bytes.into()
}

fn hash(bytes: &[u8]) -> Sha256Hash {
    Sha256Hash(Sha256::digest(bytes).into())
}

fn body(bytes: &Bytes) -> ByteStream {
    bytes_stream([bytes.clone()], None)
}

fn broken() -> Option<PortError> {
    Some(PortError::new("client", PortErrorKind::Unavailable))
}

async fn stage(store: &dyn BlobStore, id: &str, bytes: &Bytes) -> StagedBlob {
    store.stage(id, body(bytes), LIMIT).await.expect("staged")
}

async fn publish(store: &dyn BlobStore, id: &str, bytes: &Bytes) -> Sha256Hash {
    let staged = stage(store, id, bytes).await;
    store.promote(id, &staged.hash).await.expect("promoted");
    staged.hash
}

async fn whole(store: &dyn BlobStore, hash: &Sha256Hash) -> Bytes {
    let size = store.size(hash).await.expect("size").expect("there");
    store.read(hash, 0..size).await.expect("read")
}

async fn an_upload_is_staged_promoted_and_read(store: &dyn BlobStore) {
    let bytes = random(100_000, 1);
    let staged = stage(store, &id(1), &bytes).await;
    assert_eq!(staged, StagedBlob { hash: hash(&bytes), size: 100_000 });
    assert_eq!(store.staged().await.expect("list"), [id(1)]);
    store.promote(&id(1), &staged.hash).await.expect("promote");
    assert!(store.staged().await.expect("list").is_empty());
    assert_eq!(store.size(&staged.hash).await.expect("size"), Some(100_000));
    assert_eq!(whole(store, &staged.hash).await, bytes);
}

async fn size_and_hash_are_computed_however_the_pieces_fall(store: &dyn BlobStore) {
    let bytes = random(10_000, 2);
    for (number, piece) in [1_usize, 7, 4096, 9_999, 10_000].into_iter().enumerate() {
        let mut pieces: Vec<_> = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
        pieces.insert(pieces.len() / 2, Bytes::new());
        let id = id(u8::try_from(number).expect("few"));
        let staged = store.stage(&id, bytes_stream(pieces, None), LIMIT).await.expect("staged");
        assert_eq!(staged, StagedBlob { hash: hash(&bytes), size: 10_000 });
        assert_eq!(store.read_staged(&id, 0..10_000).await.expect("read"), bytes);
    }
    let empty = store.stage(&id(99), bytes_stream([], None), LIMIT).await.expect("staged");
    assert_eq!(empty, StagedBlob { hash: hash(b""), size: 0 });
}

async fn staged_bytes_can_only_be_read_as_staged(store: &dyn BlobStore) {
    let bytes = random(1000, 3);
    let staged = stage(store, &id(1), &bytes).await;
    assert_eq!(store.size(&staged.hash).await.expect("size"), None, "it was not promoted");
    assert!(store.read(&staged.hash, 0..10).await.is_err(), "it was not promoted");
    assert_eq!(store.read_staged(&id(1), 990..1000).await.expect("read"), bytes[990..]);
    store.promote(&id(1), &staged.hash).await.expect("promote");
    assert!(store.read_staged(&id(1), 0..10).await.is_err(), "it is staged no more");
}

async fn too_large_leaves_nothing(store: &dyn BlobStore) {
    let bytes = random(1000, 4);
    let pieces = || bytes.chunks(100).map(Bytes::copy_from_slice).collect::<Vec<_>>();
    let error = store.stage(&id(1), bytes_stream(pieces(), None), 999).await.expect_err("one too many");
    assert!(matches!(error, StageError::TooLarge { limit: 999 }), "{error:?}");
    assert!(store.staged().await.expect("list").is_empty());
    assert!(store.read_staged(&id(1), 0..1).await.is_err());
    let staged = store.stage(&id(1), bytes_stream(pieces(), None), 1000).await.expect("exactly the limit");
    assert_eq!(staged.size, 1000);
}

async fn an_upload_that_is_cut_off_leaves_nothing(store: &dyn BlobStore) {
    let pieces = [random(500, 5), random(300, 6)];
    let error = store.stage(&id(1), bytes_stream(pieces, broken()), LIMIT).await.expect_err("cut off");
    assert!(matches!(error, StageError::CutOff { received: 800 }), "{error:?}");
    assert!(store.staged().await.expect("list").is_empty());
    assert!(store.read_staged(&id(1), 0..1).await.is_err());
    let error = store.stage(&id(1), bytes_stream([], broken()), LIMIT).await.expect_err("cut off");
    assert!(matches!(error, StageError::CutOff { received: 0 }), "{error:?}");
    let staged = stage(store, &id(1), &random(5, 7)).await;
    assert_eq!(staged.size, 5, "the id can be used again");
}

async fn a_second_upload_replaces_the_first(store: &dyn BlobStore) {
    let (first, second) = (random(2000, 8), random(1000, 9));
    stage(store, &id(1), &first).await;
    let staged = stage(store, &id(1), &second).await;
    assert_eq!(staged, StagedBlob { hash: hash(&second), size: 1000 });
    assert_eq!(store.staged().await.expect("list"), [id(1)]);
    store.promote(&id(1), &staged.hash).await.expect("promote");
    assert_eq!(whole(store, &staged.hash).await, second);
    assert_eq!(store.size(&hash(&first)).await.expect("size"), None);
}

async fn a_failed_second_upload_leaves_nothing(store: &dyn BlobStore) {
    stage(store, &id(1), &random(100, 10)).await;
    let cut = bytes_stream([random(50, 11)], broken());
    store.stage(&id(1), cut, LIMIT).await.expect_err("cut off");
    assert!(store.staged().await.expect("list").is_empty());
}

async fn promotion_can_be_repeated(store: &dyn BlobStore) {
    let bytes = random(100, 12);
    let hash = publish(store, &id(1), &bytes).await;
    store.promote(&id(1), &hash).await.expect("a crash between promotion and commit repeats it");
    assert_eq!(whole(store, &hash).await, bytes);
}

async fn two_uploads_of_the_same_bytes_become_one_artifact(store: &dyn BlobStore) {
    let bytes = random(100, 13);
    let first = publish(store, &id(1), &bytes).await;
    let second = publish(store, &id(2), &bytes).await;
    assert_eq!(first, second);
    assert_eq!(whole(store, &first).await, bytes);
    assert!(store.staged().await.expect("list").is_empty(), "the second upload is not left behind");
}

async fn what_was_not_staged_is_not_promoted(store: &dyn BlobStore) {
    let hash = hash(b"nobody");
    let error = store.promote(&id(1), &hash).await.expect_err("nothing is staged");
    assert_eq!(error.kind, PortErrorKind::Reference);
    assert_eq!(store.size(&hash).await.expect("size"), None);
}

async fn ranges_give_exactly_their_bytes(store: &dyn BlobStore) {
    let bytes = random(70_000, 14);
    let hash = publish(store, &id(1), &bytes).await;
    for range in [0..1, 0..70_000, 69_999..70_000, 1..69_999, 65_535..65_537, 4096..8192] {
        let read = store.read(&hash, range.clone()).await.expect("read");
        let start = usize::try_from(range.start).expect("small");
        let end = usize::try_from(range.end).expect("small");
        assert_eq!(read, bytes[start..end], "{range:?}");
    }
}

async fn what_is_not_there(store: &dyn BlobStore) {
    let hash = hash(b"nobody");
    assert_eq!(store.size(&hash).await.expect("size"), None);
    assert_eq!(store.read(&hash, 0..1).await.expect_err("no artifact").kind, PortErrorKind::Reference);
    assert_eq!(store.read_staged(&id(1), 0..1).await.expect_err("no upload").kind, PortErrorKind::Reference);
    assert!(store.staged().await.expect("list").is_empty());
    store.discard(&id(1)).await.expect("nothing to discard");
    store.remove(&hash).await.expect("nothing to remove");
}

async fn discarded_and_removed_bytes_are_gone(store: &dyn BlobStore) {
    let bytes = random(100, 15);
    let hash = publish(store, &id(1), &bytes).await;
    stage(store, &id(1), &bytes).await;
    stage(store, &id(2), &random(100, 16)).await;
    store.discard(&id(1)).await.expect("discard");
    assert_eq!(store.staged().await.expect("list"), [id(2)]);
    assert_eq!(whole(store, &hash).await, bytes, "discarding an upload touches no artifact");
    store.remove(&hash).await.expect("remove");
    assert_eq!(store.size(&hash).await.expect("size"), None);
    assert!(store.read(&hash, 0..1).await.is_err());
    assert_eq!(store.staged().await.expect("list"), [id(2)]);
}

async fn uploads_side_by_side_do_not_mix(store: &dyn BlobStore) {
    let one = |number: u8| async move {
        let bytes = random(20_000 + usize::from(number), number.into());
        let pieces: Vec<_> = bytes.chunks(1000).map(Bytes::copy_from_slice).collect();
        let staged = store.stage(&id(number), bytes_stream(pieces, None), LIMIT).await.expect("staged");
        assert_eq!(staged.hash, hash(&bytes));
        store.promote(&id(number), &staged.hash).await.expect("promote");
        assert_eq!(whole(store, &staged.hash).await, bytes);
    };
    join_all((0..16).map(one)).await;
}

async fn a_large_upload_arrives_whole(store: &dyn BlobStore) {
    let chunk = random(1 << 20, 17);
    let mut expected = Sha256::new();
    let pieces: Vec<_> = (0..20_usize).map(|i| chunk.slice(i * 3..)).collect();
    for piece in &pieces {
        expected.update(piece);
    }
    let size: u64 = pieces.iter().map(|p| p.len() as u64).sum();
    let staged = store.stage(&id(1), bytes_stream(pieces, None), LIMIT).await.expect("staged");
    assert_eq!(staged, StagedBlob { hash: Sha256Hash(expected.finalize().into()), size });
    store.promote(&id(1), &staged.hash).await.expect("promote");
    let mut read = Sha256::new();
    let mut at = 0;
    while at < size {
        let end = (at + 65_536).min(size);
        read.update(store.read(&staged.hash, at..end).await.expect("read"));
        at = end;
    }
    assert_eq!(Sha256Hash(read.finalize().into()), staged.hash);
}

async fn an_id_is_never_a_path(store: &dyn BlobStore) {
    let bytes = random(10, 18);
    for bad in ["", "..", "../../escape", "a/b", "C:\\x", "%2e%2e", &"z".repeat(32), &"a".repeat(33)] {
        assert!(store.stage(bad, body(&bytes), LIMIT).await.is_err(), "{bad:?}");
        assert!(store.read_staged(bad, 0..1).await.is_err(), "{bad:?}");
        assert!(store.promote(bad, &hash(&bytes)).await.is_err(), "{bad:?}");
    }
    assert!(store.staged().await.expect("list").is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeBlobStore, block_on};

    #[test]
    fn the_fake_blob_store_keeps_the_contract() {
        block_on(all(&|| Box::pin(async { Box::new(FakeBlobStore::default()) as Box<dyn BlobStore> })));
    }
}
