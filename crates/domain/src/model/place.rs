//! Products (hardware models), groups and regions: what a device is and where it stands.

use argosy_proto::{GroupId, ProductId, RegionId};
use serde::{Deserialize, Serialize};

use super::{UnknownWord, text_enum};
use crate::Timestamp;

text_enum! {
    /// How a product's firmware image is built, which decides how it is checked.
    ImageFormat {
        /// An ESP-IDF application image (magic 0xE9).
        EspIdf = "esp-idf",
        /// Any bytes: only size and hash are checked.
        Raw = "raw",
    }
}

/// The screen of a product; content is made for it. What LVGL was built with (`LV_COLOR_DEPTH`, `LV_COLOR_16_SWAP`) stands here,
/// because a `.bin` does not say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisplayProfile {
    /// Pixels across, 1…2047.
    pub width: u16,
    /// Pixels down, 1…2047.
    pub height: u16,
    /// Bits a pixel: 8 (RGB332), 16 (RGB565) or 32 (`LV_COLOR_DEPTH`).
    pub color_depth: u8,
    /// Whether the two bytes of a 16-bit pixel are swapped (`LV_COLOR_16_SWAP`).
    pub swap_bytes: bool,
    /// Whether images keep their transparency (`TRUE_COLOR_ALPHA`); otherwise they are laid on a background.
    #[serde(default)]
    pub alpha: bool,
}

/// What a product is made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewProduct {
    /// Unique name.
    pub name: String,
    /// The chip as its vendor writes it (`esp32s3`), lower case; compared with the image's chip id.
    pub chip: String,
    /// How its images are built.
    pub image_format: ImageFormat,
    /// Bytes of one firmware slot; a larger image is refused.
    pub slot_size: i64,
    /// The screen, if it has one.
    pub display: Option<DisplayProfile>,
}

/// A hardware model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Row id.
    pub id: ProductId,
    /// Everything that was given.
    #[serde(flatten)]
    pub spec: NewProduct,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A group: devices that belong together for an operator (a customer, a pilot ring).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Row id.
    pub id: GroupId,
    /// Unique name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Row id.
    pub id: RegionId,
    /// Unique short code (`KR-11`): `[A-Za-z0-9_-]{1,32}`.
    pub code: String,
    /// Name for people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}
