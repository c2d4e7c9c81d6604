//! The stores against real engines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails right there")]

mod series;
mod sql;
