//! Pictures and displays for the tests, all made here.

use std::io::Cursor;

use argosy_domain::model::{ContentFit, DisplayProfile, Rgb};
use argosy_domain::ports::{ContentMaker as _, MadeContent, MakeContent, MediaError};
use argosy_media::LvglContentMaker;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, RgbaImage};

pub(crate) const MAGENTA: Rgb = Rgb { red: 255, green: 0, blue: 255 };

pub(crate) fn display(width: u16, height: u16, depth: u8) -> DisplayProfile {
    DisplayProfile { width, height, color_depth: depth, swap_bytes: false, alpha: false }
}

pub(crate) fn swapped(display: DisplayProfile) -> DisplayProfile {
    DisplayProfile { swap_bytes: true, ..display }
}

pub(crate) fn with_alpha(display: DisplayProfile) -> DisplayProfile {
    DisplayProfile { alpha: true, ..display }
}

pub(crate) fn make(
    file: &[u8],
    display: &DisplayProfile,
    fit: ContentFit,
) -> Result<MadeContent, MediaError> {
    let made = LvglContentMaker::default().make(&MakeContent { file, display, fit, background: MAGENTA });
    if let Err(error) = &made {
        // The belt must not be what holds.
        assert!(!error.reason.contains("broke its decoder"), "a decoder panicked: {error}");
    }
    made
}

pub(crate) fn refused(file: &[u8], display: &DisplayProfile) -> MediaError {
    make(file, display, ContentFit::Fit).expect_err("it must be refused")
}

pub(crate) fn image(width: u32, height: u32, at: impl Fn(u32, u32) -> [u8; 4]) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| at(x, y).into())
}

/// Something with edges, gradients and noise.
pub(crate) fn scene(width: u32, height: u32) -> RgbaImage {
    image(width, height, |x, y| {
        let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 7;
        [(x * 255 / width) as u8, (y * 255 / height) as u8, noise as u8, 255]
    })
}

fn written(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, format).expect("as wanted");
    out.into_inner()
}

pub(crate) fn png(image: &RgbaImage) -> Vec<u8> {
    written(&DynamicImage::ImageRgba8(image.clone()), ImageFormat::Png)
}

pub(crate) fn opaque_png(image: &RgbaImage) -> Vec<u8> {
    written(&DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(image.clone()).into_rgb8()), ImageFormat::Png)
}

pub(crate) fn webp(image: &RgbaImage) -> Vec<u8> {
    written(&DynamicImage::ImageRgba8(image.clone()), ImageFormat::WebP)
}

pub(crate) fn jpeg(image: &RgbaImage) -> Vec<u8> {
    let mut out = Vec::new();
    let rgb = DynamicImage::ImageRgba8(image.clone()).into_rgb8();
    JpegEncoder::new_with_quality(&mut out, 95).encode_image(&rgb).expect("as wanted");
    out
}

pub(crate) fn read(png: &[u8]) -> RgbaImage {
    image::load_from_memory_with_format(png, ImageFormat::Png).expect("as wanted").into_rgba8()
}

/// EXIF data that says nothing but an orientation.
pub(crate) fn exif(orientation: u8) -> Vec<u8> {
    [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation], b"\0\0\0\0\0\0"].concat()
}

/// A JPEG with EXIF data right behind its start.
pub(crate) fn jpeg_with_exif(jpeg: &[u8], exif: &[u8]) -> Vec<u8> {
    let length = (2 + 6 + exif.len()) as u16;
    [&jpeg[..2], b"\xff\xe1", &length.to_be_bytes(), b"Exif\0\0", exif, &jpeg[2..]].concat()
}

/// A PNG with one more chunk behind its header.
pub(crate) fn png_with_chunk(png: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let header_end = 8 + 25;
    [&png[..header_end], &chunk(kind, data), &png[header_end..]].concat()
}

pub(crate) fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), data].concat();
    [&(data.len() as u32).to_be_bytes(), body.as_slice(), &crc32(&body).to_be_bytes()].concat()
}

/// A PNG whose header says another size; everything else, checksums included, as it was.
pub(crate) fn png_that_says(png: &[u8], width: u32, height: u32) -> Vec<u8> {
    let rest = &png[8 + 8 + 8..8 + 8 + 13];
    let header = [&width.to_be_bytes(), &height.to_be_bytes(), rest].concat();
    [&png[..8], &chunk(b"IHDR", &header), &png[8 + 25..]].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)))
    })
}
