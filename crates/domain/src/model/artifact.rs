//! Uploads, artifacts (immutable binaries under their hash) and firmware (an artifact with a product and a version).

use argosy_proto::{ArtifactId, FirmwareId, ProductId, Sha256Hash, UserId};
use serde::{Deserialize, Serialize};

use super::{UnknownWord, text_enum};
use crate::Timestamp;

/// The largest artifact: `size` on the wire is 1…2^31-1.
pub const MAX_ARTIFACT_SIZE: i64 = i32::MAX as i64;

/// One immutable binary, stored under its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Row id; `file_info.id` on the wire, 1…2^31-1.
    pub id: ArtifactId,
    /// SHA-256 of its bytes; unique.
    pub hash: Sha256Hash,
    /// Bytes.
    pub size: i64,
    /// When it was first promoted.
    pub created_at: Timestamp,
}

text_enum! {
    /// Where an upload stands.
    UploadState {
        /// The address was given; no byte has come, or the bytes are coming.
        Open = "open",
        /// All bytes are staged, hashed and durable.
        Staged = "staged",
    }
}

/// An upload on its way: bytes go to a staging key that nothing can read from outside, until a registration promotes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Random name, 32 hexadecimal digits; also the staging key.
    pub id: String,
    /// The file's name as the operator has it.
    pub file_name: String,
    /// Where it stands.
    pub state: UploadState,
    /// Hash of the staged bytes.
    pub hash: Option<Sha256Hash>,
    /// Size of the staged bytes.
    pub size: Option<i64>,
    /// Who asked for it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// When it is cleaned away if nothing was registered from it.
    pub expires_at: Timestamp,
}

text_enum! {
    /// Whether a firmware may be deployed.
    FirmwareState {
        /// Registered, not for deployment yet.
        Draft = "draft",
        /// May be deployed.
        Released = "released",
        /// May not be deployed any more; what runs keeps running.
        Withdrawn = "withdrawn",
    }
}

/// What was read in the image itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// The format it was read as.
    pub format: super::ImageFormat,
    /// The chip that it is built for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip: Option<String>,
    /// `app_desc.project_name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// `app_desc.version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// `app_desc.idf_ver`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idf_version: Option<String>,
    /// Segments in the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u8>,
}

/// What a firmware is registered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewFirmware {
    /// For which hardware model.
    pub product: ProductId,
    /// Its version, 1…64 characters.
    pub version: String,
    /// Its file name; (product, version, file name) is unique.
    pub file_name: String,
    /// Its bytes.
    pub artifact: ArtifactId,
    /// Free text.
    pub release_notes: String,
    /// What the image says of itself.
    pub facts: ImageFacts,
    /// Its first state.
    pub state: FirmwareState,
}

/// A registered firmware, with the hash and size of its artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firmware {
    /// Row id.
    pub id: FirmwareId,
    /// Everything it was registered with, as changed since.
    #[serde(flatten)]
    pub spec: NewFirmware,
    /// Hash of the artifact.
    pub hash: Sha256Hash,
    /// Bytes of the artifact.
    pub size: i64,
    /// When it was registered.
    pub created_at: Timestamp,
}
