//! Fakes of every port, and the contract suites that hold them and the real back ends to one behaviour.
//!
//! A suite is a list of cases; a back end runs [`registry::all`] or [`blob::all`] (or the cases one by one) against a fresh,
//! empty instance a case. To add a behaviour: write a case in the suite's file, add it to the suite's list, and make every back end
//! pass it. Nothing here needs a runtime: a test without one uses [`block_on`].

pub mod blob;
mod esp_image;
mod exec;
mod fake;
pub mod registry;
pub mod series;

pub use esp_image::{esp_image, esp_image_of_size};
pub use exec::{block_on, join_all, poll_once};
pub use fake::{
    FakeAuthority, FakeBlobStore, FakeClock, FakeContentMaker, FakeJournal, FakeLink, FakeRegistry,
    FakeSeries, SeededEntropy, SentMessage, bytes_stream, ready_binary,
};
