//! The rows of a bulk statement as one JSON argument.
//!
//! A row is an array for SQLite and MySQL, which look its members up one by one (by place is twice as fast as by name), and an
//! object for PostgreSQL, which reads the whole row at once by names.

use std::borrow::Cow;
use std::fmt::Write as _;

use argosy_domain::Timestamp;

use super::dialect::{Column, Dialect, int};

/// The most JSON of one statement: servers limit a message (MariaDB to 16 MB by default).
const MAX_JSON: usize = 4 << 20;

/// A value in a row.
#[derive(Debug)]
pub(super) enum Cell<'a> {
    Int(i64),
    Text(Cow<'a, str>),
    Null,
}

impl From<i64> for Cell<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Cell<'_> {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<bool> for Cell<'_> {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<Timestamp> for Cell<'_> {
    fn from(value: Timestamp) -> Self {
        Self::Int(value.as_millis())
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Cell<'_> {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Rows, cut into arguments that a server takes.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    dialect: Dialect,
    columns: Vec<Column>,
    numbered: bool,
    rows: i64,
    chunks: Vec<String>,
    chunk: String,
}

impl Batch {
    /// No rows yet; each will have these members.
    pub(super) fn new(dialect: Dialect, columns: &[Column]) -> Self {
        let columns = columns.to_vec();
        Self { dialect, columns, numbered: false, rows: 0, chunks: Vec::new(), chunk: String::new() }
    }

    /// The same, and each row has its number as a further member `n`.
    pub(super) fn numbered(dialect: Dialect, columns: &[Column]) -> Self {
        let mut batch = Self::new(dialect, columns);
        batch.numbered = true;
        batch.columns.push(int("n"));
        batch
    }

    /// Adds a row: a value for each member, in the order of the columns.
    pub(super) fn row(&mut self, cells: &[Cell<'_>]) {
        debug_assert_eq!(cells.len() + usize::from(self.numbered), self.columns.len());
        if self.chunk.len() > MAX_JSON {
            self.cut();
        }
        self.chunk.push(if self.chunk.is_empty() { '[' } else { ',' });
        let by_name = self.dialect == Dialect::Postgres;
        self.chunk.push(if by_name { '{' } else { '[' });
        let number = [Cell::Int(self.rows)];
        let number = if self.numbered { &number[..] } else { &[] };
        for (i, (cell, column)) in cells.iter().chain(number).zip(&self.columns).enumerate() {
            if i > 0 {
                self.chunk.push(',');
            }
            if by_name {
                // Writing to a string cannot fail, here and below.
                let _ = write!(self.chunk, "\"{}\":", column.name());
            }
            match cell {
                Cell::Int(value) => {
                    let _ = write!(self.chunk, "{value}");
                }
                Cell::Text(text) => quote(&mut self.chunk, text),
                Cell::Null => self.chunk.push_str("null"),
            }
        }
        self.chunk.push(if by_name { '}' } else { ']' });
        self.rows += 1;
    }

    fn cut(&mut self) {
        if !self.chunk.is_empty() {
            self.chunk.push(']');
            self.chunks.push(std::mem::take(&mut self.chunk));
        }
    }

    /// The members of each row.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The arguments; none if there are no rows: then there is nothing to run.
    pub(super) fn arguments(&mut self) -> Vec<String> {
        self.cut();
        std::mem::take(&mut self.chunks)
    }
}

/// Appends `text` as a JSON string. A NUL becomes U+FFFD: PostgreSQL has none in text, and SQLite's functions stop at one. What
/// people write is checked long before; what a device writes must not fail everybody's batch.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        out.push_str(&rest[..at]);
        let special = rest.as_bytes()[at];
        let _ = match special {
            0 => write!(out, "\u{FFFD}"),
            b'"' | b'\\' => write!(out, "\\{}", char::from(special)),
            control => write!(out, "\\u{control:04x}"),
        };
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// Text cut to `max` characters: MySQL's columns have a width, and refuse what is longer.
pub(super) fn cut(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).map_or(text, |(at, _)| &text[..at])
}

/// The width of short texts that devices choose (versions).
pub(super) const SHORT: usize = 255;

#[cfg(test)]
mod tests {
    use super::super::dialect::text;
    use super::*;

    const COLUMNS: &[Column] = &[int("a"), text("b")];

    fn one(dialect: Dialect, numbered: bool, cell: &str) -> serde_json::Value {
        let mut batch =
            if numbered { Batch::numbered(dialect, COLUMNS) } else { Batch::new(dialect, COLUMNS) };
        batch.row(&[7_i64.into(), cell.into()]);
        batch.row(&[None::<i64>.into(), "second".into()]);
        let arguments = batch.arguments();
        assert_eq!(arguments.len(), 1);
        serde_json::from_str(&arguments[0]).unwrap()
    }

    #[test]
    fn rows_are_arrays_or_objects_as_the_engine_likes_them() {
        let arrays = serde_json::json!([[7, "x", 0], [null, "second", 1]]);
        assert_eq!(one(Dialect::Sqlite, true, "x"), arrays);
        assert_eq!(one(Dialect::Mysql, true, "x"), arrays);
        let objects = serde_json::json!([{"a": 7, "b": "x"}, {"a": null, "b": "second"}]);
        assert_eq!(one(Dialect::Postgres, false, "x"), objects);
    }

    #[test]
    fn any_text_comes_through_as_it_is_but_for_nul() {
        for text in
            ["", "'\"\\/", "\u{1}\u{1f}\n\r\t", "보일러 🔥", "\u{FFFF}\u{2028}", "\\u0000", "{\"a\":[null]}"]
        {
            assert_eq!(one(Dialect::Sqlite, false, text)[0][1], text);
        }
        assert_eq!(one(Dialect::Sqlite, false, "a\0b")[0][1], "a\u{FFFD}b");
    }

    #[test]
    fn rows_are_cut_into_statements_that_a_server_takes() {
        let mut batch = Batch::new(Dialect::Sqlite, &[text("a")]);
        let long = "x".repeat(1 << 20);
        for _ in 0..11 {
            batch.row(&[long.as_str().into()]);
        }
        let arguments = batch.arguments();
        assert!(arguments.len() > 1 && arguments.iter().all(|a| a.len() < 6 << 20));
        let read: usize =
            arguments.iter().map(|a| serde_json::from_str::<Vec<[String; 1]>>(a).unwrap().len()).sum();
        assert_eq!(read, 11);
        assert!(Batch::new(Dialect::Sqlite, COLUMNS).arguments().is_empty());
    }

    #[test]
    fn text_is_cut_at_a_character() {
        assert_eq!(cut("가나다", 2), "가나");
        assert_eq!(cut("가나다", 3), "가나다");
    }
}
