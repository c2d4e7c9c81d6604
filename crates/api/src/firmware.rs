//! Uploads and firmware.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{FirmwareState, ImageFormat, NamedRef, Time};

/// Asks for an address to upload a file to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUploadRequest {
    /// The file's name.
    pub file_name: String,
    /// Its size in bytes, if known: too large a file is then refused before it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
}

/// Where to `PUT` the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreateUploadResponse {
    /// The upload's id.
    pub id: String,
    /// Where to `PUT` the raw bytes, as a path on this server.
    pub upload_path: String,
    /// The same as an absolute URL.
    pub upload_url: String,
    /// When it is cleaned away if no firmware is registered from it.
    pub expires_at: Time,
    /// The largest file that is taken, in bytes.
    pub max_size: i64,
}

/// What was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadedResponse {
    /// The upload's id.
    pub id: String,
    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: i64,
}

/// Registers an uploaded file as a firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateFirmwareRequest {
    /// The upload.
    pub upload_id: String,
    /// For which hardware model (name or `id:42`).
    pub product: String,
    /// Its version: 1 to 64 printable ASCII characters without blanks.
    pub version: String,
    /// Its file name; the upload's if absent. The same (product, version, file name) is refused with 409.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_notes: Option<String>,
    /// Its first state; `released` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<FirmwareState>,
}

/// What was read in the image itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageFacts {
    /// The format it was read as.
    pub format: ImageFormat,
    /// The chip that it is built for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip: Option<String>,
    /// The project's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The version that the image itself names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// The version of ESP-IDF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idf_version: Option<String>,
    /// Segments in the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u8>,
}

/// A registered firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FirmwareView {
    /// Row id.
    pub id: i64,
    /// For which hardware model.
    pub product: NamedRef,
    /// Its version.
    pub version: String,
    /// Its file name.
    pub file_name: String,
    /// Whether it may be deployed.
    pub state: FirmwareState,
    /// Free text.
    pub release_notes: String,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: i64,
    /// What was read in the image itself.
    pub image: ImageFacts,
    /// When it was registered.
    pub created_at: Time,
}

/// Which firmware.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FirmwareQuery {
    /// Of this product (name or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// In this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub state: Option<FirmwareState>,
    /// Version or file name contains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows at most, 1 to 1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// A change of a firmware. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeFirmwareRequest {
    /// New state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<FirmwareState>,
    /// New notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_notes: Option<String>,
}

/// A URL to download the file from, bound to the caller.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DownloadUrlResponse {
    /// The path and query on this server.
    pub path: String,
    /// The same as an absolute URL.
    pub url: String,
    /// Until when it works.
    pub expires_at: Time,
}

impl core::fmt::Debug for DownloadUrlResponse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DownloadUrlResponse").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}
