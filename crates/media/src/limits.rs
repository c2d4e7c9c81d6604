//! How much a picture may ask for.

/// What is refused before anything is allocated for it.
///
/// With the defaults one picture takes 300 MiB at most while it is made (measured: a progressive JPEG of 32 million pixels; as WebP it
/// takes 250 MiB), so callers make a few at a time only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the uploaded file.
    pub file: u64,
    /// Pixels across or down.
    pub side: u32,
    /// Pixels of the whole picture.
    pub pixels: u64,
    /// Bytes of the decoded picture: 16-bit channels take twice as many as 8-bit ones.
    pub decoded: u64,
    /// Scans of a JPEG. Each goes over the whole picture, so a small file with thousands of them takes hours.
    pub scans: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: argosy_domain::model::MAX_CONTENT_FILE,
            side: 16_384,
            pixels: 32_000_000,
            decoded: 192 * 1024 * 1024,
            scans: 64,
        }
    }
}
