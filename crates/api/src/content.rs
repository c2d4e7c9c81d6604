//! Contents: what displays show.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ContentChangeKind, ContentFit, ContentMade, ContentSource, ContentState, DisplayProfile, NamedRef, Time,
};

/// Makes content of an uploaded file and registers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateContentRequest {
    /// The upload: a PNG, JPEG or WebP picture, or an LVGL 8 `.bin` that is ready for the product's display. Told apart by its bytes.
    pub upload_id: String,
    /// For which hardware model (name or `id:42`); it must have a display.
    pub product: String,
    /// Its title; the same title (case of ASCII letters aside) is refused with 409.
    pub title: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How a picture of another shape is brought onto the display; `fit` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<ContentFit>,
    /// Colour of bars, and of what a transparent picture lets through: `#rrggbb`; black if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$")]
    pub background: Option<String>,
}

/// A registered content. Its files never change: their addresses may be cached for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContentView {
    /// Row id.
    pub id: i64,
    /// Its title.
    pub title: String,
    /// Free text.
    pub description: String,
    /// For which hardware model.
    pub product: NamedRef,
    /// The uploaded file's name.
    pub file_name: String,
    /// Whether it may be deployed.
    pub state: ContentState,
    /// `file_info.id` of its binary: what devices download it by, and report that they show.
    pub artifact: i64,
    /// SHA-256 of its binary, lower-case hexadecimal.
    pub sha256: String,
    /// Bytes of its binary.
    pub size: i64,
    /// Pixels across of its binary.
    pub width: u16,
    /// Pixels down of its binary.
    pub height: u16,
    /// Colour format of its binary, as LVGL names it.
    pub color_format: String,
    /// What was uploaded.
    pub source: ContentSource,
    /// Pixels across of the uploaded picture.
    pub source_width: u32,
    /// Pixels down of the uploaded picture.
    pub source_height: u32,
    /// How the binary came to be.
    pub made: ContentMade,
    /// How the picture was brought onto the display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<ContentFit>,
    /// The colour behind it, `#rrggbb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<String>,
    /// A small PNG, as a path on this server.
    pub thumbnail_path: String,
    /// A PNG of what the display shows, pixel by pixel, as a path on this server.
    pub preview_path: String,
    /// Devices that show it now (`GET /contents/{id}` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_by: Option<u64>,
    /// When it was registered.
    pub created_at: Time,
}

/// Which contents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ContentQuery {
    /// Of this product (name or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// In this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub state: Option<ContentState>,
    /// Title or file name contains it.
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

/// A change of a content. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeContentRequest {
    /// New title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// New text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// New state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ContentState>,
}

/// A content that a deployment carries, as it was when the deployment was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeployedContent {
    /// Row id.
    pub id: i64,
    /// Its title then.
    pub title: String,
    /// `file_info.id` of its binary.
    pub artifact: i64,
    /// SHA-256 of its binary, lower-case hexadecimal.
    pub sha256: String,
    /// Bytes of its binary.
    pub size: i64,
}

/// A file that a device shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShownFile {
    /// The id that the device says (`file_info.id`).
    pub artifact: i64,
    /// The content of the device's product that it is; absent: none that this server knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ShownContent>,
}

/// A content that a device shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShownContent {
    /// Row id.
    pub id: i64,
    /// Its title.
    pub title: String,
    /// A small PNG, as a path on this server.
    pub thumbnail_path: String,
    /// A PNG of what the display shows, as a path on this server.
    pub preview_path: String,
}

/// What a device shows, against what it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceContentsView {
    /// What it shows; absent: it never said and was never sent anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Vec<ShownFile>>,
    /// Since when the server knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// By the device's own word; else by its download results.
    pub reported: bool,
    /// What the last content deployment that succeeded on it was, in that deployment's order; absent: none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Vec<ShownFile>>,
    /// That deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<i64>,
    /// It shows something else than it was sent.
    pub mismatch: bool,
    /// The display that contents for it are made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<DisplayProfile>,
}

/// One change of what a device shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContentChangeView {
    /// When the server learnt of it.
    pub at: Time,
    /// How it came.
    pub kind: ContentChangeKind,
    /// What it shows since.
    pub shown: Vec<ShownFile>,
    /// The deployment that sent it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<i64>,
}
