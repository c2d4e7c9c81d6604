//! The port: one call from a file to a binary, its preview, its thumbnail and its facts.

use std::panic::{AssertUnwindSafe, catch_unwind};

use argosy_domain::model::{ContentFacts, ContentMade, ContentSource};
use argosy_domain::ports::{ContentMaker, MadeContent, MakeContent, MediaError, MediaErrorKind};

use crate::lvgl::{self, LvglError};
use crate::{Limits, compose, picture, source};

/// Makes LVGL 8 binaries.
#[derive(Debug, Clone, Copy, Default)]
pub struct LvglContentMaker {
    limits: Limits,
}

impl LvglContentMaker {
    /// With limits of one's own.
    pub const fn with_limits(limits: Limits) -> Self {
        Self { limits }
    }
}

impl ContentMaker for LvglContentMaker {
    fn make(&self, wanted: &MakeContent<'_>) -> Result<MadeContent, MediaError> {
        // The decoders are of foreign make and read what strangers send: a defect in one costs this upload, not the server.
        catch_unwind(AssertUnwindSafe(|| make(wanted, &self.limits))).unwrap_or_else(|_| {
            let reason = "the file broke its decoder: it is damaged, or made to harm; save it again with another program";
            Err(MediaError::new(MediaErrorKind::Damaged, reason))
        })
    }
}

fn make(wanted: &MakeContent<'_>, limits: &Limits) -> Result<MadeContent, MediaError> {
    let MakeContent { file, display, fit, background } = *wanted;
    if file.is_empty() {
        return Err(MediaError::new(MediaErrorKind::UnknownFormat, "the file is empty"));
    }
    if file.len() as u64 > limits.file {
        let reason = format!(
            "the file has {} bytes, {} are allowed; save it smaller: a display of {} x {} needs far less",
            file.len(),
            limits.file,
            display.width,
            display.height
        );
        return Err(MediaError::new(MediaErrorKind::TooLarge, reason));
    }
    let pixels = lvgl::pixels_of(display)
        .map_err(|e| MediaError::new(MediaErrorKind::UnsupportedDisplay, e.to_string()))?;

    let source = source::tell(file);
    let (binary, header, facts) = if source == ContentSource::Lvgl {
        let header = lvgl::check(file, display, pixels).map_err(|e| refusal(file, &e))?;
        let facts = ContentFacts {
            width: header.width,
            height: header.height,
            color_format: header.format.to_string(),
            source,
            made: ContentMade::Ready,
            source_width: header.width.into(),
            source_height: header.height.into(),
            fit: None,
            background: None,
        };
        (file.to_vec(), header, facts)
    } else {
        let decoded = source::decode(file, source, limits)?;
        let (source_width, source_height) = compose::upright(&decoded);
        let background = (!display.alpha).then_some(background);
        let bitmap = compose::compose(decoded, display, fit, background);
        let binary = lvgl::encode(&bitmap, pixels, display.alpha);
        let header = lvgl::check(&binary, display, pixels).map_err(|e| refusal(file, &e))?;
        let facts = ContentFacts {
            width: header.width,
            height: header.height,
            color_format: header.format.to_string(),
            source,
            made: ContentMade::Converted,
            source_width,
            source_height,
            fit: Some(fit),
            background,
        };
        (binary, header, facts)
    };

    let shown = lvgl::decode(&binary, &header, pixels);
    let drawn = |made: Result<Vec<u8>, image::ImageError>| {
        made.map_err(|e| {
            MediaError::new(
                MediaErrorKind::Damaged,
                format!("no preview could be made ({e}); report this file"),
            )
        })
    };
    let preview = drawn(picture::png(&shown))?;
    let thumbnail = drawn(picture::png(&picture::thumbnail(shown)))?;
    Ok(MadeContent { binary, preview, thumbnail, facts })
}

/// What an LVGL error means: a file that is something else is said to be that.
fn refusal(file: &[u8], error: &LvglError) -> MediaError {
    let kind = match error {
        LvglError::NoHeader { .. } | LvglError::NotLvgl8 | LvglError::Lvgl9 | LvglError::Format { .. } => {
            if let Some(foreign) = source::foreign(file) {
                return foreign;
            }
            MediaErrorKind::UnknownFormat
        }
        LvglError::Nothing { .. } => MediaErrorKind::Damaged,
        LvglError::Length { other: None, .. } => MediaErrorKind::Damaged,
        LvglError::Length { .. } | LvglError::TooLarge { .. } | LvglError::Transparent { .. } => {
            MediaErrorKind::WrongDisplay
        }
    };
    let reason = match error {
        LvglError::NotLvgl8 => {
            "the file is none of PNG, JPEG, WebP and LVGL 8 .bin, which content is made from; save the picture as PNG".to_owned()
        }
        other => other.to_string(),
    };
    MediaError::new(kind, reason)
}
