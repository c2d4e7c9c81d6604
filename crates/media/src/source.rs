//! What was uploaded: told by its first bytes, held against the limits, then decoded.

use std::io::Cursor;

use argosy_domain::model::ContentSource;
use argosy_domain::ports::{MediaError, MediaErrorKind};
use image::codecs::{jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError};

use crate::{Limits, jpeg};

/// A picture as it was decoded, not yet turned upright.
#[derive(Debug)]
pub(crate) struct Picture {
    /// RGB, or RGB with alpha, of 8 bits.
    pub(crate) image: DynamicImage,
    /// What its EXIF data says about its upright.
    pub(crate) orientation: Orientation,
}

/// Beginnings of files that content is not made from: where the bytes stand, what they are, what to do.
const FOREIGN: &[(usize, &[u8], &str, &str)] = &[
    (0, b"GIF8", "a GIF", "save the frame to show as PNG"),
    (0, b"BM", "a BMP", "save it as PNG"),
    (0, b"II*\0", "a TIFF", "save it as PNG"),
    (0, b"MM\0*", "a TIFF", "save it as PNG"),
    (4, b"ftyp", "a HEIC, AVIF or video file", "save the picture as PNG or JPEG"),
    (0, b"<svg", "an SVG drawing", "export it as PNG in the display's size"),
    (0, b"<?xml", "an SVG or other XML file", "export it as PNG in the display's size"),
    (0, b"%PDF", "a PDF", "export the page as PNG"),
    (0, b"8BPS", "a Photoshop document", "export it as PNG"),
    (0, b"PK\x03\x04", "a ZIP archive", "unpack it and upload the pictures one by one"),
    (0, b"\x1f\x8b", "a gzip file", "unpack it"),
    (0, b"\xe9", "a firmware image, it seems", "register it as firmware"),
];

/// What the file begins like. Anything that is nothing known may be an LVGL binary, which has no magic.
pub(crate) fn tell(file: &[u8]) -> ContentSource {
    if file.starts_with(b"\x89PNG\r\n\x1a\n") {
        ContentSource::Png
    } else if file.starts_with(b"\xff\xd8\xff") {
        ContentSource::Jpeg
    } else if file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP") {
        ContentSource::Webp
    } else {
        ContentSource::Lvgl
    }
}

/// A better word for a file that is not even an LVGL binary.
pub(crate) fn foreign(file: &[u8]) -> Option<MediaError> {
    let (.., what, advice) =
        FOREIGN.iter().find(|(at, magic, ..)| file.get(*at..).is_some_and(|rest| rest.starts_with(magic)))?;
    let reason =
        format!("the file is {what}, and content is made from PNG, JPEG, WebP or an LVGL 8 .bin; {advice}");
    Some(MediaError::new(MediaErrorKind::UnknownFormat, reason))
}

/// Decodes a picture that [`tell`] took for `format` (not an LVGL binary).
pub(crate) fn decode(file: &[u8], format: ContentSource, limits: &Limits) -> Result<Picture, MediaError> {
    let bytes = Cursor::new(file);
    match format {
        ContentSource::Png => {
            let decoder = PngDecoder::with_limits(bytes, memory(limits)).map_err(|e| failed("PNG", &e))?;
            if decoder.is_apng().map_err(|e| damaged("PNG", &e))? {
                return Err(animated("PNG"));
            }
            finish(decoder, "PNG", limits)
        }
        ContentSource::Jpeg => {
            let outline = jpeg::outline(file);
            if outline.scans > limits.scans {
                let reason = format!(
                    "the JPEG goes over its picture {} times, {} are allowed; save it again, not progressive",
                    outline.scans, limits.scans
                );
                return Err(MediaError::new(MediaErrorKind::TooLarge, reason));
            }
            let decoder = JpegDecoder::new(bytes).map_err(|e| damaged("JPEG", &e))?;
            if !outline.complete {
                return Err(cut_off("JPEG", "its end is missing"));
            }
            finish(decoder, "JPEG", limits)
        }
        ContentSource::Webp => {
            // The RIFF header says how long the file is.
            let said = file
                .get(4..8)
                .and_then(|b| b.first_chunk())
                .map_or(0, |b| u64::from(u32::from_le_bytes(*b)) + 8);
            if (file.len() as u64) < said {
                return Err(cut_off(
                    "WebP",
                    &format!("it says that it has {said} bytes and has {}", file.len()),
                ));
            }
            let decoder = WebPDecoder::new(bytes).map_err(|e| damaged("WebP", &e))?;
            if decoder.has_animation() {
                return Err(animated("WebP"));
            }
            finish(decoder, "WebP", limits)
        }
        ContentSource::Lvgl => {
            Err(MediaError::new(MediaErrorKind::UnknownFormat, "the file is no PNG, JPEG or WebP"))
        }
    }
}

/// What decoders may allocate beside the picture they return.
fn memory(limits: &Limits) -> image::Limits {
    let mut memory = image::Limits::default();
    memory.max_image_width = Some(limits.side);
    memory.max_image_height = Some(limits.side);
    memory.max_alloc = Some(limits.decoded * 2);
    memory
}

/// Holds what the header says against the limits, and only then decodes.
fn finish(mut decoder: impl ImageDecoder, name: &str, limits: &Limits) -> Result<Picture, MediaError> {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width == 0 || height == 0 {
        return Err(damaged(name, &"it has no pixel"));
    }
    if width > limits.side
        || height > limits.side
        || pixels > limits.pixels
        || decoder.total_bytes() > limits.decoded
    {
        let reason = format!(
            "the {name} says that it is {width} x {height} pixels ({} bytes each); {} pixels in all, {} a side and {} MiB decoded are allowed: \
             scale it down, the display is smaller anyway",
            decoder.color_type().bytes_per_pixel(),
            limits.pixels,
            limits.side,
            limits.decoded >> 20,
        );
        return Err(MediaError::new(MediaErrorKind::TooLarge, reason));
    }
    // A file whose EXIF data cannot be read is shown as it lies.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    decoder.set_limits(memory(limits)).map_err(|e| failed(name, &e))?;
    let image = DynamicImage::from_decoder(decoder).map_err(|e| failed(name, &e))?;
    let image = if image.color().has_alpha() {
        DynamicImage::ImageRgba8(image.into_rgba8())
    } else {
        DynamicImage::ImageRgb8(image.into_rgb8())
    };
    Ok(Picture { image, orientation })
}

/// What a decoder's error means.
fn failed(name: &str, error: &ImageError) -> MediaError {
    match error {
        ImageError::Limits(error) => {
            let reason = format!(
                "the {name} asks for more than it may have ({error}); scale it down and save it again"
            );
            MediaError::new(MediaErrorKind::TooLarge, reason)
        }
        error => damaged(name, error),
    }
}

fn damaged(name: &str, why: &dyn core::fmt::Display) -> MediaError {
    let reason = format!("the {name} is damaged or cut off ({why}); save or copy it again");
    MediaError::new(MediaErrorKind::Damaged, reason)
}

fn cut_off(name: &str, why: &str) -> MediaError {
    MediaError::new(MediaErrorKind::Damaged, format!("the {name} is cut off: {why}; copy it again"))
}

fn animated(name: &str) -> MediaError {
    let reason =
        format!("the {name} is animated; a display shows still pictures: save the frame to show as PNG");
    MediaError::new(MediaErrorKind::UnknownFormat, reason)
}
