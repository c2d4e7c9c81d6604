//! From pixels to a `.bin`.

use super::decode::Bitmap;
use super::{ColorFormat, Depth, Header, Pixels};

/// Writes a picture as `TRUE_COLOR`, or with `alpha` as `TRUE_COLOR_ALPHA`. Every channel becomes the nearest value that the
/// display has. `bitmap` is 1 to 2047 pixels across and down.
pub fn encode(bitmap: &Bitmap, pixels: Pixels, alpha: bool) -> Vec<u8> {
    let format = if alpha { ColorFormat::TrueColorAlpha } else { ColorFormat::TrueColor };
    let header = Header { format, width: bitmap.width, height: bitmap.height };
    let mut file = Vec::with_capacity(header.file_len(pixels.depth));
    file.extend_from_slice(&header.to_bytes());
    for &[red, green, blue, opacity] in bitmap.rgba.as_chunks::<4>().0 {
        match pixels.depth {
            Depth::Rgb332 => file.push(nearest(red, 7) << 5 | nearest(green, 7) << 2 | nearest(blue, 3)),
            Depth::Rgb565 => {
                let word = u16::from(nearest(red, 31)) << 11
                    | u16::from(nearest(green, 63)) << 5
                    | u16::from(nearest(blue, 31));
                file.extend_from_slice(&if pixels.swapped { word.to_be_bytes() } else { word.to_le_bytes() });
            }
            Depth::Argb8888 => file.extend_from_slice(&[blue, green, red]),
        }
        match (pixels.depth, alpha) {
            (_, true) => file.push(opacity),
            // Four bytes all the same: LVGL takes the colour and ignores the rest.
            (Depth::Argb8888, false) => file.push(255),
            (_, false) => {}
        }
    }
    file
}

/// The value of 0…`max` nearest to `channel` of 0…255.
fn nearest(channel: u8, max: u16) -> u8 {
    ((u16::from(channel) * max + 127) / 255) as u8
}
