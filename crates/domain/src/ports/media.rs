//! Making content: an uploaded file becomes what a display shows.

use crate::model::{ContentFacts, ContentFit, DisplayProfile, Rgb};

/// What is to be made.
#[derive(Debug, Clone, Copy)]
pub struct MakeContent<'a> {
    /// The whole uploaded file: PNG, JPEG, WebP, or a ready LVGL 8 `.bin`; told apart by its first bytes, never by its name.
    pub file: &'a [u8],
    /// The display that it is for.
    pub display: &'a DisplayProfile,
    /// How an image of another shape is brought onto it (of no meaning for a ready binary).
    pub fit: ContentFit,
    /// Colour of bars, and of what a transparent image lets through where the display does not blend.
    pub background: Rgb,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeContent {
    /// The LVGL 8 `.bin`, header included: what devices download. A ready one comes back byte by byte as it was given.
    pub binary: Vec<u8>,
    /// A PNG decoded from `binary`: every pixel as the display will show it (its colour depth, byte order and alpha).
    pub preview: Vec<u8>,
    /// A small PNG of the same.
    pub thumbnail: Vec<u8>,
    /// What is known of it.
    pub facts: ContentFacts,
}

/// What kind of refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaErrorKind {
    /// Nothing that content can be made of.
    UnknownFormat,
    /// It begins like one of the formats, and is damaged or cut off.
    Damaged,
    /// Beyond a limit: pixels, bytes, memory. A decompression bomb ends here, before it is decoded.
    TooLarge,
    /// A ready binary for another display: size, colour format or length differ from the profile.
    WrongDisplay,
    /// The display's profile is one that no content can be made for.
    UnsupportedDisplay,
}

/// Why no content is made of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct MediaError {
    /// What kind.
    pub kind: MediaErrorKind,
    /// What was found, what was expected, and what to do: for the person who uploaded.
    pub reason: String,
}

impl MediaError {
    /// A refusal with its reason.
    pub fn new(kind: MediaErrorKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }
}

/// Makes content. CPU-bound and synchronous: callers run it off the async workers, a few at a time. It bounds its own memory
/// whatever the file says of itself, and never panics on a hostile one.
pub trait ContentMaker: Send + Sync + 'static {
    /// Makes what `wanted` asks for. The same request gives the same bytes.
    ///
    /// # Errors
    /// [`MediaError`]: the reason may be shown to the caller.
    fn make(&self, wanted: &MakeContent<'_>) -> Result<MadeContent, MediaError>;
}
