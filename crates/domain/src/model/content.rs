//! Content: what a product's display shows (an advertisement, a screen, a UI resource), as it was uploaded and as devices download it.

use argosy_proto::{ArtifactId, ContentId, ProductId, Sha256Hash};
use serde::{Deserialize, Serialize};

use super::{UnknownWord, text_enum};
use crate::Timestamp;

/// The most contents of one deployment, and so the most files of one request.
pub const MAX_CONTENTS: usize = 16;
/// The largest file that content is made from, in bytes: it is decoded in memory.
pub const MAX_CONTENT_FILE: u64 = 32 * 1024 * 1024;

text_enum! {
    /// How an image that has not the display's shape is brought onto it.
    ContentFit {
        /// Whole image, bars of the background where it does not reach.
        Fit = "fit",
        /// Whole display, what hangs over is cut off evenly.
        Fill = "fill",
    }
}

text_enum! {
    /// What was uploaded.
    ContentSource {
        /// A PNG image.
        Png = "png",
        /// A JPEG image.
        Jpeg = "jpeg",
        /// A WebP image.
        Webp = "webp",
        /// An LVGL 8 binary image, made elsewhere.
        Lvgl = "lvgl",
    }
}

text_enum! {
    /// How the device binary came to be.
    ContentMade {
        /// The server made it from the original image.
        Converted = "converted",
        /// It was uploaded ready, and found to be what the product's display takes.
        Ready = "ready",
    }
}

text_enum! {
    /// Whether a content may be deployed.
    ContentState {
        /// May be deployed.
        Available = "available",
        /// May not be deployed any more; what shows it keeps showing it.
        Withdrawn = "withdrawn",
    }
}

/// A colour of the background, 8 bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rgb {
    /// Red.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
}

/// What is known of a content's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentFacts {
    /// Pixels across of the binary: the display's.
    pub width: u16,
    /// Pixels down of the binary: the display's.
    pub height: u16,
    /// Colour format of the binary as LVGL names it (`TRUE_COLOR`, `TRUE_COLOR_ALPHA`, …).
    pub color_format: String,
    /// What was uploaded.
    pub source: ContentSource,
    /// How the binary came to be.
    pub made: ContentMade,
    /// Pixels of the uploaded image, upright; for a ready binary its own.
    pub source_width: u32,
    /// See `source_width`.
    pub source_height: u32,
    /// How it was brought onto the display; `None` for a ready binary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<ContentFit>,
    /// The bars' colour, and what shows through a transparent image; `None` for a ready binary, and where the display blends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Rgb>,
}

/// What a content is registered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewContent {
    /// Its title; unique, ASCII case aside.
    pub title: String,
    /// Free text.
    pub description: String,
    /// For which hardware model: the binary is made for its display.
    pub product: ProductId,
    /// The uploaded file's name.
    pub file_name: String,
    /// The image as uploaded; `None` when a ready binary was.
    pub original: Option<ArtifactId>,
    /// What devices download.
    pub binary: ArtifactId,
    /// A PNG of what the display shows, pixel by pixel.
    pub preview: ArtifactId,
    /// A small PNG of it.
    pub thumbnail: ArtifactId,
    /// What is known of its files.
    pub facts: ContentFacts,
    /// Whether it may be deployed.
    pub state: ContentState,
}

/// A registered content, with the hash and size of its binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Row id.
    pub id: ContentId,
    /// Everything it was registered with, as changed since.
    #[serde(flatten)]
    pub spec: NewContent,
    /// Hash of the binary.
    pub hash: Sha256Hash,
    /// Bytes of the binary.
    pub size: i64,
    /// When it was registered.
    pub created_at: Timestamp,
}
