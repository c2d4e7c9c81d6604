//! What holds for every picture, every display, and every heap of bytes.

use argosy_domain::model::{ContentFit, DisplayProfile};
use argosy_media::lvgl;
use image::RgbaImage;
use proptest::prelude::*;

use crate::pictures::*;

fn any_display() -> impl Strategy<Value = DisplayProfile> {
    let sides = prop_oneof![4 => 1..64_u16, 1 => 1..=2047_u16];
    (sides, 1..64_u16, prop::sample::select(vec![8, 16, 32_u8]), any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(long, short, color_depth, swap, alpha, lying)| {
            let (width, height) = if lying { (long, short) } else { (short, long) };
            DisplayProfile { width, height, color_depth, swap_bytes: swap && color_depth == 16, alpha }
        })
}

fn any_picture() -> impl Strategy<Value = RgbaImage> {
    (1..40_u32, 1..40_u32).prop_flat_map(|(w, h)| {
        proptest::collection::vec(any::<u8>(), (w * h * 4) as usize)
            .prop_map(move |pixels| RgbaImage::from_raw(w, h, pixels).expect("as many bytes as pixels"))
    })
}

fn any_fit() -> impl Strategy<Value = ContentFit> {
    prop_oneof![Just(ContentFit::Fit), Just(ContentFit::Fill)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is uploaded, a display gets a file that it takes, and the same one every time.
    #[test]
    fn every_picture_fits_every_display(picture in any_picture(), display in any_display(), fit in any_fit(), format in 0..3) {
        let file = match format { 0 => png(&picture), 1 => webp(&picture), _ => jpeg(&picture) };
        let made = make(&file, &display, fit).unwrap();
        let pixels = lvgl::pixels_of(&display).unwrap();
        let header = lvgl::check(&made.binary, &display, pixels).unwrap();
        prop_assert_eq!((header.width, header.height), (display.width, display.height));

        // The preview is the binary, and the binary can be made again of what it shows.
        let shown = lvgl::decode(&made.binary, &header, pixels);
        prop_assert!(read(&made.preview).into_raw() == shown.rgba);
        prop_assert!(lvgl::encode(&shown, pixels, display.alpha) == made.binary);
        prop_assert!(display.alpha || shown.is_opaque());

        // A ready binary is taken as it is, and shows the same.
        let again = make(&made.binary, &display, fit).unwrap();
        prop_assert!(again.binary == made.binary && again.preview == made.preview && again.thumbnail == made.thumbnail);
        prop_assert!(make(&file, &display, fit).unwrap() == made);
    }

    /// In the display's own size nothing is scaled: every channel is the nearest that the display has.
    #[test]
    fn nothing_is_lost_but_depth(picture in any_picture(), depth in prop::sample::select(vec![8, 16, 32_u8]), swap: bool) {
        let picture = image(picture.width(), picture.height(), |x, y| { let [r, g, b, _] = picture.get_pixel(x, y).0; [r, g, b, 255] });
        let mut display = display(picture.width() as u16, picture.height() as u16, depth);
        display.swap_bytes = swap && depth == 16;
        let shown = read(&make(&opaque_png(&picture), &display, ContentFit::Fit).unwrap().preview);
        let most = match depth { 8 => [19, 19, 43], 16 => [5, 3, 5], _ => [0; 3] };
        for (is, was) in shown.pixels().zip(picture.pixels()) {
            let near = is.0.iter().zip(was.0).zip(most).all(|((is, was), most)| is.abs_diff(was) <= most);
            prop_assert!(near, "{:?} {:?}", is, was);
        }
    }

    /// Damage anywhere, in any number: an answer, never a panic.
    #[test]
    fn damaged_files_are_answered(
        picture in any_picture(), display in any_display(), fit in any_fit(), format in 0..4,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut file = match format {
            0 => png(&picture),
            1 => webp(&picture),
            2 => jpeg(&picture),
            _ => make(&png(&picture), &display, fit).unwrap().binary,
        };
        for (at, byte) in damage {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        answered(&file, &display, fit);
    }

    /// Any bytes, with and without a beginning that opens a decoder's door.
    #[test]
    fn any_bytes_are_answered(
        door in 0..5_usize, bytes in proptest::collection::vec(any::<u8>(), 0..600), display in any_display(), fit in any_fit(),
    ) {
        let door: &[u8] = [b"".as_slice(), b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\xff\0\0\0WEBPVP8L", b"\x04"][door];
        answered(&[door, &bytes].concat(), &display, fit);
    }
}

/// Refused with a reason, or made into what the display takes.
fn answered(file: &[u8], display: &DisplayProfile, fit: ContentFit) {
    match make(file, display, fit) {
        Ok(made) => {
            let pixels = lvgl::pixels_of(display).expect("a display");
            lvgl::check(&made.binary, display, pixels).expect("a binary for it");
        }
        Err(error) => assert!(error.reason.len() > 10, "{error}"),
    }
}
