//! A statement and its arguments, built in pieces that keep their order.

use std::borrow::Cow;

use argosy_domain::Timestamp;
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{PortError, PortErrorKind, PortResult};
use serde::Serialize;
use sqlx::Arguments as _;
use sqlx::any::AnyArguments;

use super::dialect::Dialect;

/// The most JSON of one bulk statement: servers limit a message (MariaDB to 16 MB by default).
const MAX_JSON: usize = 4 << 20;

/// An argument.
#[derive(Debug, Clone)]
pub(super) enum Arg {
    Int(Option<i64>),
    Text(Option<String>),
}

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Arg {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Arg {
    fn from(value: bool) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl From<Timestamp> for Arg {
    fn from(value: Timestamp) -> Self {
        Self::Int(Some(value.as_millis()))
    }
}

impl From<Option<Timestamp>> for Arg {
    fn from(value: Option<Timestamp>) -> Self {
        Self::Int(value.map(Timestamp::as_millis))
    }
}

impl From<String> for Arg {
    fn from(value: String) -> Self {
        Self::Text(Some(storable(value)))
    }
}

impl From<&str> for Arg {
    fn from(value: &str) -> Self {
        Self::from(value.to_owned())
    }
}

impl From<Option<String>> for Arg {
    fn from(value: Option<String>) -> Self {
        Self::Text(value.map(storable))
    }
}

/// A statement, as far as it is built.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    text: String,
    args: Vec<Arg>,
}

impl Query {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), args: Vec::new() }
    }

    /// The argument of the next `?`.
    #[must_use]
    pub(super) fn bind(mut self, value: impl Into<Arg>) -> Self {
        self.args.push(value.into());
        self
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(super) fn arg(&mut self, value: impl Into<Arg>) -> &mut Self {
        self.args.push(value.into());
        self
    }

    pub(super) fn append(&mut self, other: Self) -> &mut Self {
        self.text.push_str(&other.text);
        self.args.extend(other.args);
        self
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> (&str, usize) {
        (&self.text, self.args.len())
    }

    pub(super) fn finish(self, dialect: Dialect) -> Result<(String, AnyArguments), sqlx::Error> {
        let mut arguments = AnyArguments::default();
        for arg in self.args {
            match arg {
                Arg::Int(value) => arguments.add(value),
                Arg::Text(value) => arguments.add(value),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok((dialect.placeholders(self.text), arguments))
    }
}

/// Conditions that must all hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions(Query);

impl Conditions {
    pub(super) fn and(&mut self, condition: Query) {
        self.0.push(if self.0.is_empty() { " WHERE " } else { " AND " });
        self.0.append(condition);
    }

    pub(super) fn clause(self) -> Query {
        self.0
    }
}

/// Text as every engine can store it: PostgreSQL has no NUL in text, and SQLite's functions stop at one. What people and
/// devices write is checked long before; a NUL that still comes becomes U+FFFD instead of failing everybody's batch.
fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}") } else { text }
}

/// [`storable`] for a JSON row, cut to `max` characters (a column's width where the engine has widths).
pub(super) fn clean(text: &str, max: usize) -> Cow<'_, str> {
    let end = text.char_indices().nth(max).map_or(text.len(), |(at, _)| at);
    let text = &text[..end];
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

/// The width of short texts that devices choose (versions): MySQL's columns have one.
pub(super) const SHORT: usize = 255;
/// No limit but the column's own.
pub(super) const ANY: usize = usize::MAX;

/// Rows as JSON arrays of objects, each small enough for one statement.
pub(super) fn json_rows<T: Serialize>(
    operation: &'static str,
    rows: impl IntoIterator<Item = T>,
) -> PortResult<Vec<String>> {
    let mut chunks = Vec::new();
    let mut chunk = String::new();
    for row in rows {
        let row = json(operation, &row)?;
        if !chunk.is_empty() && chunk.len() + row.len() > MAX_JSON {
            chunk.push(']');
            chunks.push(std::mem::take(&mut chunk));
        }
        chunk.push(if chunk.is_empty() { '[' } else { ',' });
        chunk.push_str(&row);
    }
    if !chunk.is_empty() {
        chunk.push(']');
        chunks.push(chunk);
    }
    Ok(chunks)
}

/// A value as JSON text.
pub(super) fn json<T: Serialize + ?Sized>(operation: &'static str, value: &T) -> PortResult<String> {
    serde_json::to_string(value)
        .map_err(|source| PortError::new(operation, PortErrorKind::Internal).with_source(source))
}

/// The id after which a page begins.
pub(super) fn cursor(operation: &'static str, page: &PageRequest) -> PortResult<Option<i64>> {
    let parse = |cursor: &String| {
        cursor
            .parse::<i64>()
            .map_err(|source| PortError::new(operation, PortErrorKind::Internal).with_source(source))
    };
    page.after.as_ref().map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_statements_that_a_server_takes() {
        let rows = std::iter::repeat_n("x".repeat(1 << 20), 9);
        let chunks = json_rows("test", rows).unwrap();
        assert_eq!(chunks.len(), 3);
        let read: usize = chunks.iter().map(|c| serde_json::from_str::<Vec<String>>(c).unwrap().len()).sum();
        assert_eq!(read, 9);
        assert!(json_rows("test", Vec::<i64>::new()).unwrap().is_empty(), "nothing to write, nothing to run");
    }

    #[test]
    fn text_is_made_storable() {
        assert_eq!(clean("a\0b", ANY), "a\u{FFFD}b");
        assert_eq!(clean("가나다", 2), "가나");
        assert_eq!(clean("가나다", 3), "가나다");
    }
}
