//! The words a device and Argosy share: identifiers, topics and payloads of the device protocol v1.
//!
//! `no_std` with `alloc`, no I/O, no clock: a microcontroller, the simulator, the server and the fuzzers use the same code.
#![no_std]

extern crate alloc;

mod hash;
mod ids;
mod key;

pub use hash::{Sha256Hash, Sha256HashError};
pub use ids::*;
pub use key::{DeviceKey, DeviceKeyError};
