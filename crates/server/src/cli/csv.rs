//! Tables as programs for tables write them: commas, quotes, a first line with the columns' names (RFC 4180).

/// A table: the names of its columns, and its rows with their line numbers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    columns: Vec<String>,
    /// Line in the file, and as many cells as there are columns.
    pub(crate) rows: Vec<(usize, Vec<String>)>,
}

impl Table {
    /// Reads a table whose columns are among `known`.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub(crate) fn read(text: &str, known: &[&str]) -> Result<Self, String> {
        // Spreadsheets begin a file with it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rows = records(text)?.into_iter();
        let (_, columns) = rows.next().ok_or("the file is empty: its first line names the columns")?;
        let columns: Vec<String> = columns.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        for (at, name) in columns.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(format!("line 1: {name:?} is no column; known are {}", known.join(", ")));
            }
            if columns[..at].contains(name) {
                return Err(format!("line 1: the column {name} stands twice"));
            }
        }
        let rows: Vec<_> = rows.collect();
        for (line, cells) in &rows {
            if cells.len() != columns.len() {
                let wanted = columns.len();
                return Err(format!(
                    "line {line} has {} cells, the first line names {wanted} columns",
                    cells.len()
                ));
            }
        }
        Ok(Self { columns, rows })
    }

    /// A row's cell, trimmed; `None`: there is no such column, or the cell is empty.
    pub(crate) fn cell(&self, row: &[String], column: &str) -> Option<String> {
        let at = self.columns.iter().position(|name| name == column)?;
        row.get(at).map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty())
    }
}

/// Lines that are not empty, cut into cells.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let mut records = Vec::new();
    let (mut cells, mut cell) = (Vec::new(), String::new());
    let (mut line, mut began) = (1, 1);
    let (mut quoted, mut was_quoted) = (false, false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.trim().is_empty() && !was_quoted => {
                cell.clear();
                (quoted, was_quoted) = (true, true);
            }
            _ if quoted => cell.push(c),
            ',' => {
                cells.push(std::mem::take(&mut cell));
                was_quoted = false;
            }
            '\n' => {
                cells.push(std::mem::take(&mut cell));
                let cells = std::mem::take(&mut cells);
                if cells.iter().any(|cell| !cell.trim().is_empty()) {
                    records.push((began, cells));
                }
                (began, was_quoted) = (line, false);
            }
            '\r' if characters.peek() == Some(&'\n') => {}
            _ => cell.push(c),
        }
    }
    if quoted {
        return Err(format!("line {began}: a quote is opened and not closed"));
    }
    cells.push(cell);
    if cells.iter().any(|cell| !cell.trim().is_empty()) {
        records.push((began, cells));
    }
    Ok(records)
}

/// A cell as it is written: quoted if it must be. One that a spreadsheet would take for a formula is none of ours to change.
pub(crate) fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) || cell.trim() != cell {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: [&str; 3] = ["key", "name", "cn"];

    #[test]
    fn a_table_is_read_as_spreadsheets_write_it() {
        let text = "\u{feff}Key, name,cn\r\nvm-1,\"자판기 \"\"1\"\", 서울\",SN 1\r\n\r\nvm-2,,\"a\nb\"";
        let table = Table::read(text, &KNOWN).unwrap();
        assert_eq!(table.rows.len(), 2);
        let (line, row) = &table.rows[0];
        assert_eq!((*line, table.cell(row, "key").as_deref()), (2, Some("vm-1")));
        assert_eq!(table.cell(row, "name").as_deref(), Some("자판기 \"1\", 서울"));
        let (line, row) = &table.rows[1];
        assert_eq!(
            (*line, table.cell(row, "name"), table.cell(row, "cn").as_deref()),
            (4, None, Some("a\nb"))
        );
        assert_eq!(table.cell(row, "serial"), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let said = |text: &str| Table::read(text, &KNOWN).unwrap_err();
        assert!(said("").contains("empty"));
        assert!(said("key,color\n").contains("\"color\""));
        assert!(said("key,key\n").contains("twice"));
        assert!(said("key,name\n\nx\n").contains("line 3 has 1 cells"));
        assert!(said("key\n\"x\n").contains("line 2"));
    }

    proptest! {
        #[test]
        fn any_cells_come_back(cells in proptest::collection::vec("[^\u{feff}]{1,12}", 3)) {
            prop_assume!(cells.iter().any(|cell| !cell.trim().is_empty()));
            let written: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
            let table = Table::read(&format!("key,name,cn\n{}\n", written.join(",")), &KNOWN).unwrap();
            prop_assert_eq!(table.rows.len(), 1);
            for (name, cell) in KNOWN.iter().zip(&cells) {
                let trimmed = cell.trim().to_owned();
                prop_assert_eq!(table.cell(&table.rows[0].1, name).unwrap_or_default(), trimmed);
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = Table::read(&text, &KNOWN);
        }
    }
}
