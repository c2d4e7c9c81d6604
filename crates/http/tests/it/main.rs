//! The HTTP side over real sockets: a real engine over fakes of every port.

mod account;
mod catalog;
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
