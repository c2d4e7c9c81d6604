//! The payloads of every topic: JSON objects, typed.
//!
//! Reading is *tolerant of facts and strict about meaning*: a measure, a message or a device's time that cannot be read is as
//! if absent, because what it comes with matters more; a command id, a status, a hash or a file that cannot be read makes the
//! message unreadable. Unknown fields are ignored. Base fields keep their names, types and meaning for ever; ours are added
//! as optional ones and are not written when absent.
//!
//! Add one: a struct with [`serde::Serialize`] and the private trait `Payload` in a file of its kind, a line in
//! `up_messages!` or `down_messages!` below, a topic, golden vectors in `tests/golden`.

use alloc::vec::Vec;

use serde::Serialize;

mod data;
mod enrol;
mod error;
mod fields;
mod hello;
pub mod limits;
mod report;
mod status;
mod update;
mod words;

pub use data::{DataRow, DataValue};
pub use enrol::{AuthKey, CertAck, CertRequest, CertStatus, Regist, RegistAck, RegistStatus};
pub use error::{DecodeError, EncodeError, Problem};
pub use hello::{
    BootInfo, CommandRequest, CommandResponse, CommandStatus, Hello, HelloAck, HelloLimits, capability,
};
pub use report::{AckStatus, CancelAck, Progress, ResultStatus, UpdateAck, UpdateResult};
pub use status::{
    CpuUsage, ErrorLog, NetworkHealth, SalesData, ShownFile, StatusSystem, SystemHealth, TestMessage,
};
pub use update::{
    ContentFile, DeltaOffer, FileInfo, FirmwareContent, SignedUrl, UpdateAdvertisement, UpdateCancel,
    UpdateFirmware,
};

use crate::topic::{DownTopic, StreamName, UpTopic};
use crate::{CommandId, DeviceTime};
use fields::Fields;

/// A payload: how it is read, and what is checked before it is written.
trait Payload: Serialize + Sized {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError>;

    fn check(&self) -> Result<(), EncodeError> {
        Ok(())
    }

    fn write(&self, limit: usize) -> Result<Vec<u8>, EncodeError> {
        self.check()?;
        let payload = serde_json::to_vec(self).map_err(|_| EncodeError::Json)?;
        match payload.len() {
            size if size > limit => Err(EncodeError::TooLarge { size, limit }),
            _ => Ok(payload),
        }
    }
}

