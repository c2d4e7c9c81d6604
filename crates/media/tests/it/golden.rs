//! Bytes and pixels that are known beforehand.

use argosy_domain::model::{ContentFit, ContentMade, ContentSource};
use argosy_media::lvgl::{ColorFormat, Header};
use image::RgbaImage;
use image::imageops;

use crate::pictures::*;

const RED: [u8; 4] = [255, 0, 0, 255];
const GREEN: [u8; 4] = [0, 255, 0, 255];
const BLUE: [u8; 4] = [0, 0, 255, 255];
const WHITE: [u8; 4] = [255, 255, 255, 255];
const BARS: [u8; 4] = [255, 0, 255, 255];

#[test]
fn the_header_is_lvgls() {
    let header = Header { format: ColorFormat::TrueColor, width: 640, height: 320 };
    assert_eq!(header.to_bytes(), [0x04, 0x00, 0x0a, 0x28]);
    assert_eq!(Header::read(&header.to_bytes()), Ok(header));
    let largest = Header { format: ColorFormat::Alpha(8), width: 2047, height: 2047 };
    assert_eq!(largest.to_bytes(), [0x0e, 0xfc, 0xff, 0xff]);
}

#[test]
fn every_depth_has_its_bytes() {
    // Red, green, blue, and a colour with another value in each channel.
    let line = image(4, 1, |x, _| [RED, GREEN, BLUE, [66, 130, 198, 255]][x as usize]);
    let body = |display| make(&png(&line), &display, ContentFit::Fit).unwrap().binary[4..].to_vec();
    let plain = |depth| display(4, 1, depth);
    assert_eq!(body(plain(8)), [0xe0, 0x1c, 0x03, 2 << 5 | 4 << 2 | 2]);
    let last = (8_u16 << 11 | 32 << 5 | 24).to_le_bytes();
    assert_eq!(body(plain(16)), [0x00, 0xf8, 0xe0, 0x07, 0x1f, 0x00, last[0], last[1]]);
    assert_eq!(body(swapped(plain(16))), [0xf8, 0x00, 0x07, 0xe0, 0x00, 0x1f, last[1], last[0]]);
    assert_eq!(body(plain(32)), [0, 0, 255, 255, 0, 255, 0, 255, 255, 0, 0, 255, 198, 130, 66, 255]);
}

#[test]
fn transparency_has_its_bytes() {
    let line = image(2, 1, |x, _| [[255, 0, 0, 128], [0, 0, 255, 0]][x as usize]);
    let made = |display| make(&png(&line), &with_alpha(display), ContentFit::Fit).unwrap();
    assert_eq!(made(display(2, 1, 8)).binary, [5, 8, 0x20, 0, 0xe0, 128, 0, 0]);
    assert_eq!(made(display(2, 1, 16)).binary, [5, 8, 0x20, 0, 0x00, 0xf8, 128, 0, 0, 0]);
    assert_eq!(made(swapped(display(2, 1, 16))).binary, [5, 8, 0x20, 0, 0xf8, 0x00, 128, 0, 0, 0]);
    assert_eq!(made(display(2, 1, 32)).binary, [5, 8, 0x20, 0, 0, 0, 255, 128, 0, 0, 0, 0]);
    let made = made(display(2, 1, 16));
    assert_eq!(made.facts.color_format, "TRUE_COLOR_ALPHA");
    assert_eq!(made.facts.background, None);
    assert_eq!(read(&made.preview).as_raw(), &[255, 0, 0, 128, 0, 0, 0, 0]);
}

#[test]
fn what_is_transparent_shows_the_background_where_the_display_does_not_blend() {
    let line = image(3, 1, |x, _| [[0, 0, 0, 0], [0, 0, 0, 255], [0, 255, 0, 128]][x as usize]);
    let made = make(&png(&line), &display(3, 1, 32), ContentFit::Fit).unwrap();
    assert_eq!(read(&made.preview).as_raw(), &[255, 0, 255, 255, 0, 0, 0, 255, 127, 128, 127, 255]);
    assert_eq!((made.facts.color_format.as_str(), made.facts.background), ("TRUE_COLOR", Some(MAGENTA)));
}

