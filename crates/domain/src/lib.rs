//! What Argosy is about, without any engine under it: aggregates and their transitions, the pure rollout planner, and the ports.
//!
//! No driver, no runtime, no wall clock: time and randomness are arguments ([`ports::Clock`], [`ports::Entropy`]).
//! The feature `testing` adds a fake of every port and the contract suites that hold fakes and real back ends to one behaviour.

pub mod image;
pub mod model;
pub mod page;
pub mod plan;
pub mod ports;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;

pub use time::Timestamp;
