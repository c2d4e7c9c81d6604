//! From a decoded picture to the display's pixels: upright, scaled, laid on its background.

use argosy_domain::model::{ContentFit, DisplayProfile, Rgb};
use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, Pixel, RgbaImage};

use crate::lvgl::Bitmap;
use crate::source::Picture;

/// Lays a picture on a display. `background` is what stands where the picture does not reach and what it lets through; without one
/// both stay transparent.
pub(crate) fn compose(
    picture: Picture,
    display: &DisplayProfile,
    fit: ContentFit,
    background: Option<Rgb>,
) -> Bitmap {
    let (width, height) = (u32::from(display.width), u32::from(display.height));
    let turned = turns(picture.orientation);
    // Everything is done in the picture's own frame and turned upright at the end, when it is small.
    let room = if turned { (height, width) } else { (width, height) };
    let mut small = match picture.image {
        DynamicImage::ImageRgba8(mut image) => {
            premultiply(&mut image);
            scale(&image, room, fit)
        }
        other => DynamicImage::ImageRgb8(scale(&other.into_rgb8(), room, fit)).into_rgba8(),
    }
    .into();
    DynamicImage::apply_orientation(&mut small, picture.orientation);
    let small = small.into_rgba8();

    let mut canvas = RgbaImage::new(width, height);
    let (left, top) = ((width - small.width().min(width)) / 2, (height - small.height().min(height)) / 2);
    imageops::replace(&mut canvas, &small, left.into(), top.into());
    match background {
        Some(colour) => lay_on(&mut canvas, colour),
        None => unpremultiply(&mut canvas),
    }
    Bitmap { width: display.width, height: display.height, rgba: canvas.into_raw() }
}

/// Upright size of a picture.
pub(crate) fn upright(picture: &Picture) -> (u32, u32) {
    let (width, height) = (picture.image.width(), picture.image.height());
    if turns(picture.orientation) { (height, width) } else { (width, height) }
}

/// Whether a picture lies on its side.
fn turns(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

/// Brings an image to a room: whole into it, or the middle of it to all of the room.
fn scale<P>(image: &ImageBuffer<P, Vec<u8>>, room: (u32, u32), fit: ContentFit) -> ImageBuffer<P, Vec<u8>>
where
    P: Pixel<Subpixel = u8> + 'static,
{
    let (width, height) = image.dimensions();
    match fit {
        ContentFit::Fit => {
            let (to_width, to_height) = inside((width, height), room);
            resample(image, (0, 0, width, height), to_width, to_height)
        }
        ContentFit::Fill => {
            let (cut_width, cut_height) = inside(room, (width, height));
            let (left, top) = ((width - cut_width) / 2, (height - cut_height) / 2);
            resample(image, (left, top, cut_width, cut_height), room.0, room.1)
        }
    }
}

/// The largest size of `shape`'s shape inside `room`, at least one pixel.
pub(crate) fn inside(shape: (u32, u32), room: (u32, u32)) -> (u32, u32) {
    let [w, h, rw, rh] = [shape.0, shape.1, room.0, room.1].map(u64::from);
    let rounded = |a: u64, b: u64, by: u64, max: u32| ((a * b + by / 2) / by).clamp(1, max.into()) as u32;
    if rw * h <= rh * w { (room.0, rounded(h, rw, w, room.1)) } else { (rounded(w, rh, h, room.0), room.1) }
}

/// A part of an image in another size. What shrinks much is first averaged to twice its size: the filter's cost and memory grow with
/// what it reads.
pub(crate) fn resample<P>(
    image: &ImageBuffer<P, Vec<u8>>,
    (left, top, width, height): (u32, u32, u32, u32),
    to_width: u32,
    to_height: u32,
) -> ImageBuffer<P, Vec<u8>>
where
    P: Pixel<Subpixel = u8> + 'static,
{
    let part = imageops::crop_imm(image, left, top, width, height);
    if (width, height) == (to_width, to_height) {
        return part.to_image();
    }
    if width > 2 * to_width && height > 2 * to_height {
        let half = imageops::thumbnail(&*part, 2 * to_width, 2 * to_height);
        return imageops::resize(&half, to_width, to_height, FilterType::Lanczos3);
    }
    imageops::resize(&*part, to_width, to_height, FilterType::Lanczos3)
}

/// Colours times alpha: what is transparent must not bleed into its neighbours when they are averaged.
pub(crate) fn premultiply(image: &mut RgbaImage) {
    for pixel in image.pixels_mut() {
        let [r, g, b, a] = pixel.0;
        pixel.0 = [times(r, a), times(g, a), times(b, a), a];
    }
}

/// The way back.
pub(crate) fn unpremultiply(image: &mut RgbaImage) {
    for pixel in image.pixels_mut() {
        let [r, g, b, a] = pixel.0;
        let over = |c: u8| {
            (u16::from(c) * 255 + u16::from(a) / 2).checked_div(a.into()).map_or(0, |c| c.min(255) as u8)
        };
        pixel.0 = [over(r), over(g), over(b), a];
    }
}

/// Premultiplied colours over a background, opaque.
fn lay_on(image: &mut RgbaImage, ground: Rgb) {
    for pixel in image.pixels_mut() {
        let [r, g, b, a] = pixel.0;
        let over = |c: u8, ground: u8| c.saturating_add(times(ground, 255 - a));
        pixel.0 = [over(r, ground.red), over(g, ground.green), over(b, ground.blue), 255];
    }
}

/// The product of two values of 0…1 in 255 steps.
fn times(a: u8, b: u8) -> u8 {
    ((u16::from(a) * u16::from(b) + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_keeps_the_shape_and_never_vanishes() {
        assert_eq!(inside((1600, 900), (800, 480)), (800, 450));
        assert_eq!(inside((900, 1600), (800, 480)), (270, 480));
        assert_eq!(inside((16_000, 1), (800, 480)), (800, 1));
        assert_eq!(inside((1, 16_000), (800, 480)), (1, 480));
        assert_eq!(inside((5, 3), (800, 480)), (800, 480));
    }

    #[test]
    fn premultiplied_colours_come_back_within_what_alpha_leaves() {
        for alpha in [1_u8, 17, 128, 254, 255] {
            for colour in 0..=255_u8 {
                let mut image = RgbaImage::from_pixel(1, 1, [colour, 0, 255, alpha].into());
                premultiply(&mut image);
                unpremultiply(&mut image);
                let [r, g, b, a] = image.get_pixel(0, 0).0;
                let step = 255 / u16::from(alpha) / 2 + 1;
                assert!(u16::from(r.abs_diff(colour)) <= step, "{colour} at {alpha} became {r}");
                assert_eq!((g, b, a), (0, 255, alpha));
            }
        }
    }
}
