//! The fakes: complete in-memory implementations of the ports, held to the same contracts as the real back ends.

mod authority;
mod blob_store;
mod clock;
mod link;
mod lock;
mod media;
mod registry;
mod series;

pub use authority::{FakeAuthority, FakeJournal};
pub use blob_store::{FakeBlobStore, bytes_stream};
pub(super) use clock::split_mix;
pub use clock::{FakeClock, SeededEntropy};
pub use link::{FakeLink, SentMessage};
pub use media::{FakeContentMaker, ready_binary};
pub use registry::FakeRegistry;
pub use series::FakeSeries;
