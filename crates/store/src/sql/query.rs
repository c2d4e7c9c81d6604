//! A statement and its arguments, built in pieces that keep their order.

use argosy_domain::Timestamp;
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{PortError, PortErrorKind, PortResult};
use serde::Serialize;
use sqlx::Arguments as _;
use sqlx::any::AnyArguments;

use super::dialect::Dialect;

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
