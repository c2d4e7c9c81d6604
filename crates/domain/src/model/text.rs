//! Names that people give to things.

/// Why a text is not accepted as a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but blanks.
    #[error("{field} may not be empty")]
    Empty {
        /// The field's name as the API has it.
        field: &'static str,
    },
    /// Too many characters.
    #[error("{field} may have {max} characters at most, not {len}")]
    TooLong {
        /// The field's name as the API has it.
        field: &'static str,
        /// Characters given.
        len: usize,
        /// Characters allowed.
        max: usize,
    },
    /// A control character (a line break, a NUL, …).
    #[error("{field} may not contain control characters")]
    Control {
        /// The field's name as the API has it.
        field: &'static str,
    },
}

/// The longest name of a product, group, region, device or deployment, in characters.
pub const MAX_NAME: usize = 128;
/// The longest free text (release notes), in characters.
pub const MAX_NOTES: usize = 16_384;

/// A name: trimmed, 1…[`MAX_NAME`] characters, no control characters. Any script: operators write Korean.
///
/// # Errors
/// [`TextError`] says which rule is broken.
pub fn checked_name(field: &'static str, text: &str) -> Result<String, TextError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(TextError::Empty { field });
    }
    let len = text.chars().count();
    if len > MAX_NAME {
        return Err(TextError::TooLong { field, len, max: MAX_NAME });
    }
    if text.chars().any(char::is_control) {
        return Err(TextError::Control { field });
    }
    Ok(text.to_owned())
}

/// Free text: at most [`MAX_NOTES`] characters, line breaks and tabs allowed.
///
/// # Errors
/// [`TextError`] says which rule is broken.
pub fn checked_notes(field: &'static str, text: &str) -> Result<String, TextError> {
    let len = text.chars().count();
    if len > MAX_NOTES {
        return Err(TextError::TooLong { field, len, max: MAX_NOTES });
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(TextError::Control { field });
    }
    Ok(text.to_owned())
}
