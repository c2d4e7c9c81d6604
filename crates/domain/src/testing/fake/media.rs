//! A content maker without pictures: it tells files apart by their first bytes as the real one does, and makes binaries of the
//! display's size out of the file's own bytes.

use crate::model::{ContentFacts, ContentMade, ContentSource, DisplayProfile};
use crate::ports::{ContentMaker, MadeContent, MakeContent, MediaError, MediaErrorKind};

/// The fake. A PNG, JPEG or WebP is whatever begins like one; anything else must be a ready binary of true colour at 16 bits.
#[derive(Debug, Clone, Copy, Default)]
pub struct FakeContentMaker;

/// A ready binary that the fake (and the real maker) takes for a display of 16 bits without transparency.
pub fn ready_binary(display: &DisplayProfile, pixel: u16) -> Vec<u8> {
    let mut binary = header(display).to_vec();
    for _ in 0..u32::from(display.width) * u32::from(display.height) {
        binary.extend(pixel.to_le_bytes());
    }
    binary
}

/// LVGL 8: format 4 (true colour), width from bit 10, height from bit 21.
fn header(display: &DisplayProfile) -> [u8; 4] {
    (4 | u32::from(display.width) << 10 | u32::from(display.height) << 21).to_le_bytes()
}

fn told(file: &[u8]) -> ContentSource {
    match file {
        [0x89, b'P', b'N', b'G', ..] => ContentSource::Png,
        [0xff, 0xd8, ..] => ContentSource::Jpeg,
        [b'R', b'I', b'F', b'F', ..] => ContentSource::Webp,
        _ => ContentSource::Lvgl,
    }
}

impl ContentMaker for FakeContentMaker {
    fn make(&self, wanted: &MakeContent<'_>) -> Result<MadeContent, MediaError> {
        let MakeContent { file, display, fit, background } = *wanted;
        let source = told(file);
        let ready = source == ContentSource::Lvgl;
        let length = ready_binary(display, 0).len();
        let binary = if ready {
            if !file.starts_with(&header(display)) || file.len() != length {
                let reason = "the file is not a binary for this display";
                return Err(MediaError::new(MediaErrorKind::WrongDisplay, reason));
            }
            file.to_vec()
        } else {
            header(display).iter().chain(file.iter().cycle()).copied().take(length).collect()
        };
        let picture = |size: usize| {
            let pixels = binary.iter().copied().take(size);
            [0x89, b'P', b'N', b'G'].into_iter().chain(pixels).collect::<Vec<u8>>()
        };
        Ok(MadeContent {
            preview: picture(binary.len()),
            thumbnail: picture(64),
            facts: ContentFacts {
                width: display.width,
                height: display.height,
                color_format: "TRUE_COLOR".to_owned(),
                source,
                made: if ready { ContentMade::Ready } else { ContentMade::Converted },
                source_width: display.width.into(),
                source_height: display.height.into(),
                fit: (!ready).then_some(fit),
                background: (!ready).then_some(background),
            },
            binary,
        })
    }
}
