//! Requests to update, and to stop updating.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;

use super::Payload;
use super::error::{DecodeError, EncodeError, Problem};
use super::fields::{self, Fields, MAX_FILE_NUMBER};
use super::limits;
use crate::{ArtifactId, CommandId, DeviceTime, FirmwareVersion, Sha256Hash};

/// `update/request/firmware`: fetch this image, check it, and (a device with slots) run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpdateFirmware {
    /// The command that every answer names.
    pub command_id: CommandId,
    /// What to fetch.
    pub content: FirmwareContent,
    /// When the request was made.
    pub timestamp: DeviceTime,
}

/// The image of an [`UpdateFirmware`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirmwareContent {
    /// Where to fetch it.
    pub signed_url: SignedUrl,
    /// What will come.
    pub file_info: FileInfo,
    /// Added: its version, to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<FirmwareVersion>,
    /// Added: the signed manifest, Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Added: patches that make the same image from another one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delta: Vec<DeltaOffer>,
}

/// A patch from one image to the requested one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeltaOffer {
    /// The complete image that the patch starts from.
    pub from_hash: Sha256Hash,
    /// How the patch is written.
    pub format: String,
    /// Where to fetch the patch.
    pub signed_url: SignedUrl,
    /// The patch itself (not the image that it makes).
    pub file_info: FileInfo,
}

/// `update/request/advertisement`: fetch these files in order, and show them when all are verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpdateAdvertisement {
    /// The command that every answer names.
    pub command_id: CommandId,
    /// The files; the set replaces what is shown. At most [`limits::FILES`].
    pub contents: Vec<ContentFile>,
    /// The sum of their sizes, in bytes.
    pub total_size: u64,
    /// When the request was made.
    pub timestamp: DeviceTime,
}

/// One file of an [`UpdateAdvertisement`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContentFile {
    /// Where to fetch it.
    pub signed_url: SignedUrl,
    /// What will come.
    pub file_info: FileInfo,
}

/// `update/cancel`: stop what the command started, if it is not done yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpdateCancel {
    /// The command to stop.
    pub command_id: CommandId,
    /// Why, for a person.
    pub reason: String,
    /// When it was cancelled.
    pub timestamp: DeviceTime,
}

/// An address that carries its own permission, for a while. `Debug` leaves out the query: the permission is in it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct SignedUrl {
    /// The address.
    pub url: String,
    /// For how long it works, in minutes. Never below [`Self::MIN_TIMEOUT`].
    pub timeout: u32,
}

impl SignedUrl {
    /// Old simulators take the minutes as the seconds that a socket may be silent.
    pub const MIN_TIMEOUT: u32 = 5;

    /// An address that works for `minutes`, of which at least [`Self::MIN_TIMEOUT`] are written.
    pub fn new(url: impl Into<String>, minutes: u32) -> Self {
        Self { url: url.into(), timeout: minutes.max(Self::MIN_TIMEOUT) }
    }

    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            url: fields.required("url", fields::name::<{ limits::URL }>)?,
            timeout: fields.required("timeout", fields::small_count)?,
        })
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, query) = self.url.split_once('?').map_or((self.url.as_str(), ""), |(a, _)| (a, "?…"));
        write!(f, "SignedUrl({address}{query}, {} min)", self.timeout)
    }
}

/// What a file is, before it is fetched. Ids and sizes are 1…2^31-1, because old boards keep both in 32 bits with a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct FileInfo {
    /// One immutable binary, for ever; old boards name the file after it.
    pub id: ArtifactId,
    /// The SHA-256 of all its bytes.
    pub file_hash: Sha256Hash,
    /// Its size in bytes.
    pub size: u64,
}

impl FileInfo {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            id: fields.required("id", fields::file_id)?,
            file_hash: fields.required("file_hash", fields::hash)?,
            size: fields.required("size", fields::file_size)?,
        })
    }

    fn check(&self) -> Result<(), EncodeError> {
        let range = 1..=MAX_FILE_NUMBER;
        let id_ok = u64::try_from(self.id.get()).is_ok_and(|id| range.contains(&id));
        if id_ok && range.contains(&self.size) { Ok(()) } else { Err(EncodeError::FileOutOfRange) }
    }
}

impl DeltaOffer {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            from_hash: fields.required("from_hash", fields::hash)?,
            format: fields.required("format", fields::name::<{ limits::NAME }>)?,
            signed_url: fields.object("signed_url", SignedUrl::read)?,
            file_info: fields.object("file_info", FileInfo::read)?,
        })
    }
}

impl ContentFile {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            signed_url: fields.object("signed_url", SignedUrl::read)?,
            file_info: fields.object("file_info", FileInfo::read)?,
        })
    }
}

impl FirmwareContent {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            signed_url: fields.object("signed_url", SignedUrl::read)?,
            file_info: fields.object("file_info", FileInfo::read)?,
            version: fields.optional("version", fields::version)?,
            manifest: fields.optional("manifest", fields::block::<{ limits::MANIFEST }>)?,
            delta: fields.list("delta", limits::DELTAS, DeltaOffer::read)?.unwrap_or_default(),
        })
    }
}

impl Payload for UpdateFirmware {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            command_id: fields.required("command_id", fields::command_id)?,
            content: fields.object("content", FirmwareContent::read)?,
            timestamp: fields.required("timestamp", fields::time)?,
        })
    }

    fn check(&self) -> Result<(), EncodeError> {
        if self.content.delta.len() > limits::DELTAS {
            return Err(EncodeError::TooManyFiles(limits::DELTAS));
        }
        self.content.file_info.check()?;
        self.content.delta.iter().try_for_each(|delta| delta.file_info.check())
    }
}

impl Payload for UpdateAdvertisement {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        let missing = || DecodeError::field("contents", Problem::Missing);
        Ok(Self {
            command_id: fields.required("command_id", fields::command_id)?,
            contents: fields.list("contents", limits::FILES, ContentFile::read)?.ok_or_else(missing)?,
            total_size: fields.required("total_size", fields::count)?,
            timestamp: fields.required("timestamp", fields::time)?,
        })
    }

    fn check(&self) -> Result<(), EncodeError> {
        if self.contents.len() > limits::FILES {
            return Err(EncodeError::TooManyFiles(limits::FILES));
        }
        self.contents.iter().try_for_each(|file| file.file_info.check())
    }
}

impl Payload for UpdateCancel {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            command_id: fields.required("command_id", fields::command_id)?,
            reason: fields.lenient("reason", fields::prose::<{ limits::MESSAGE }>).unwrap_or_default(),
            timestamp: fields.required("timestamp", fields::time)?,
        })
    }
}
