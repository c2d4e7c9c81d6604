//! Downloads: who may fetch which artifact until when ([`UrlSigner`]), and the bytes from bounded memory ([`ArtifactCache`]).
//!
//! No HTTP here: the HTTP crate asks these two and writes the answer.

mod cache;
mod links;
mod signer;

pub use cache::{ArtifactCache, CacheConfig, CacheStats};
pub use links::LocalLinks;
pub use signer::{Grant, Grantee, SignedPath, UrlRefusal, UrlSigner};
