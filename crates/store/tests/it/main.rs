//! The stores against real engines.

mod sql;
