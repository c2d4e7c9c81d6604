//! PNGs for people: what the display shows, and a small one.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _, ImageError, RgbaImage};

use crate::compose::{inside, premultiply, resample, unpremultiply};
use crate::lvgl::Bitmap;

/// The box of a thumbnail, pixels across and down.
pub(crate) const THUMBNAIL: u32 = 320;

/// A PNG of every pixel; without alpha where nothing is transparent.
pub(crate) fn png(bitmap: &Bitmap) -> Result<Vec<u8>, ImageError> {
    let mut out = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut out, CompressionType::Default, FilterType::Adaptive);
    let (width, height) = (bitmap.width.into(), bitmap.height.into());
    if bitmap.is_opaque() {
        let rgb: Vec<u8> =
            bitmap.rgba.as_chunks::<4>().0.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
        encoder.write_image(&rgb, width, height, ExtendedColorType::Rgb8)?;
    } else {
        encoder.write_image(&bitmap.rgba, width, height, ExtendedColorType::Rgba8)?;
    }
    Ok(out)
}

/// The same within [`THUMBNAIL`] x [`THUMBNAIL`] pixels, never larger than it is.
pub(crate) fn thumbnail(bitmap: Bitmap) -> Bitmap {
    let (width, height) = (u32::from(bitmap.width), u32::from(bitmap.height));
    if width <= THUMBNAIL && height <= THUMBNAIL {
        return bitmap;
    }
    let (to_width, to_height) = inside((width, height), (THUMBNAIL, THUMBNAIL));
    // Its length is right: it was decoded to it.
    let mut image =
        RgbaImage::from_raw(width, height, bitmap.rgba).unwrap_or_else(|| RgbaImage::new(width, height));
    premultiply(&mut image);
    let mut small = resample(&image, (0, 0, width, height), to_width, to_height);
    unpremultiply(&mut small);
    Bitmap { width: to_width as u16, height: to_height as u16, rgba: small.into_raw() }
}
