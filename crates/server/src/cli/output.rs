//! How things are shown: tables for people, JSON for programs. What is not the answer itself goes to standard error.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use crate::args::{Exit, Failure};

/// Where a command's answer goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read the answer.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// A word for people, on standard error.
    pub(crate) fn note(self, text: &str) {
        eprintln!("{text}");
    }

    /// Whether somebody watches standard error.
    pub(crate) fn is_watched(self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// Rows: a table, or a JSON array.
    pub(crate) fn rows<T: Serialize>(
        self,
        items: &[T],
        headers: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        if self.json {
            return print_json(&items);
        }
        if items.is_empty() {
            self.note("none");
            return Ok(());
        }
        print(&table(headers, &items.iter().map(row).collect::<Vec<_>>()))
    }

    /// One thing: its fields, or a JSON object.
    pub(crate) fn record<T: Serialize>(self, item: &T, fields: &[(&str, String)]) -> Result<(), Failure> {
        if self.json {
            return print_json(item);
        }
        let wide = fields.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
        let mut text = String::new();
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            text.push_str(&format!("{name}{}  {}\n", " ".repeat(wide - name.width()), safe(value)));
        }
        print(&text)
    }

    /// Something done: a word for people, a JSON object for programs.
    pub(crate) fn done<T: Serialize>(self, item: &T, text: &str) -> Result<(), Failure> {
        if self.json {
            return print_json(item);
        }
        print(&format!("{}\n", safe(text)))
    }
}

fn print_json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::because("the answer cannot be written as JSON", &error))?;
    text.push('\n');
    print(&text)
}

/// Prints; a reader that closed the pipe is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Failed, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// A table with columns as wide as their widest cell; wide characters (Korean) count two.
fn table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| safe(cell)).collect()).collect();
    let cells = |at: usize| rows.iter().filter_map(move |row| row.get(at)).map(|cell| cell.width());
    let widths: Vec<usize> = headers
        .iter()
        .enumerate()
        .map(|(at, header)| cells(at).chain([header.width()]).max().unwrap_or_default())
        .collect();
    let mut text = String::new();
    let headers: Vec<String> = headers.iter().map(|header| header.to_uppercase()).collect();
    for row in std::iter::once(&headers).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What others wrote, without what would command the terminal.
pub(crate) fn safe(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Something that may be absent.
pub(crate) fn opt<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// Bytes for people.
pub(crate) fn bytes(count: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let (mut count, mut at) = (count.max(0.0), 0);
    while count >= 1000.0 && at + 1 < units.len() {
        count /= 1000.0;
        at += 1;
    }
    if at == 0 { format!("{count:.0} B") } else { format!("{count:.1} {}", units[at]) }
}

/// Seconds for people.
pub(crate) fn seconds(count: f64) -> String {
    let whole = count.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_the_script() {
        let rows = [
            vec!["서울 본사".to_owned(), "1".to_owned()],
            vec!["busan".to_owned(), "22".to_owned()],
            vec![String::new(), "3".to_owned()],
        ];
        assert_eq!(
            table(&["name", "count"], &rows),
            "NAME       COUNT\n서울 본사  1\nbusan      22\n           3\n"
        );
    }

    #[test]
    fn nothing_that_a_device_wrote_commands_the_terminal() {
        assert_eq!(safe("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(
            [0.0, 999.0, 1500.0, 2.5e9].map(bytes),
            ["0 B", "999 B", "1.5 kB", "2.5 GB"].map(str::to_owned)
        );
        assert_eq!(
            [0.4, 59.0, 61.0, 7260.0].map(seconds),
            ["0 s", "59 s", "1 min 1 s", "2 h 1 min"].map(str::to_owned)
        );
    }
}
