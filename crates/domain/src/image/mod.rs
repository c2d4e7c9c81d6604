//! Reading and checking firmware images before anything is deployed from them.
//!
//! [`ImageInspector`] takes an image in pieces, in order, and holds a few hundred bytes whatever the image's size. What is wrong is
//! said as an [`ImageError`] for the person who uploads: what was found, what was expected, and what to do. A further format is a
//! variant of [`ImageFormat`] and a reader beside `esp`.

mod esp;
mod foreign;
#[cfg(test)]
mod tests;

use crate::model::{ImageFacts, ImageFormat, MAX_ARTIFACT_SIZE, NewProduct};

pub use self::esp::{CHIPS, chip_id};

/// Why a file is not accepted as an image. Every text may be shown to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// No byte.
    #[error("the file is empty")]
    Empty,
    /// More bytes than `size` may name on the wire.
    #[error("the file is larger than {MAX_ARTIFACT_SIZE} bytes, the most that a device can be sent")]
    TooLarge,
    /// It is something else that is known.
    #[error("the file is {what}; {advice}")]
    Foreign {
        /// What it is.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// It does not begin like an ESP-IDF image, nor like anything that is known.
    #[error(
        "the file is not an ESP-IDF image: it begins with 0x{found:02x} instead of 0xe9; upload the application's .bin (build/<project>.bin)"
    )]
    Magic {
        /// Its first byte.
        found: u8,
    },
    /// A segment count that no image has.
    #[error(
        "the image is damaged: its header says {found} segments, an image has 1 to 16; build or copy it again"
    )]
    SegmentCount {
        /// What the header says.
        found: u8,
    },
    /// A chip that this version does not know.
    #[error(
        "the image is built for a chip with the unknown id 0x{found:04x}; known are {}",
        esp::chip_names()
    )]
    UnknownChip {
        /// What the header says.
        found: u16,
    },
    /// Neither 0 nor 1.
    #[error("the image is damaged: its hash flag is {found}, it must be 0 or 1; build or copy it again")]
    HashFlag {
        /// What the header says.
        found: u8,
    },
    /// A length that is no multiple of four, or beyond any image.
    #[error(
        "the image is damaged: segment {segment} says that it has {length} bytes; build or copy it again"
    )]
    SegmentLength {
        /// Which, from 1.
        segment: u8,
        /// What its header says.
        length: u32,
    },
    /// The first segment does not begin with `app_desc`.
    #[error(
        "the image has no application description: a bootloader or a merged flash image has none; upload the application's own .bin (build/<project>.bin)"
    )]
    NoAppDescription,
    /// The file ends too early.
    #[error(
        "the image is truncated: {part} ends at {needed}, but the file has {size} bytes; build or copy it again"
    )]
    Truncated {
        /// What ends too late: `segment 3`, `the header`, …
        part: String,
        /// Where it ends.
        needed: u64,
        /// Where the file ends.
        size: u64,
    },
    /// The checksum byte is wrong.
    #[error(
        "the image is damaged: its checksum is 0x{computed:02x}, it says 0x{stored:02x}; build or copy it again"
    )]
    Checksum {
        /// What the image says.
        stored: u8,
        /// What its bytes give.
        computed: u8,
    },
    /// The appended SHA-256 is wrong.
    #[error(
        "the image is damaged: its bytes do not give the SHA-256 that is appended to it; build or copy it again"
    )]
    Hash,
    /// Bytes after the end that are no signature block.
    #[error(
        "{extra} bytes follow the image, which ends at {end}: is it a merged or padded flash image? Upload the application's own .bin (build/<project>.bin)"
    )]
    Trailing {
        /// Where the image ends.
        end: u64,
        /// Bytes that follow.
        extra: u64,
    },
}

/// Why an image, good in itself, is not for a product.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// Another format than the product's.
    #[error("the image was read as {image}, but the product's image format is {product}")]
    Format {
        /// The image's.
        image: ImageFormat,
        /// The product's.
        product: ImageFormat,
    },
    /// Built for another chip.
    #[error(
        "the image is built for {image}, but the product's chip is {product}: build it for {product} (idf.py set-target {product})"
    )]
    Chip {
        /// The image's.
        image: String,
        /// The product's.
        product: String,
    },
    /// Larger than the slot.
    #[error("the image has {size} bytes, but a firmware slot of the product has {slot}: {} too many", size - slot)]
    Slot {
        /// Bytes of the image.
        size: u64,
        /// Bytes of the slot.
        slot: u64,
    },
}

/// Reads an image in pieces, from its first byte to its last.
#[derive(Debug)]
pub struct ImageInspector {
    received: u64,
    head: foreign::Head,
    reader: Reader,
    failed: Option<ImageError>,
}

#[derive(Debug)]
enum Reader {
    Raw,
    Esp(Box<esp::EspReader>),
}

impl ImageInspector {
    /// An inspector of an image of this format.
    pub fn new(format: ImageFormat) -> Self {
        let reader = match format {
            ImageFormat::EspIdf => Reader::Esp(Box::default()),
            ImageFormat::Raw => Reader::Raw,
        };
        Self { received: 0, head: foreign::Head::default(), reader, failed: None }
    }

    /// Takes the next bytes, any number of them.
    ///
    /// # Errors
    /// As soon as it is certain that the image is not acceptable; every later call then gives the same error.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.take(bytes).inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        self.received = self.received.saturating_add(bytes.len() as u64);
        if self.received > MAX_ARTIFACT_SIZE as u64 {
            return Err(ImageError::TooLarge);
        }
        self.head.push(bytes);
        match &mut self.reader {
            Reader::Raw => Ok(()),
            Reader::Esp(reader) => reader.push(bytes).map_err(|error| match error {
                // What it is helps more than what it is not.
                ImageError::Magic { .. } => self.head.foreign_to_esp().unwrap_or(error),
                other => other,
            }),
        }
    }

    /// Ends the image; what it says of itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn finish(self) -> Result<ImageFacts, ImageError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.received == 0 {
            return Err(ImageError::Empty);
        }
        match self.reader {
            Reader::Esp(reader) => reader.finish(),
            Reader::Raw => match self.head.foreign_to_raw() {
                Some(error) => Err(error),
                None => Ok(ImageFacts {
                    format: ImageFormat::Raw,
                    chip: None,
                    project: None,
                    app_version: None,
                    idf_version: None,
                    segments: None,
                }),
            },
        }
    }
}

/// Reads an image that is in memory anyway.
///
/// # Errors
/// What is wrong with it.
pub fn inspect(format: ImageFormat, bytes: &[u8]) -> Result<ImageFacts, ImageError> {
    let mut inspector = ImageInspector::new(format);
    inspector.push(bytes)?;
    inspector.finish()
}

/// Whether an image of `size` bytes that says this of itself is for this product.
///
/// # Errors
/// What does not fit.
pub fn check_fits(product: &NewProduct, facts: &ImageFacts, size: u64) -> Result<(), FitError> {
    if facts.format != product.image_format {
        return Err(FitError::Format { image: facts.format, product: product.image_format });
    }
    if let Some(chip) = &facts.chip
        && plain(chip) != plain(&product.chip)
    {
        return Err(FitError::Chip { image: chip.clone(), product: product.chip.clone() });
    }
    // A slot without a size takes nothing.
    let slot = u64::try_from(product.slot_size).unwrap_or(0);
    if size > slot {
        return Err(FitError::Slot { size, slot });
    }
    Ok(())
}

/// A chip's name without case and hyphens: people write `ESP32-S3` too.
fn plain(chip: &str) -> String {
    chip.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