#[test]
fn fit_shows_all_of_it_and_fill_leaves_no_bar() {
    // Twice as wide as high, onto a square.
    let wide = image(8, 4, |x, _| if x < 4 { RED } else { GREEN });
    let shown = |fit| read(&make(&png(&wide), &display(8, 8, 32), fit).unwrap().preview);
    let fitted = image(8, 8, |x, y| match (x, y) {
        (_, 0..2 | 6..8) => BARS,
        (0..4, _) => RED,
        _ => GREEN,
    });
    assert_eq!(shown(ContentFit::Fit), fitted);
    let filled = shown(ContentFit::Fill);
    let (left, right) = (filled.get_pixel(0, 0).0, filled.get_pixel(7, 7).0);
    assert!(left[0] > 230 && left[1] < 25 && right[1] > 230 && right[0] < 25, "{left:?} {right:?}");
    assert!(filled.pixels().all(|p| p.0[3] == 255 && p.0[2] == 0), "no bar");

    let high = image(4, 8, |_, y| if y < 4 { RED } else { GREEN });
    let made = make(&png(&high), &with_alpha(display(8, 8, 32)), ContentFit::Fit).unwrap();
    let shown = read(&made.preview);
    assert_eq!(*shown.get_pixel(0, 0), [0, 0, 0, 0].into(), "bars are transparent where the display blends");
    assert_eq!((*shown.get_pixel(2, 0), *shown.get_pixel(5, 7)), (RED.into(), GREEN.into()));
}

#[test]
fn a_large_picture_shrinks_without_a_shift() {
    // Quarters in four colours, shrunk by far: each quarter keeps its place and its colour.
    let quarter = |x: u32, y: u32, w: u32, h: u32| match (x < w / 2, y < h / 2) {
        (true, true) => RED,
        (false, true) => GREEN,
        (true, false) => BLUE,
        (false, false) => WHITE,
    };
    let large = image(1600, 960, |x, y| quarter(x, y, 1600, 960));
    for file in [png(&large), opaque_png(&large), webp(&large), jpeg(&large)] {
        for fit in [ContentFit::Fit, ContentFit::Fill] {
            let made = make(&file, &display(80, 48, 16), fit).unwrap();
            let shown = read(&made.preview);
            for (x, y) in [(0, 0), (37, 21), (42, 0), (0, 26), (37, 26), (79, 47), (42, 26)] {
                let (is, should) = (shown.get_pixel(x, y).0, quarter(x, y, 80, 48));
                for channel in 0..3 {
                    assert!(is[channel].abs_diff(should[channel]) <= 12, "{x},{y}: {is:?} {should:?}");
                }
            }
        }
    }
}

#[test]
fn an_edge_to_transparency_has_no_fringe_of_what_is_hidden() {
    // Red on a transparent ground whose hidden colour is green.
    let spot = image(64, 64, |x, _| if x < 32 { RED } else { [0, 255, 0, 0] });
    let made = make(&png(&spot), &display(9, 9, 32), ContentFit::Fit).unwrap();
    assert!(read(&made.preview).pixels().all(|p| p.0[1] <= 2), "no green comes through");
}

#[test]
fn every_orientation_comes_out_upright() {
    let upright = image(48, 32, |x, y| match (x < 24, y < 16) {
        (true, true) => RED,
        (false, true) => GREEN,
        (true, false) => BLUE,
        (false, false) => WHITE,
    });
    // How a camera that was held so has stored it: the way back from what a viewer must do.
    let stored: [(u8, RgbaImage); 8] = [
        (1, upright.clone()),
        (2, imageops::flip_horizontal(&upright)),
        (3, imageops::rotate180(&upright)),
        (4, imageops::flip_vertical(&upright)),
        (5, imageops::flip_horizontal(&imageops::rotate90(&upright))),
        (6, imageops::rotate270(&upright)),
        (7, imageops::flip_horizontal(&imageops::rotate270(&upright))),
        (8, imageops::rotate90(&upright)),
    ];
    for (orientation, lying) in stored {
        let file = png_with_chunk(&png(&lying), b"eXIf", &exif(orientation));
        let made = make(&file, &display(48, 32, 32), ContentFit::Fit).unwrap();
        assert!(read(&made.preview) == upright, "PNG, orientation {orientation}");
        assert_eq!((made.facts.source_width, made.facts.source_height), (48, 32), "{orientation}");

        let file = jpeg_with_exif(&jpeg(&lying), &exif(orientation));
        for fit in [ContentFit::Fit, ContentFit::Fill] {
            let shown = read(&make(&file, &display(48, 32, 32), fit).unwrap().preview);
            let far = shown
                .pixels()
                .zip(upright.pixels())
                .filter(|(a, b)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 24));
            assert_eq!(far.count(), 0, "JPEG, orientation {orientation}");
        }
    }
    // Neither nonsense nor damaged EXIF data keeps a picture out.
    for nonsense in [exif(9), exif(0), b"MM\0*\xff\xff\xff\xff".to_vec(), Vec::new()] {
        make(&jpeg_with_exif(&jpeg(&upright), &nonsense), &display(48, 32, 16), ContentFit::Fit).unwrap();
    }
}

