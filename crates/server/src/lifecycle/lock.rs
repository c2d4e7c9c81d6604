//! One server a data folder: an advisory lock that the kernel lets go of, however the process ends.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use argosy_pki::{KeyFileError, private_folder};
use rustix::fs::{FlockOperation, flock};

/// Why the folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// The folder cannot be made, or is open to others.
    #[error("the data folder {} cannot be used", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        #[source]
        source: KeyFileError,
    },
    /// The lock file cannot be opened.
    #[error("cannot open {}", file.display())]
    Open {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Somebody has it.
    #[error(
        "the data folder {} is in use by another argosy{}: stop that one first, or give this one another folder with --data-dir",
        folder.display(),
        pid.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Taken {
        /// Which.
        folder: PathBuf,
        /// By whom, if it says so.
        pid: Option<String>,
    },
}

/// The data folder, held until this is dropped.
#[derive(Debug)]
pub(crate) struct DataLock {
    _file: File,
}

/// Name of the lock file.
const NAME: &str = "lock";

impl DataLock {
    /// Makes the folder if it is not there, and takes it.
    pub(crate) fn take(folder: &Path) -> Result<Self, LockError> {
        private_folder(folder).map_err(|source| LockError::Folder { folder: folder.to_owned(), source })?;
        let file = folder.join(NAME);
        let failed = |source| LockError::Open { file: file.clone(), source };
        let mut options = File::options();
        let mut lock =
            options.read(true).write(true).create(true).truncate(false).open(&file).map_err(failed)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(LockError::Taken { folder: folder.to_owned(), pid: holder(&mut lock) });
        }
        // Only for people: what counts is the lock itself.
        let _ = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Self { _file: lock })
    }

    /// Who holds the folder, if somebody does.
    pub(crate) fn held_by(folder: &Path) -> Option<String> {
        let mut lock = File::options().read(true).open(folder.join(NAME)).ok()?;
        match flock(&lock, FlockOperation::NonBlockingLockShared) {
            Ok(()) => None,
            Err(_) => Some(holder(&mut lock).unwrap_or_else(|| "unknown".to_owned())),
        }
    }
}

fn holder(lock: &mut File) -> Option<String> {
    let mut text = String::new();
    lock.take(20).read_to_string(&mut text).ok()?;
    let pid = text.trim();
    (!pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit())).then(|| pid.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once_and_free_again_afterwards() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        assert_eq!(DataLock::held_by(&folder), None);
        let first = DataLock::take(&folder).unwrap();
        let error = DataLock::take(&folder).unwrap_err().to_string();
        let me = std::process::id().to_string();
        assert!(error.contains(&me) && error.contains("--data-dir"), "{error}");
        assert_eq!(DataLock::held_by(&folder), Some(me));
        drop(first);
        assert_eq!(DataLock::held_by(&folder), None);
        DataLock::take(&folder).unwrap();
    }
}
