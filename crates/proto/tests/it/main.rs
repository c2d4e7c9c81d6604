//! The protocol as its users see it: payload files, topics, and what a hostile or buggy device may send.
#![expect(clippy::unwrap_used, reason = "helpers of tests: clippy.toml allows it in test functions only")]

mod golden;
mod hostile;
mod round_trip;
mod tolerance;
mod topics;
