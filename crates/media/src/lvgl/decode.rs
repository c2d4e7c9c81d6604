//! From a `.bin` to pixels as the display shows them.

use super::{ColorFormat, Depth, Header, Pixels};

/// Pixels, upright, 8 bits a channel: red, green, blue, alpha (not premultiplied).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap {
    /// Pixels across.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
    /// `4 * width * height` bytes, row by row.
    pub rgba: Vec<u8>,
}

impl Bitmap {
    /// Whether every pixel is opaque.
    pub fn is_opaque(&self) -> bool {
        self.rgba.as_chunks::<4>().0.iter().all(|[.., alpha]| *alpha == 255)
    }
}

/// Reads an image that [`super::check`] has found good, and `header` is its header. Bytes that are missing are transparent, never a panic.
///
/// Alpha-only formats have no colour of their own and come out black.
pub fn decode(file: &[u8], header: &Header, pixels: Pixels) -> Bitmap {
    let Header { format, width, height } = *header;
    let body = header.body(file);
    let count = usize::from(width) * usize::from(height);
    let mut rgba = Vec::with_capacity(count * 4);
    match format {
        ColorFormat::TrueColor | ColorFormat::TrueColorChromaKeyed => {
            let keyed = format == ColorFormat::TrueColorChromaKeyed;
            for pixel in body.chunks_exact(pixels.depth.bytes()).take(count) {
                let [r, g, b] = colour(pixel, pixels);
                // LV_COLOR_CHROMA_KEY, as LVGL comes.
                let through = keyed && [r, g, b] == [0, 255, 0];
                rgba.extend_from_slice(&[r, g, b, if through { 0 } else { 255 }]);
            }
        }
        ColorFormat::TrueColorAlpha => {
            for pixel in body.chunks_exact(pixels.depth.bytes_with_alpha()).take(count) {
                let [r, g, b] = colour(pixel, pixels);
                rgba.extend_from_slice(&[r, g, b, pixel.last().copied().unwrap_or(0)]);
            }
        }
        ColorFormat::Indexed(bits) => {
            let (palette, indices) = body.split_at_checked(4 << bits).unwrap_or((body, &[]));
            let palette = palette.as_chunks::<4>().0;
            for index in packed(indices, width, bits).take(count) {
                let [b, g, r, a] = palette.get(usize::from(index)).copied().unwrap_or_default();
                rgba.extend_from_slice(&[r, g, b, a]);
            }
        }
        ColorFormat::Alpha(bits) => {
            let max = u16::MAX >> (16 - bits);
            for alpha in packed(body, width, bits).take(count) {
                rgba.extend_from_slice(&[0, 0, 0, wide(alpha.into(), max)]);
            }
        }
    }
    rgba.resize(count * 4, 0);
    Bitmap { width, height, rgba }
}

/// The colour of one pixel's bytes.
fn colour(pixel: &[u8], pixels: Pixels) -> [u8; 3] {
    let byte = |at: usize| pixel.get(at).copied().unwrap_or(0);
    match pixels.depth {
        Depth::Rgb332 => {
            let word = u16::from(byte(0));
            [wide(word >> 5, 7), wide(word >> 2 & 7, 7), wide(word & 3, 3)]
        }
        Depth::Rgb565 => {
            let bytes = [byte(0), byte(1)];
            let word = if pixels.swapped { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
            [wide(word >> 11, 31), wide(word >> 5 & 63, 63), wide(word & 31, 31)]
        }
        Depth::Argb8888 => [byte(2), byte(1), byte(0)],
    }
}

/// The value of 0…255 nearest to `value` of 0…`max`.
fn wide(value: u16, max: u16) -> u8 {
    ((u32::from(value) * 255 + u32::from(max) / 2) / u32::from(max)) as u8
}

/// Values of `bits` bits, the highest first; each row begins with a byte of its own.
fn packed(bytes: &[u8], width: u16, bits: u8) -> impl Iterator<Item = u8> + '_ {
    let width = usize::from(width);
    let row = (width * usize::from(bits)).div_ceil(8).max(1);
    let mask = 0xff_u8 >> (8 - bits);
    bytes.chunks_exact(row).flat_map(move |row| {
        (0..width).map(move |x| {
            let bit = x * usize::from(bits);
            let shift = 8 - usize::from(bits) - bit % 8;
            row.get(bit / 8).copied().unwrap_or(0) >> shift & mask
        })
    })
}
