//! Firmware images: whatever is uploaded is read in pieces and accepted or refused with a reason, never more.
#![no_main]

use argosy_domain::image::ImageInspector;
use argosy_domain::model::ImageFormat;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The first byte picks the format and how the rest is cut into pieces.
    let Some((&pick, image)) = input.split_first() else { return };
    let format = if pick & 1 == 0 { ImageFormat::EspIdf } else { ImageFormat::Raw };
    let whole = read(format, image, image.len().max(1));
    assert_eq!(whole, read(format, image, usize::from(pick >> 1) + 1), "the verdict depends on how the file is cut");
});

/// The facts, or that it was refused: how much of the file is at hand decides how good the reason is, not whether there is one.
fn read(format: ImageFormat, image: &[u8], piece: usize) -> Option<String> {
    let mut inspector = ImageInspector::new(format);
    for bytes in image.chunks(piece) {
        inspector.push(bytes).ok()?;
    }
    let facts = inspector.finish().ok()?;
    Some(serde_json::to_string(&facts).expect("facts are JSON"))
}
