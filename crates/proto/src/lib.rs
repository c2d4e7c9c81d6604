//! The words a device and Argosy share: identifiers, topics and payloads of the device protocol v1.
//!
//! `no_std` with `alloc`, no I/O, no clock: a microcontroller, the simulator, the server and the fuzzers use the same code.
#![no_std]

extern crate alloc;

mod command;
mod hash;
mod ids;
mod key;
pub mod message;
mod time;
pub mod topic;
mod version;

pub use command::{
    CommandId, CommandIdError, CommandKind, UpdateCommandId, UpdateCommandIdError, UpdateKind,
};
pub use hash::{Sha256Hash, Sha256HashError};
pub use ids::*;
pub use key::{DeviceKey, DeviceKeyError};
pub use message::{DecodeError, DownMessage, EncodeError, UpMessage, decode_down, decode_up};
pub use time::{DeviceTime, DeviceTimeError};
pub use topic::{
    Access, DownTopic, StreamName, TopicError, UpTopic, belongs_to, belongs_to_aws, down_filters, parse_down,
    parse_up,
};
pub use version::{FirmwareVersion, FirmwareVersionError};
