//! Uploaded pictures and LVGL binaries: refused with a reason, or made into what the display takes, never more.
#![no_main]

use argosy_domain::model::{ContentFit, ContentMade, DisplayProfile, Rgb};
use argosy_domain::ports::{ContentMaker as _, MakeContent};
use argosy_media::{Limits, LvglContentMaker, lvgl};
use libfuzzer_sys::fuzz_target;

/// Small, so that the search goes through the decoders and not through the pixels.
const LIMITS: Limits = Limits { file: 8192, side: 256, pixels: 4096, decoded: 32_768, scans: 8 };

fuzz_target!(|input: &[u8]| {
    // The first byte picks the display and how the picture is brought onto it.
    let Some((&pick, file)) = input.split_first() else { return };
    let display = DisplayProfile {
        width: 11,
        height: 7,
        color_depth: [8, 16, 32, 16][usize::from(pick & 3)],
        swap_bytes: pick & 3 == 3,
        alpha: pick & 8 != 0,
    };
    let fit = if pick & 16 == 0 { ContentFit::Fit } else { ContentFit::Fill };
    let maker = LvglContentMaker::with_limits(LIMITS);
    let make = |file| maker.make(&MakeContent { file, display: &display, fit, background: Rgb::default() });
    match make(file) {
        // The maker's belt holds what a decoder panics on; here that shall be found.
        Err(error) => assert!(!error.reason.contains("broke its decoder") && error.reason.len() < 500, "{error}"),
        Ok(made) => {
            let pixels = lvgl::pixels_of(&display).expect("a display");
            lvgl::check(&made.binary, &display, pixels).expect("a binary for the display");
            assert!(made.facts.made == ContentMade::Converted || made.binary == file);
            let again = make(&made.binary).expect("taken when it is uploaded ready");
            assert!(again.preview == made.preview && again.thumbnail == made.thumbnail);
        }
    }
});
