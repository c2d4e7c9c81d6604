//! What a run has begun and finished, line by line, each durable before the next step.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cannot;
use crate::args::Failure;
use crate::cli::csv::quoted;

/// What must be the same when an interrupted run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) product: String,
    pub(super) group: Option<String>,
    pub(super) region: Option<String>,
    pub(super) active: bool,
    pub(super) given_requests: bool,
}

/// Devices that are asked for together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) keys: Vec<String>,
}

/// A finished device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) key: String,
    pub(super) serial: String,
    pub(super) not_after: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Settings(Settings),
    Begun(Batch),
    Done { id: String, rows: Vec<Row> },
}

/// The journal of a folder.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: std::path::PathBuf,
    begun: BTreeMap<String, Batch>,
    done: Vec<Row>,
    keys: BTreeSet<String>,
}

impl Journal {
    /// Opens the journal in `folder`, or begins it.
    pub(super) fn open(folder: &Path, settings: &Settings) -> Result<Self, Failure> {
        let path = folder.join("journal.jsonl");
        let text = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(cannot("read", &path, &error)),
        };
        // What stands after the last line's end was cut off by a crash: nothing was done by it.
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let open = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let file = open.map_err(|error| cannot("write", &path, &error))?;
        if whole < text.len() {
            file.set_len(whole as u64).map_err(|error| cannot("write", &path, &error))?;
        }
        let mut journal =
            Self { file, path, begun: BTreeMap::new(), done: Vec::new(), keys: BTreeSet::new() };
        let mut first = None;
        for line in text[..whole].split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let line: Line = serde_json::from_slice(line).map_err(|_| {
                Failure::usage(format!("{} is damaged; use another folder", journal.path.display()))
            })?;
            match line {
                Line::Settings(settings) => first = Some(settings),
                Line::Begun(batch) => {
                    journal.begun.insert(batch.id.clone(), batch);
                }
                Line::Done { id, rows } => journal.take(&id, rows),
            }
        }
        match first {
            None => journal.write(&Line::Settings(settings.clone()))?,
            Some(first) if first == *settings => {}
            Some(_) => {
                return Err(Failure::usage(format!(
                    "{} belongs to a run with another product, group, region or state: use another folder",
                    folder.display()
                )));
            }
        }
        Ok(journal)
    }

    fn take(&mut self, id: &str, rows: Vec<Row>) {
        self.begun.remove(id);
        self.keys.extend(rows.iter().map(|row| row.key.clone()));
        self.done.extend(rows);
    }

    fn write(&mut self, line: &Line) -> Result<(), Failure> {
        let mut text =
            serde_json::to_string(line).map_err(|error| Failure::because("cannot write", &error))?;
        text.push('\n');
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(|error| cannot("write", &self.path, &error))
    }

    /// Devices that are finished, in order.
    pub(super) fn done(&self) -> &[Row] {
        &self.done
    }

    pub(super) fn is_done(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// Batches that were begun and not finished.
    pub(super) fn unfinished(&self) -> Vec<Batch> {
        self.begun.values().cloned().collect()
    }

    /// From now on the batch is asked for as it is, until it is finished.
    pub(super) fn begin(&mut self, batch: &Batch) -> Result<(), Failure> {
        self.write(&Line::Begun(batch.clone()))?;
        self.begun.insert(batch.id.clone(), batch.clone());
        Ok(())
    }

    pub(super) fn finish(&mut self, id: &str, rows: Vec<Row>) -> Result<(), Failure> {
        self.write(&Line::Done { id: id.to_owned(), rows: rows.clone() })?;
        self.take(id, rows);
        Ok(())
    }

    /// The table of everything that is finished.
    pub(super) fn write_manifest(&self, path: &Path, given_requests: bool) -> Result<(), Failure> {
        let mut text = String::from("key,serial,not_after,certificate,chain,roots,private_key\n");
        for row in &self.done {
            let key = quoted(&row.key);
            let private = if given_requests { String::new() } else { format!("{key}/key.pem") };
            let files = format!("{key}/cert.pem,{key}/chain.pem,{key}/roots.pem,{private}");
            text.push_str(&format!("{key},{},{},{files}\n", row.serial, row.not_after));
        }
        argosy_pki::write_atomically(path, text.as_bytes(), 0o600)
            .map_err(|error| Failure::because("cannot write the manifest", &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { product: "p".into(), group: None, region: None, active: false, given_requests: false }
    }

    fn row(key: &str) -> Row {
        Row { key: key.to_owned(), serial: "0a".to_owned(), not_after: "2027-01-01T00:00:00Z".to_owned() }
    }

    #[test]
    fn wherever_it_breaks_off_what_was_begun_is_known_and_what_is_done_stays() {
        let dir = tempfile::tempdir().unwrap();
        let batch = |id: &str, keys: &[&str]| Batch {
            id: id.to_owned(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        let mut journal = Journal::open(dir.path(), &settings()).unwrap();
        journal.begin(&batch("a", &["1", "2"])).unwrap();
        journal.finish("a", vec![row("1"), row("2")]).unwrap();
        journal.begin(&batch("b", &["3"])).unwrap();
        let path = dir.path().join("journal.jsonl");
        let whole = fs::read(&path).unwrap();
        let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').map(|at| at + 1).collect();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let journal = Journal::open(dir.path(), &settings()).unwrap();
            let lines = ends.iter().filter(|end| **end <= cut).count();
            let (done, begun) = match lines {
                0 | 1 => (0, 0),
                2 => (0, 1),
                3 => (2, 0),
                _ => (2, 1),
            };
            assert_eq!((journal.done().len(), journal.unfinished().len()), (done, begun), "{cut}");
            assert_eq!(journal.is_done("1"), done > 0);
        }
    }

    #[test]
    fn a_folder_goes_on_with_what_it_was_begun_with() {
        let dir = tempfile::tempdir().unwrap();
        Journal::open(dir.path(), &settings()).unwrap();
        Journal::open(dir.path(), &settings()).unwrap();
        let other = Settings { product: "q".into(), ..settings() };
        assert!(Journal::open(dir.path(), &other).is_err());
    }
}
