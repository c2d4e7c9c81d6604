//! Short text without a heap.

use core::fmt;

/// UTF-8 text of at most `N` bytes (`N` ≤ 255), stored in place.
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

/// The text has more bytes than its place holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextTooLong;

impl fmt::Display for TextTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is too long for this device")
    }
}

impl core::error::Error for TextTooLong {}

impl<const N: usize> Text<N> {
    /// No text.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; N] };

    /// Takes the whole text.
    ///
    /// # Errors
    /// [`TextTooLong`] if it has more than `N` bytes.
    pub fn new(text: &str) -> Result<Self, TextTooLong> {
        if text.len() > N || text.len() > usize::from(u8::MAX) {
            return Err(TextTooLong);
        }
        Ok(Self::cut(text))
    }

    /// Takes as many whole characters as fit: for labels that are only shown.
    pub fn cut(text: &str) -> Self {
        let mut end = text.len().min(N).min(usize::from(u8::MAX));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = [0; N];
        bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
        Self { len: end as u8, bytes }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> PartialEq for Text<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> Eq for Text<N> {}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_long_text_is_refused_or_cut_at_a_character() {
        assert_eq!(Text::<4>::new("abcde"), Err(TextTooLong));
        assert_eq!(Text::<4>::cut("가나").as_str(), "가");
        assert_eq!(Text::<4>::new("abcd").map(|t| t.as_str().len()), Ok(4));
    }
}
