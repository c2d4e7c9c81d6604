//! Revocations in a file of their own, outside the data folder: whatever a restore brings back, what is in here stays revoked.
//!
//! Append-only text, mode 0600, a line a revocation: `<checksum> <JSON>\n`, where the checksum is the first 16 hexadecimal digits of
//! the JSON's SHA-256. A call returns when its lines are on the disk. A line that a crash has cut off is left out when the file is
//! read, and the next append begins on a line of its own; a damaged line costs that line only, and is said.
//!
//! How a restore uses it: leave the file where it is. `argosy serve` merges it into the registry at every start, before any listener
//! opens, and appends what the registry knows and the file does not.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use argosy_domain::model::Revocation;
use argosy_domain::ports::{PortError, PortErrorKind, PortResult, RevocationJournal};
use aws_lc_rs::digest;

use crate::keyfile;

/// The file of revocations. One process has it open.
#[derive(Debug)]
pub struct RevocationFile {
    path: PathBuf,
    /// Lines that could not be read the last time.
    damaged: Mutex<usize>,
    writing: Mutex<()>,
}

impl RevocationFile {
    /// The file at `path`; it need not be there yet, its folder must.
    pub fn new(path: PathBuf) -> Self {
        Self { path, damaged: Mutex::default(), writing: Mutex::default() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many lines could not be read the last time that it was read; the end of a line that a crash cut off is none.
    pub fn damaged_lines(&self) -> usize {
        *self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, lines: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        let about = file.metadata()?;
        if about.mode() & 0o077 != 0 {
            let why = format!("{} is open to other users: chmod 600 it", self.path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let mut bytes = Vec::with_capacity(lines.len() + 1);
        if about.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                bytes.push(b'\n');
            }
        }
        bytes.extend_from_slice(lines);
        file.write_all(&bytes)?;
        file.sync_all()?;
        if about.len() == 0 {
            keyfile::sync_parent(&self.path).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

fn checksum(json: &[u8]) -> String {
    hex::encode(&digest::digest(&digest::SHA256, json).as_ref()[..8])
}

fn line(revocation: &Revocation) -> Result<String, serde_json::Error> {
    let json = serde_json::to_string(revocation)?;
    Ok(format!("{} {json}\n", checksum(json.as_bytes())))
}

fn parse(line: &[u8]) -> Option<Revocation> {
    let space = line.iter().position(|b| *b == b' ')?;
    let (sum, json) = (&line[..space], &line[space + 1..]);
    (sum == checksum(json).as_bytes()).then(|| serde_json::from_slice(json).ok())?
}

impl RevocationJournal for RevocationFile {
    fn append(&self, revocations: &[Revocation]) -> PortResult<()> {
        const OPERATION: &str = "revocations.append";
        if revocations.is_empty() {
            return Ok(());
        }
        let lines: Result<String, _> = revocations.iter().map(line).collect();
        let lines = lines.map_err(|e| PortError::new(OPERATION, PortErrorKind::Internal).with_source(e))?;
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(lines.as_bytes()).map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::StorageFull => PortErrorKind::Full,
                _ => PortErrorKind::Unavailable,
            };
            PortError::new(OPERATION, kind).with_source(error)
        })
    }

    fn read(&self) -> PortResult<Vec<Revocation>> {
        let mut bytes = Vec::new();
        match File::open(&self.path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(PortError::new("revocations.read", PortErrorKind::Unavailable).with_source(error));
            }
            Ok(_) => {}
        }
        let complete = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let (mut found, mut damaged) = (Vec::new(), 0);
        for line in bytes[..complete].split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            match parse(line) {
                Some(revocation) => found.push(revocation),
                None => damaged += 1,
            }
        }
        *self.damaged.lock().unwrap_or_else(PoisonError::into_inner) = damaged;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use argosy_domain::Timestamp;
    use argosy_domain::model::{CertificateName, RevocationReason};
    use argosy_proto::DeviceKey;

    use super::*;

    fn revocation(serial: &str) -> Revocation {
        Revocation {
            certificate: CertificateName {
                issuer: "O='x y',CN=장치".to_owned(), serial: serial.to_owned()
            },
            key: DeviceKey::new("vm-1").unwrap(),
            reason: RevocationReason::KeyCompromise,
            revoked_at: Timestamp(1_767_225_600_000),
            not_after: None,
        }
    }

    fn file() -> (tempfile::TempDir, RevocationFile) {
        let dir = tempfile::tempdir().unwrap();
        let file = RevocationFile::new(dir.path().join("data-revocations.log"));
        (dir, file)
    }

    #[test]
    fn what_is_appended_is_read_in_order_and_is_nobody_elses() {
        let (_dir, file) = file();
        assert_eq!(file.read().unwrap(), []);
        file.append(&[]).unwrap();
        assert!(!file.path().exists());
        file.append(&[revocation("0a"), revocation("0b")]).unwrap();
        file.append(&[revocation("0c")]).unwrap();
        assert_eq!(file.read().unwrap(), ["0a", "0b", "0c"].map(revocation));
        assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        let error = file.append(&[revocation("0d")]).unwrap_err();
        assert!(format!("{:?}", error.source).contains("chmod 600"), "{error:?}");
    }

    #[test]
    fn wherever_a_crash_cuts_the_file_whole_lines_are_kept_and_the_next_append_is_readable() {
        let (_dir, file) = file();
        file.append(&["0a", "0b"].map(revocation)).unwrap();
        let whole = fs::read(file.path()).unwrap();
        let first = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
        for end in 0..whole.len() {
            fs::write(file.path(), &whole[..end]).unwrap();
            let kept = usize::from(end >= first);
            assert_eq!(file.read().unwrap().len(), kept, "{end}");
            assert_eq!(file.damaged_lines(), 0, "{end}");
            file.append(&[revocation("0c")]).unwrap();
            let found = file.read().unwrap();
            assert_eq!(found.last(), Some(&revocation("0c")), "{end}");
        }
    }

    #[test]
    fn a_damaged_line_costs_itself_alone() {
        let (_dir, file) = file();
        file.append(&["0a", "0b", "0c"].map(revocation)).unwrap();
        let whole = fs::read(file.path()).unwrap();
        let first = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
        for at in first..first + 80 {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x15;
            fs::write(file.path(), &bytes).unwrap();
            let found = file.read().unwrap();
            assert!(found.contains(&revocation("0a")) && found.contains(&revocation("0c")), "byte {at}");
            assert!(file.damaged_lines() >= 1, "byte {at}");
            assert!(found.iter().all(|r| ["0a", "0b", "0c"].contains(&r.certificate.serial.as_str())));
        }
    }
}
