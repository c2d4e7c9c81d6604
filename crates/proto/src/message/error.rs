//! What can be wrong with a payload. The texts name fields and rules, never values: a payload may hold a code or a key.

use alloc::format;
use alloc::string::String;

use serde_json::error::Category;

/// Why a payload is not the message that its topic promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Larger than the limit of its direction.
    #[error("the payload has {size} bytes; at most {limit} are accepted")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not JSON, not UTF-8, nested too deeply, or a number that no machine holds.
    #[error("the payload is not JSON (line {line}, column {column})")]
    NotJson {
        /// The line of the first bad byte, from 1.
        line: usize,
        /// Its column, from 0.
        column: usize,
    },
    /// JSON that ends before it is complete (or is empty).
    #[error("the payload ends before its JSON is complete")]
    CutOff,
    /// JSON, but not an object.
    #[error("the payload is not a JSON object")]
    NotAnObject,
    /// A field breaks a rule.
    #[error("field {field}: {problem}")]
    Field {
        /// The way to the field: `content.file_info.size`, `contents[2].signed_url`.
        field: String,
        /// The rule it breaks.
        problem: Problem,
    },
}

/// The rule that a field breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The message makes no sense without it.
    #[error("it is missing")]
    Missing,
    /// It is something else than what it should be.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A text longer than its limit.
    #[error("longer than {0} characters")]
    TooLong(usize),
    /// A list or an object with more entries than its limit.
    #[error("more than {0} entries")]
    TooMany(usize),
}

impl DecodeError {
    pub(super) fn field(name: &str, problem: Problem) -> Self {
        Self::Field { field: String::from(name), problem }
    }

    /// The same error, seen from the object that has the field `outer`.
    pub(super) fn within(self, outer: &str) -> Self {
        match self {
            Self::Field { field, problem } => Self::Field { field: format!("{outer}.{field}"), problem },
            Self::NotAnObject => Self::field(outer, Problem::Expected("an object")),
            other => other,
        }
    }
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            Category::Eof => Self::CutOff,
            _ => Self::NotJson { line: error.line(), column: error.column() },
        }
    }
}

/// Why a message cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A file's id or size is outside 1…2^31-1.
    #[error("a file's id and size are 1 to 2147483647")]
    FileOutOfRange,
    /// A column's name breaks the rules of a telemetry row, or there are none or too many of them.
    #[error("a row has 1 to {columns} values with names of 1 to {name} characters, none of them `timestamp`")]
    BadRow {
        /// The most values of a row.
        columns: usize,
        /// The most characters of a name.
        name: usize,
    },
    /// More files or patches than a message may name.
    #[error("a message names at most {0} files")]
    TooManyFiles(usize),
    /// The payload is larger than the limit of its direction.
    #[error("the payload would have {size} bytes; at most {limit} are accepted")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A value that JSON cannot hold.
    #[error("the message cannot be written as JSON")]
    Json,
}