macro_rules! up_messages {
    ($($(#[$doc:meta])* $variant:ident($payload:ty) on $topic:ident),* $(,)?) => {
        /// A message from a device.
        #[derive(Debug, Clone, PartialEq)]
        pub enum UpMessage {
            $($(#[$doc])* $variant($payload),)*
            /// `data/{stream}`.
            Data {
                /// The telemetry stream.
                stream: StreamName,
                /// The row.
                row: DataRow,
            },
        }

        impl UpMessage {
            /// The topic on which it is sent.
            pub fn topic(&self) -> UpTopic {
                match self {
                    $(Self::$variant(_) => UpTopic::$topic,)*
                    Self::Data { stream, .. } => UpTopic::Data { stream: stream.clone() },
                }
            }

            /// Its payload.
            ///
            /// # Errors
            /// [`EncodeError`] when it would be larger than [`limits::UP_PAYLOAD`].
            pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
                match self {
                    $(Self::$variant(payload) => payload.write(limits::UP_PAYLOAD),)*
                    Self::Data { row, .. } => row.write(limits::UP_PAYLOAD),
                }
            }
        }

        /// Reads the payload of a message from a device.
        ///
        /// # Errors
        /// [`DecodeError`] names the field and the rule it breaks, and repeats no value.
        pub fn decode_up(topic: &UpTopic, payload: &[u8]) -> Result<UpMessage, DecodeError> {
            let mut fields = Fields::parse(payload, limits::UP_PAYLOAD)?;
            match topic {
                $(UpTopic::$topic => Payload::read(&mut fields).map(UpMessage::$variant),)*
                UpTopic::Data { stream } => {
                    Payload::read(&mut fields).map(|row| UpMessage::Data { stream: stream.clone(), row })
                }
            }
        }
    };
}

macro_rules! down_messages {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A message from the server.
        #[derive(Debug, Clone, PartialEq)]
        pub enum DownMessage {
            $($(#[$doc])* $name($name),)*
        }

        impl DownMessage {
            /// The topic on which it is sent.
            pub const fn topic(&self) -> DownTopic {
                match self {
                    $(Self::$name(_) => DownTopic::$name,)*
                }
            }

            /// Its payload.
            ///
            /// # Errors
            /// [`EncodeError`] when a file is out of range or the payload is larger than [`limits::DOWN_PAYLOAD`].
            pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
                match self {
                    $(Self::$name(payload) => payload.write(limits::DOWN_PAYLOAD),)*
                }
            }
        }

        /// Reads the payload of a message from the server.
        ///
        /// # Errors
        /// [`DecodeError`] names the field and the rule it breaks, and repeats no value.
        pub fn decode_down(topic: DownTopic, payload: &[u8]) -> Result<DownMessage, DecodeError> {
            let mut fields = Fields::parse(payload, limits::DOWN_PAYLOAD)?;
            match topic {
                $(DownTopic::$name => Payload::read(&mut fields).map(DownMessage::$name),)*
            }
        }
    };
}

up_messages! {
    /// `update/request/ack`.
    UpdateAck(UpdateAck) on UpdateAck,
    /// `update/progress`.
    Progress(Progress) on Progress,
    /// `update/result`.
    Result(UpdateResult) on Result,
    /// `update/cancel/ack`.
    CancelAck(CancelAck) on CancelAck,
    /// `status/system`.
    StatusSystem(StatusSystem) on StatusSystem,
    /// `status/error_log`.
    StatusErrorLog(ErrorLog) on StatusErrorLog,
    /// `sales/data`.
    SalesData(SalesData) on SalesData,
    /// `regist`.
    Regist(Regist) on Regist,
    /// `cert/request`.
    CertRequest(CertRequest) on CertRequest,
    /// `test`.
    Test(TestMessage) on Test,
    /// `hello`.
    Hello(Hello) on Hello,
    /// `command/response`.
    CommandResponse(CommandResponse) on CommandResponse,
}

down_messages! {
    /// `update/request/firmware`.
    UpdateFirmware,
    /// `update/request/advertisement`.
    UpdateAdvertisement,
    /// `update/cancel`.
    UpdateCancel,
    /// `regist/ack`.
    RegistAck,
    /// `cert/request/ack`.
    CertAck,
    /// `hello/ack`.
    HelloAck,
    /// `command/request`.
    CommandRequest,
}

impl UpMessage {
    /// The command that the message answers or belongs to.
    pub fn command_id(&self) -> Option<&CommandId> {
        match self {
            Self::UpdateAck(message) => Some(&message.command_id),
            Self::Progress(message) => Some(&message.command_id),
            Self::Result(message) => Some(&message.command_id),
            Self::CancelAck(message) => Some(&message.command_id),
            Self::CommandResponse(message) => Some(&message.command_id),
            Self::Hello(message) => message.command_id.as_ref(),
            Self::StatusSystem(_)
            | Self::StatusErrorLog(_)
            | Self::SalesData(_)
            | Self::Regist(_)
            | Self::CertRequest(_)
            | Self::Test(_)
            | Self::Data { .. } => None,
        }
    }

    /// When the device says that it was, unless it has no clock: [`DeviceTime::NO_CLOCK`] counts as not said.
    pub fn device_time(&self) -> Option<DeviceTime> {
        let said = match self {
            Self::UpdateAck(message) => message.timestamp,
            Self::Progress(message) => message.timestamp,
            Self::Result(message) => message.timestamp,
            Self::CancelAck(message) => message.timestamp,
            Self::StatusSystem(message) => message.timestamp,
            Self::StatusErrorLog(message) => message.timestamp,
            Self::SalesData(message) => message.timestamp,
            Self::Regist(message) => message.timestamp,
            Self::CertRequest(message) => message.timestamp,
            Self::Test(message) => message.timestamp,
            Self::Hello(message) => message.timestamp,
            Self::Data { row, .. } => row.timestamp,
            Self::CommandResponse(_) => None,
        };
        said.filter(|time| !time.is_no_clock())
    }
}
