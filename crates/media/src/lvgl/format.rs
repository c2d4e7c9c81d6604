//! The header, the colour formats, and how many bytes they take.

use core::fmt;

use super::LvglError;

/// The most pixels across or down: the header has 11 bits for each.
pub const MAX_SIDE: u16 = 2047;

/// Bytes of the header.
const HEADER: usize = 4;

/// What LVGL was built for (`LV_COLOR_DEPTH`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Depth {
    /// 8: three bits red, three green, two blue.
    Rgb332,
    /// 16: five bits red, six green, five blue.
    Rgb565,
    /// 32: eight bits each, and one byte for alpha.
    Argb8888,
}

impl Depth {
    /// Every depth.
    pub const ALL: &'static [Self] = &[Self::Rgb332, Self::Rgb565, Self::Argb8888];

    /// The depth of so many bits.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            8 => Some(Self::Rgb332),
            16 => Some(Self::Rgb565),
            32 => Some(Self::Argb8888),
            _ => None,
        }
    }

    /// Bits of a pixel.
    pub const fn bits(self) -> u8 {
        match self {
            Self::Rgb332 => 8,
            Self::Rgb565 => 16,
            Self::Argb8888 => 32,
        }
    }

    /// Bytes of a pixel's colour.
    pub(crate) const fn bytes(self) -> usize {
        self.bits() as usize / 8
    }

    /// Bytes of a pixel with alpha: at 32 bits alpha is one of the four bytes, else it is one more.
    pub(crate) const fn bytes_with_alpha(self) -> usize {
        match self {
            Self::Rgb332 => 2,
            Self::Rgb565 => 3,
            Self::Argb8888 => 4,
        }
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bits())
    }
}

/// How a display's pixels lie in memory: what the file does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pixels {
    /// How deep.
    pub depth: Depth,
    /// Whether the two bytes of a 16-bit pixel are swapped (`LV_COLOR_16_SWAP`).
    pub swapped: bool,
}

/// The colour formats that LVGL 8 draws from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColorFormat {
    /// 4: a colour a pixel.
    TrueColor,
    /// 5: a colour and a byte of alpha a pixel.
    TrueColorAlpha,
    /// 6: a colour a pixel; pure green is transparent.
    TrueColorChromaKeyed,
    /// 7 to 10: a palette of `2^bits` colours, then indices of 1, 2, 4 or 8 bits.
    Indexed(u8),
    /// 11 to 14: only alpha, of 1, 2, 4 or 8 bits; the colour is the style's.
    Alpha(u8),
}

/// Numbers of the header that are not drawn: their names, and what to do.
const NOT_DRAWN: &[(u8, Option<&str>, &str)] = &[
    (0, Some("UNKNOWN"), "upload a TRUE_COLOR image (4)"),
    (1, Some("RAW"), "upload the PNG or JPEG itself, it is converted here"),
    (2, Some("RAW_ALPHA"), "upload the PNG itself, it is converted here"),
    (3, Some("RAW_CHROMA_KEYED"), "upload the PNG or JPEG itself, it is converted here"),
    (15, Some("RGB888"), "save it as TRUE_COLOR (4)"),
    (16, Some("RGBA8888"), "save it as TRUE_COLOR_ALPHA (5)"),
    (17, Some("RGBX8888"), "save it as TRUE_COLOR (4)"),
    (18, Some("RGB565"), "save it as TRUE_COLOR (4), which has the same pixels at a colour depth of 16"),
    (19, Some("RGBA5658"), "save it as TRUE_COLOR_ALPHA (5)"),
    (20, Some("RGB565A8"), "save it as TRUE_COLOR_ALPHA (5): RGB565A8 is drawn from memory only"),
];

