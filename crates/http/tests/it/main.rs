//! The HTTP side over real sockets: a real engine over fakes of every port.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

mod account;
mod catalog;
mod contents;
mod contract;
mod curl;
mod deployments;
mod devices;
mod downloads;
mod events;
mod firmware;
mod harness;
mod ledger;
mod limits;
mod system;
mod telemetry;