#[test]
fn the_preview_is_what_the_display_has_left_of_it() {
    let ramp = image(256, 1, |x, _| [x as u8, x as u8, x as u8, 255]);
    let values = |depth, channel: usize| {
        let shown = read(&make(&png(&ramp), &display(256, 1, depth), ContentFit::Fit).unwrap().preview);
        let mut values: Vec<u8> = shown.pixels().map(|p| p.0[channel]).collect();
        assert!(values.is_sorted());
        assert!(values.iter().enumerate().all(|(was, is)| is.abs_diff(was as u8) <= 43));
        values.dedup();
        (values.len(), values[0], values[values.len() - 1])
    };
    assert_eq!([0, 1, 2].map(|c| values(8, c)), [(8, 0, 255), (8, 0, 255), (4, 0, 255)]);
    assert_eq!([0, 1, 2].map(|c| values(16, c)), [(32, 0, 255), (64, 0, 255), (32, 0, 255)]);
    assert_eq!([0, 1, 2].map(|c| values(32, c)), [(256, 0, 255); 3]);
}

#[test]
fn the_thumbnail_fits_its_box() {
    let scene = png(&scene(400, 100));
    let size = |width, height| {
        let made = make(&scene, &display(width, height, 16), ContentFit::Fill).unwrap();
        let (preview, thumbnail) = (read(&made.preview), read(&made.thumbnail));
        assert_eq!(preview.dimensions(), (width.into(), height.into()));
        assert!(made.thumbnail.len() <= made.preview.len());
        thumbnail.dimensions()
    };
    assert_eq!(size(800, 480), (320, 192));
    assert_eq!(size(480, 800), (192, 320));
    assert_eq!(size(128, 64), (128, 64));
    assert_eq!(size(2047, 1), (320, 1));
}

#[test]
fn the_facts_say_where_it_comes_from() {
    let scene = scene(60, 40);
    for (file, source) in [
        (png(&scene), ContentSource::Png),
        (jpeg(&scene), ContentSource::Jpeg),
        (webp(&scene), ContentSource::Webp),
    ] {
        let made = make(&file, &display(30, 30, 16), ContentFit::Fill).unwrap();
        let facts = &made.facts;
        assert_eq!((facts.source, facts.made), (source, ContentMade::Converted));
        assert_eq!((facts.width, facts.height, facts.source_width, facts.source_height), (30, 30, 60, 40));
        assert_eq!((facts.fit, facts.color_format.as_str()), (Some(ContentFit::Fill), "TRUE_COLOR"));
        assert_eq!(made.binary.len(), 4 + 2 * 30 * 30);
        assert_eq!(made, make(&file, &display(30, 30, 16), ContentFit::Fill).unwrap(), "the same again");
    }
}

#[test]
fn every_kind_of_pixel_is_read() {
    use image::{DynamicImage, ImageFormat};
    let grey = |image: DynamicImage| {
        let mut out = std::io::Cursor::new(Vec::new());
        image.write_to(&mut out, ImageFormat::Png).unwrap();
        read(&make(&out.into_inner(), &display(2, 2, 32), ContentFit::Fit).unwrap().preview).get_pixel(0, 0).0
    };
    let black = DynamicImage::new_luma8(2, 2);
    assert_eq!(grey(black), [0, 0, 0, 255]);
    assert_eq!(grey(DynamicImage::new_luma_a8(2, 2)), [255, 0, 255, 255], "transparent: the background");
    assert_eq!(grey(DynamicImage::new_luma16(2, 2)), [0, 0, 0, 255]);
    assert_eq!(grey(DynamicImage::new_rgb16(2, 2)), [0, 0, 0, 255]);
    assert_eq!(grey(DynamicImage::new_rgba16(2, 2)), [255, 0, 255, 255]);
}