impl ColorFormat {
    /// The format of a header's number.
    fn from_number(number: u8) -> Result<Self, LvglError> {
        Ok(match number {
            4 => Self::TrueColor,
            5 => Self::TrueColorAlpha,
            6 => Self::TrueColorChromaKeyed,
            7..=10 => Self::Indexed(1 << (number - 7)),
            11..=14 => Self::Alpha(1 << (number - 11)),
            _ => {
                let known = NOT_DRAWN.iter().find(|(n, ..)| *n == number);
                let (name, advice) = known
                    .map_or((None, "upload a TRUE_COLOR image (4)"), |(_, name, advice)| (*name, *advice));
                return Err(LvglError::Format { number, name, advice });
            }
        })
    }

    /// Its number in the header.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::TrueColor => 4,
            Self::TrueColorAlpha => 5,
            Self::TrueColorChromaKeyed => 6,
            Self::Indexed(bits) => 7 + bits.trailing_zeros() as u8,
            Self::Alpha(bits) => 11 + bits.trailing_zeros() as u8,
        }
    }

    /// Whether it is there to let something through. A palette has alpha too, but is mostly made for its size.
    pub fn is_transparent(self) -> bool {
        matches!(self, Self::TrueColorAlpha | Self::TrueColorChromaKeyed | Self::Alpha(_))
    }

    /// Bytes of the pixels (and palette) of an image: at most 2047 x 2047 x 4.
    pub(crate) fn data_len(self, width: u16, height: u16, depth: Depth) -> usize {
        let (width, height) = (usize::from(width), usize::from(height));
        let packed = |bits: u8| (width * usize::from(bits)).div_ceil(8) * height;
        match self {
            Self::TrueColor | Self::TrueColorChromaKeyed => width * height * depth.bytes(),
            Self::TrueColorAlpha => width * height * depth.bytes_with_alpha(),
            Self::Indexed(bits) => (4 << bits) + packed(bits),
            Self::Alpha(bits) => packed(bits),
        }
    }
}

impl fmt::Display for ColorFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TrueColor => f.write_str("TRUE_COLOR"),
            Self::TrueColorAlpha => f.write_str("TRUE_COLOR_ALPHA"),
            Self::TrueColorChromaKeyed => f.write_str("TRUE_COLOR_CHROMA_KEYED"),
            Self::Indexed(bits) => write!(f, "INDEXED_{bits}BIT"),
            Self::Alpha(bits) => write!(f, "ALPHA_{bits}BIT"),
        }
    }
}

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// Colour format.
    pub format: ColorFormat,
    /// Pixels across, 1…2047.
    pub width: u16,
    /// Pixels down, 1…2047.
    pub height: u16,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// What is no header of an image that LVGL 8 draws from a file.
    pub fn read(file: &[u8]) -> Result<Self, LvglError> {
        let bytes: [u8; HEADER] =
            file.first_chunk().copied().ok_or(LvglError::NoHeader { size: file.len() })?;
        if bytes[0] == 0x19 {
            return Err(LvglError::Lvgl9);
        }
        let word = u32::from_le_bytes(bytes);
        if word >> 5 & 0b1_1111 != 0 {
            return Err(LvglError::NotLvgl8);
        }
        let format = ColorFormat::from_number((word & 0x1f) as u8)?;
        let (width, height) = ((word >> 10) as u16 & MAX_SIDE, (word >> 21) as u16 & MAX_SIDE);
        if width == 0 || height == 0 {
            return Err(LvglError::Nothing { width, height });
        }
        Ok(Self { format, width, height })
    }

    /// The header's bytes.
    pub fn to_bytes(self) -> [u8; HEADER] {
        let word =
            u32::from(self.format.number()) | u32::from(self.width) << 10 | u32::from(self.height) << 21;
        word.to_le_bytes()
    }

    /// Bytes of the whole file.
    pub fn file_len(&self, depth: Depth) -> usize {
        HEADER + self.format.data_len(self.width, self.height, depth)
    }

    /// What follows the header.
    pub(crate) fn body<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        file.get(HEADER..).unwrap_or_default()
    }
}
