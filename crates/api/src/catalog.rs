//! Products, groups, regions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ImageFormat, Time};

/// Names something by id and by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamedRef {
    /// Row id.
    pub id: i64,
    /// Name.
    pub name: String,
}

/// Names a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegionRef {
    /// Row id.
    pub id: i64,
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
}

/// The screen of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisplayProfile {
    /// Pixels across.
    #[schema(minimum = 1, maximum = 2047)]
    pub width: u16,
    /// Pixels down.
    #[schema(minimum = 1, maximum = 2047)]
    pub height: u16,
    /// Bits a pixel, `LV_COLOR_DEPTH` of the firmware: 8, 16 (RGB565) or 32.
    pub color_depth: u8,
    /// Whether the two bytes of a 16-bit pixel are swapped (`LV_COLOR_16_SWAP`).
    #[serde(default)]
    pub swap_bytes: bool,
    /// Whether images keep their transparency; otherwise they are laid on a background.
    #[serde(default)]
    pub alpha: bool,
}

/// What a product is made with, and what `PUT` replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductSpec {
    /// Unique name.
    pub name: String,
    /// The chip as its vendor writes it (`esp32s3`); any text for `raw`.
    pub chip: String,
    /// How its images are built.
    pub image_format: ImageFormat,
    /// Bytes of one firmware slot; a larger image is refused.
    #[schema(minimum = 1)]
    pub slot_size: i64,
    /// The screen, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<DisplayProfile>,
}

/// A product: a hardware model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductView {
    /// Row id.
    pub id: i64,
    /// Unique name.
    pub name: String,
    /// The chip as its vendor writes it.
    pub chip: String,
    /// How its images are built.
    pub image_format: ImageFormat,
    /// Bytes of one firmware slot.
    pub slot_size: i64,
    /// The screen, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<DisplayProfile>,
    /// When it was made.
    pub created_at: Time,
}

/// What a group is made with, and what `PUT` replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupSpec {
    /// Unique name.
    pub name: String,
}

/// A group of devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupView {
    /// Row id.
    pub id: i64,
    /// Unique name.
    pub name: String,
    /// Devices in it.
    pub devices: u64,
    /// Those of them that are connected now.
    pub online: u64,
    /// When it was made.
    pub created_at: Time,
}

/// What a region is made with, and what `PUT` replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegionSpec {
    /// Unique short code: `[A-Za-z0-9_-]{1,32}`.
    pub code: String,
    /// Name for people.
    pub name: String,
}

/// A region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegionView {
    /// Row id.
    pub id: i64,
    /// Unique short code.
    pub code: String,
    /// Name for people.
    pub name: String,
    /// Devices in it.
    pub devices: u64,
    /// Those of them that are connected now.
    pub online: u64,
    /// When it was made.
    pub created_at: Time,
}
