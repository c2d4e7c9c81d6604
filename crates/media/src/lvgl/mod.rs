//! The LVGL 8 binary image (`.bin`).
//!
//! Four bytes of header, little-endian, then pixels: no magic, no length, no checksum. The header does not say how deep a "true
//! colour" is, nor whether its bytes are swapped: both are how LVGL was built (`LV_COLOR_DEPTH`, `LV_COLOR_16_SWAP`), so they stand in
//! the product's display profile, and [`Pixels`] carries them here. LVGL itself checks no length: a file that is too short fails when it is
//! drawn, one that lies about its size is read beyond its end. [`check`] is what stands before that.

mod decode;
mod encode;
mod format;

use argosy_domain::model::DisplayProfile;

pub use self::decode::{Bitmap, decode};
pub use self::encode::encode;
pub use self::format::{ColorFormat, Depth, Header, MAX_SIDE, Pixels};

/// Why bytes are no binary for a display. Every text may be shown to who uploaded it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LvglError {
    /// Not even a header.
    #[error("the file has {size} bytes, an LVGL image begins with a header of 4: upload the whole .bin")]
    NoHeader {
        /// Bytes of the file.
        size: usize,
    },
    /// The bits that are always zero are not.
    #[error("the file is no LVGL 8 image: bits that are zero in its header are set")]
    NotLvgl8,
    /// A binary of LVGL 9, which LVGL 8 cannot read.
    #[error(
        "the file is an image for LVGL 9; convert it for LVGL 8 (lv_img_conv), or upload the PNG and let it be converted here"
    )]
    Lvgl9,
    /// A colour format that LVGL 8 does not draw from a file.
    #[error("LVGL 8 does not draw the colour format {number}{} from a file; {advice}", name.map(|n| format!(" ({n})")).unwrap_or_default())]
    Format {
        /// Its number, 0 to 31.
        number: u8,
        /// Its name, where it has one.
        name: Option<&'static str>,
        /// What to do.
        advice: &'static str,
    },
    /// Nothing across, or nothing down.
    #[error("the image says that it is {width} x {height} pixels: it has nothing to show; convert it again")]
    Nothing {
        /// Across.
        width: u16,
        /// Down.
        height: u16,
    },
    /// Larger than the display.
    #[error(
        "the image is {width} x {height} pixels, the display {display_width} x {display_height}: make it no larger than the display"
    )]
    TooLarge {
        /// Across.
        width: u16,
        /// Down.
        height: u16,
        /// Pixels across of the display.
        display_width: u16,
        /// Pixels down of the display.
        display_height: u16,
    },
    /// It is transparent, and the display's images are not.
    #[error(
        "the image's colour format is {format}, which is transparent, but the product's display profile says that its images are not; save it as TRUE_COLOR, or switch alpha on in the profile"
    )]
    Transparent {
        /// What the header says.
        format: ColorFormat,
    },
    /// Its length is not what its header asks for.
    #[error(
        "the image is {width} x {height} pixels of {format} at a colour depth of {depth}, which is {expected} bytes with the header, but the file has {found}{}",
        other.map_or_else(
            || (if found < expected { ": it is cut off, copy it again" } else { ": it is damaged, or has something appended" }).to_owned(),
            |d| format!(": that is the length at a colour depth of {d}; convert it for {depth} (LV_COLOR_DEPTH), or correct the display profile")
        )
    )]
    Length {
        /// What the header says.
        format: ColorFormat,
        /// Across.
        width: u16,
        /// Down.
        height: u16,
        /// The display's.
        depth: Depth,
        /// Bytes that it should have.
        expected: usize,
        /// Bytes that it has.
        found: usize,
        /// The depth at which the length would be right.
        other: Option<Depth>,
    },
}

/// Why content cannot be made for a display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No pixel, or more than the header has bits for.
    #[error(
        "the display profile says {width} x {height} pixels; LVGL 8 images have 1 to {MAX_SIDE} across and down: correct the product's display profile"
    )]
    Size {
        /// Across.
        width: u16,
        /// Down.
        height: u16,
    },
    /// A depth that LVGL does not have.
    #[error(
        "the display profile says a colour depth of {found}; known are 8, 16 and 32 (LV_COLOR_DEPTH): correct the product's display profile"
    )]
    Depth {
        /// What the profile says.
        found: u8,
    },
    /// Swapped bytes where there is nothing to swap.
    #[error(
        "the display profile swaps bytes at a colour depth of {depth}; LV_COLOR_16_SWAP means something at 16 only: correct the product's display profile"
    )]
    Swap {
        /// What the profile says.
        depth: Depth,
    },
}

/// How a display's pixels lie in memory.
///
/// # Errors
/// A profile that no content can be made for.
pub fn pixels_of(display: &DisplayProfile) -> Result<Pixels, ProfileError> {
    let sides = 1..=MAX_SIDE;
    if !sides.contains(&display.width) || !sides.contains(&display.height) {
        return Err(ProfileError::Size { width: display.width, height: display.height });
    }
    let depth =
        Depth::from_bits(display.color_depth).ok_or(ProfileError::Depth { found: display.color_depth })?;
    if display.swap_bytes && depth != Depth::Rgb565 {
        return Err(ProfileError::Swap { depth });
    }
    Ok(Pixels { depth, swapped: display.swap_bytes })
}

/// Whether `file` is an image that a display takes: its header, its size, its exact length. Allocates nothing.
///
/// An image smaller than the display is taken: a UI resource is a part of a screen.
///
/// # Errors
/// What is wrong with it.
pub fn check(file: &[u8], display: &DisplayProfile, pixels: Pixels) -> Result<Header, LvglError> {
    let header = Header::read(file)?;
    let Header { format, width, height } = header;
    if width > display.width || height > display.height {
        let (display_width, display_height) = (display.width, display.height);
        return Err(LvglError::TooLarge { width, height, display_width, display_height });
    }
    if format.is_transparent() && !display.alpha {
        return Err(LvglError::Transparent { format });
    }
    let expected = header.file_len(pixels.depth);
    if file.len() != expected {
        let other = Depth::ALL.iter().copied().find(|d| header.file_len(*d) == file.len());
        let (depth, found) = (pixels.depth, file.len());
        return Err(LvglError::Length { format, width, height, depth, expected, found, other });
    }
    Ok(header)
}
