//! Binaries that were made elsewhere.

use argosy_domain::model::{ContentFit, ContentMade, ContentSource};
use argosy_domain::ports::MediaErrorKind;

use crate::pictures::*;

/// A binary with this header and body.
fn binary(format: u32, width: u32, height: u32, body: &[u8]) -> Vec<u8> {
    [&(format | width << 10 | height << 21).to_le_bytes(), body].concat()
}

#[test]
fn comes_back_byte_by_byte() {
    let file = binary(4, 3, 2, &[7; 12]);
    let made = make(&file, &display(3, 2, 16), ContentFit::Fill).unwrap();
    assert_eq!(made.binary, file);
    assert_eq!((made.facts.source, made.facts.made), (ContentSource::Lvgl, ContentMade::Ready));
    assert_eq!((made.facts.fit, made.facts.background), (None, None));
    assert_eq!((made.facts.width, made.facts.height), (3, 2));
}

#[test]
fn may_be_smaller_than_the_display_but_never_larger() {
    let file = binary(4, 3, 2, &[0; 12]);
    assert_eq!(
        read(&make(&file, &display(800, 480, 16), ContentFit::Fit).unwrap().preview).dimensions(),
        (3, 2)
    );
    for (width, height) in [(2, 2), (3, 1)] {
        let error = refused(&file, &display(width, height, 16));
        assert_eq!(error.kind, MediaErrorKind::WrongDisplay);
        assert!(
            error.reason.contains("3 x 2") && error.reason.contains("no larger than the display"),
            "{error}"
        );
    }
}

#[test]
fn every_length_but_the_right_one_is_refused() {
    for (format, right) in [(4, 24), (7, 8 + 3), (8, 16 + 3), (9, 64 + 6), (10, 1024 + 12)] {
        for length in 0..right + 30 {
            let made = make(&binary(format, 4, 3, &vec![0; length]), &display(4, 3, 16), ContentFit::Fit);
            assert_eq!(made.is_ok(), length == right, "format {format}, {length} bytes: {made:?}");
        }
    }
    for (format, right) in [(5, 36), (6, 24), (11, 3), (12, 3), (13, 6), (14, 12)] {
        for length in 0..right + 30 {
            let file = binary(format, 4, 3, &vec![0; length]);
            let made = make(&file, &with_alpha(display(4, 3, 16)), ContentFit::Fit);
            assert_eq!(made.is_ok(), length == right, "format {format}, {length} bytes: {made:?}");
            assert_eq!(refused(&file, &display(4, 3, 16)).kind, MediaErrorKind::WrongDisplay);
        }
    }
}

#[test]
fn the_reason_says_what_to_do() {
    let cases: [(Vec<u8>, MediaErrorKind, &str); 10] = [
        (binary(4, 4, 3, &[0; 48]), MediaErrorKind::WrongDisplay, "the length at a colour depth of 32"),
        (binary(4, 4, 3, &[0; 12]), MediaErrorKind::WrongDisplay, "the length at a colour depth of 8"),
        (
            binary(4, 4, 3, &[0; 20]),
            MediaErrorKind::Damaged,
            "28 bytes with the header, but the file has 24: it is cut off",
        ),
        (binary(4, 4, 3, &[0; 25]), MediaErrorKind::Damaged, "something appended"),
        (binary(4, 0, 3, &[]), MediaErrorKind::Damaged, "0 x 3 pixels"),
        (
            binary(18, 4, 3, &[0; 24]),
            MediaErrorKind::UnknownFormat,
            "18 (RGB565) from a file; save it as TRUE_COLOR (4)",
        ),
        (binary(20, 4, 3, &[0; 36]), MediaErrorKind::UnknownFormat, "20 (RGB565A8)"),
        (binary(5, 4, 3, &[0; 36]), MediaErrorKind::WrongDisplay, "switch alpha on"),
        (binary(0x19, 4, 3, &[0; 24]), MediaErrorKind::UnknownFormat, "LVGL 9"),
        (vec![4, 0, 0], MediaErrorKind::UnknownFormat, "a header of 4"),
    ];
    for (file, kind, words) in cases {
        let error = refused(&file, &display(4, 3, 16));
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.reason.contains(words), "{error}");
    }
}

#[test]
fn the_preview_reads_palettes_alpha_and_the_key() {
    let pixels = |file: &[u8]| {
        read(&make(file, &with_alpha(display(8, 2, 16)), ContentFit::Fit).unwrap().preview).into_raw()
    };
    // Two bits: four colours as B, G, R, A; five pixels a row are two bytes.
    let palette = [[1, 2, 3, 255], [4, 5, 6, 255], [7, 8, 9, 0], [10, 11, 12, 100]];
    let rows = [0b00_01_10_11, 0b01_111111, 0b11_11_11_11, 0b10_000000];
    let file = binary(8, 5, 2, &[palette.concat(), rows.to_vec()].concat());
    let rgba = [[3, 2, 1, 255], [6, 5, 4, 255], [9, 8, 7, 0], [12, 11, 10, 100]];
    let expected: Vec<u8> = [0, 1, 2, 3, 1, 3, 3, 3, 3, 2].iter().flat_map(|i| rgba[*i as usize]).collect();
    assert_eq!(pixels(&file), expected);

    let alpha = |values: &[u8]| values.iter().flat_map(|a| [0, 0, 0, *a]).collect::<Vec<u8>>();
    assert_eq!(pixels(&binary(11, 5, 1, &[0b1010_1111])), alpha(&[255, 0, 255, 0, 255]));
    assert_eq!(pixels(&binary(12, 4, 1, &[0b00_01_10_11])), alpha(&[0, 85, 170, 255]));
    assert_eq!(pixels(&binary(13, 3, 1, &[0x1f, 0x80])), alpha(&[17, 255, 136]));
    assert_eq!(pixels(&binary(14, 2, 1, &[3, 200])), alpha(&[3, 200]));
    assert_eq!(pixels(&binary(6, 2, 1, &[0xe0, 0x07, 0xe1, 0x07])), [0, 255, 0, 0, 0, 255, 8, 255]);
}
