//! What is not taken, and what is said about it.

use argosy_domain::model::{ContentFit, DisplayProfile};
use argosy_domain::ports::{ContentMaker as _, MakeContent, MediaErrorKind};
use argosy_media::{Limits, LvglContentMaker};

use crate::pictures::*;

fn screen() -> DisplayProfile {
    display(80, 48, 16)
}

#[test]
fn files_of_another_kind_are_named() {
    let cases: [(&[u8], &str); 12] = [
        (b"GIF89a\x01\0", "a GIF"),
        (b"BM\x36\0\0\0", "a BMP"),
        (b"II*\0\x08\0", "a TIFF"),
        (b"\0\0\0\x1cftypheic", "a HEIC"),
        (b"<svg xmlns=", "an SVG"),
        (b"%PDF-1.7", "a PDF"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"PK\x03\x04\x14\0", "a ZIP"),
        (b"\x1f\x8b\x08\0", "a gzip"),
        (b"\xe9\x05\x02\x20", "firmware"),
        (b"hello, world", "none of PNG, JPEG, WebP and LVGL 8 .bin"),
        (b"", "empty"),
    ];
    for (file, words) in cases {
        let error = refused(file, &screen());
        assert_eq!(error.kind, MediaErrorKind::UnknownFormat, "{error}");
        assert!(error.reason.contains(words), "{error}");
    }
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let scene = scene(96, 64);
    for (name, whole) in [("PNG", opaque_png(&scene)), ("JPEG", jpeg(&scene)), ("WebP", webp(&scene))] {
        make(&whole, &screen(), ContentFit::Fit).unwrap();
        // A PNG's last chunk carries nothing: without it the picture is whole.
        let needed = if name == "PNG" { whole.len() - 12 } else { whole.len() };
        for end in (16..needed).step_by(7).chain(needed - 20..needed) {
            let error = refused(&whole[..end], &screen());
            assert_eq!(error.kind, MediaErrorKind::Damaged, "{name} of {end} bytes: {error}");
            assert!(error.reason.contains(name) && error.reason.contains("copy it again"), "{error}");
        }
    }
}

#[test]
fn a_picture_that_says_it_is_huge_is_refused_by_its_header() {
    let small = scene(8, 8);
    let huge_jpeg = {
        let mut file = jpeg(&small);
        let sof = file.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        file[sof + 5..sof + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        file
    };
    let huge_webp = {
        // VP8L: 14 bits of width and of height, less one, behind the signature byte.
        let mut file = webp(&small);
        file[21..25].copy_from_slice(&[0xff, 0xff, 0xff, 0x1f]);
        file
    };
    for file in [
        png_that_says(&png(&small), 16_384, 16_384),
        png_that_says(&png(&small), 0x7fff_ffff, 1),
        png_that_says(&png(&small), 17_000, 2),
        huge_jpeg,
        huge_webp,
    ] {
        let error = refused(&file, &screen());
        assert!(matches!(error.kind, MediaErrorKind::TooLarge | MediaErrorKind::Damaged), "{error}");
    }
    let error = refused(&png_that_says(&png(&small), 16_000, 16_000), &screen());
    assert_eq!(error.kind, MediaErrorKind::TooLarge);
    assert!(error.reason.contains("16000 x 16000") && error.reason.contains("scale it down"), "{error}");
}

#[test]
fn a_picture_that_says_another_size_within_the_limits_is_damaged() {
    let error = refused(&png_that_says(&png(&scene(8, 8)), 900, 900), &screen());
    assert_eq!(error.kind, MediaErrorKind::Damaged, "{error}");
}

#[test]
fn a_jpeg_of_a_thousand_scans_is_refused_before_it_costs_an_hour() {
    let file = jpeg(&scene(16, 16));
    let scan = file.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
    let end = file.len() - 2;
    let many = [&file[..end], &file[scan..end].repeat(1000), &file[end..]].concat();
    let error = refused(&many, &screen());
    assert_eq!(error.kind, MediaErrorKind::TooLarge);
    assert!(error.reason.contains("1001 times"), "{error}");
}

#[test]
fn animations_are_refused() {
    let file = png(&scene(8, 8));
    let animated = png_with_chunk(&file, b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
    let error = refused(&animated, &screen());
    assert_eq!(error.kind, MediaErrorKind::UnknownFormat);
    assert!(error.reason.contains("animated"), "{error}");
}

#[test]
fn limits_are_the_makers_own() {
    let limits = Limits { file: 4000, side: 100, pixels: 6000, decoded: 20_000, scans: 1 };
    let maker = LvglContentMaker::with_limits(limits);
    let made = |file: &[u8]| {
        let wanted = MakeContent { file, display: &screen(), fit: ContentFit::Fit, background: MAGENTA };
        maker.make(&wanted).map_err(|e| e.kind)
    };
    let plain = |w, h| opaque_png(&image(w, h, |_, _| [1, 2, 3, 255]));
    assert!(made(&plain(80, 75)).is_ok());
    assert_eq!(made(&plain(80, 76)).unwrap_err(), MediaErrorKind::TooLarge, "pixels");
    assert_eq!(made(&plain(101, 2)).unwrap_err(), MediaErrorKind::TooLarge, "side");
    assert_eq!(made(&png(&image(80, 75, |_, _| [1; 4]))).unwrap_err(), MediaErrorKind::TooLarge, "decoded");
    assert_eq!(made(&[0; 4001]).unwrap_err(), MediaErrorKind::TooLarge, "file");
}

#[test]
fn a_display_that_lvgl_cannot_have_is_named() {
    let file = png(&scene(8, 8));
    for (display, words) in [
        (display(0, 10, 16), "0 x 10"),
        (display(2048, 10, 16), "1 to 2047"),
        (display(10, 10, 24), "depth of 24"),
        (display(10, 10, 1), "depth of 1"),
        (swapped(display(10, 10, 32)), "LV_COLOR_16_SWAP"),
        (swapped(display(10, 10, 8)), "LV_COLOR_16_SWAP"),
    ] {
        let error = refused(&file, &display);
        assert_eq!(error.kind, MediaErrorKind::UnsupportedDisplay);
        assert!(error.reason.contains(words) && error.reason.contains("display profile"), "{error}");
    }
}
