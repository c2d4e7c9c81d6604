//! Secret files: private keys and random secrets on disk, readable by their owner alone, never half written.
//!
//! Everything that must stay secret on disk goes through here, so that there is one place that sets modes, one that checks
//! them, and one order of writes (temporary file, sync, rename, sync of the folder) that a crash cannot break.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use argosy_domain::ports::Entropy;

/// The longest file that is read as a key, a certificate or a secret, in bytes.
pub const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The shortest and longest secret that [`secret_file`] makes, in bytes.
pub const SECRET_LENGTHS: std::ops::RangeInclusive<usize> = 16..=1024;

/// Why a secret file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file or folder could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file or folder could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others than the owner may read the secret: it must be taken as known to them.
    #[error(
        "{} can be read by other users (mode {mode:04o}). Treat it as leaked: replace it if others had access, or run: chmod 600 {}",
        path.display(), path.display()
    )]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others than the owner may put files into the folder.
    #[error(
        "the folder {} can be written by other users (mode {mode:04o}). Make sure that its files are yours, then run: chmod 700 {}",
        path.display(), path.display()
    )]
    OpenFolder {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is there, and it is not what it should be.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The length asked for is outside [`SECRET_LENGTHS`].
    #[error("a secret has 16 to 1024 bytes, not {0}")]
    Length(usize),
}

impl KeyFileError {
    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.into() }
    }

    fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }
}

/// Loads the secret at `path`, or makes one of `len` random bytes if there is none.
///
/// The file is created with mode 0600 and is either whole or absent after a crash. The caller holds the lock of the data
/// folder: two processes that create the same secret at the same time are not told apart here.
///
/// # Errors
/// [`KeyFileError`]: unreadable, open to other users, of another length than `len`, or not writable.
pub fn secret_file(path: &Path, len: usize, entropy: &dyn Entropy) -> Result<Vec<u8>, KeyFileError> {
    if !SECRET_LENGTHS.contains(&len) {
        return Err(KeyFileError::Length(len));
    }
    if let Some(secret) = read_secret(path)? {
        if secret.len() != len {
            let reason = format!("it holds {} bytes where {len} are expected", secret.len());
            return Err(KeyFileError::damaged(path, reason));
        }
        return Ok(secret);
    }
    let mut secret = vec![0; len];
    entropy.fill(&mut secret);
    write_atomically(path, &secret, 0o600)?;
    Ok(secret)
}

/// Reads a secret file whole; `None` if there is none.
///
/// # Errors
/// [`KeyFileError::Exposed`] if its group or everybody may access it, [`KeyFileError::Damaged`] if it is no regular file,
/// empty or longer than [`MAX_FILE_BYTES`], [`KeyFileError::Read`] if the system refuses.
pub fn read_secret(path: &Path) -> Result<Option<Vec<u8>>, KeyFileError> {
    read_whole(path, true)
}

/// Like [`read_secret`] for what everybody may see (certificates).
pub(crate) fn read_public(path: &Path) -> Result<Option<Vec<u8>>, KeyFileError> {
    read_whole(path, false)
}

fn read_whole(path: &Path, secret: bool) -> Result<Option<Vec<u8>>, KeyFileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(KeyFileError::read(path, error)),
    };
    // Asked of the open file, not of the path: what is checked is what is read.
    let about = file.metadata().map_err(|e| KeyFileError::read(path, e))?;
    if !about.is_file() {
        return Err(KeyFileError::damaged(path, "it is not a regular file"));
    }
    let mode = about.mode() & 0o7777;
    if secret && mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|e| KeyFileError::read(path, e))?;
    match bytes.len() as u64 {
        0 => Err(KeyFileError::damaged(path, "it is empty")),
        n if n > MAX_FILE_BYTES => {
            Err(KeyFileError::damaged(path, format!("it is longer than {MAX_FILE_BYTES} bytes")))
        }
        _ => Ok(Some(bytes)),
    }
}

/// Puts `bytes` at `path` so that a reader, and a restart after a crash or power loss, sees the old content or the new one.
///
/// # Errors
/// [`KeyFileError::Write`] with the path that could not be written; the old content then stands.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyFileError> {
    let temporary = beside(path);
    let written = write_and_sync(&temporary, bytes, mode).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // The first error is the one that explains; what cannot be removed now is removed by the next write.
        let _ = fs::remove_file(&temporary);
        return Err(KeyFileError::write(path, error));
    }
    sync_parent(path)
}

fn write_and_sync(temporary: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    // Left by a crash: it may have another mode, and `create_new` must be the one that sets it.
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    path.with_file_name(name)
}

/// Makes the rename or creation of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), KeyFileError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    sync_folder(parent)
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), KeyFileError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| KeyFileError::write(folder, e))
}

/// Makes `folder` with mode 0700 if it is not there, and refuses one that other users may write to.
///
/// # Errors
/// [`KeyFileError::OpenFolder`], or what the system said.
pub fn private_folder(folder: &Path) -> Result<(), KeyFileError> {
    match fs::metadata(folder) {
        Ok(about) if !about.is_dir() => Err(KeyFileError::damaged(folder, "it is not a folder")),
        Ok(about) => {
            let mode = about.mode() & 0o7777;
            if mode & 0o022 != 0 {
                return Err(KeyFileError::OpenFolder { path: folder.to_owned(), mode });
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(folder).map_err(|e| KeyFileError::write(folder, e))?;
            sync_parent(folder)
        }
        Err(error) => Err(KeyFileError::read(folder, error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::TestEntropy;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_secret_is_made_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("url.secret");
        let entropy = TestEntropy::new(7);
        let first = secret_file(&path, 32, &entropy).unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(secret_file(&path, 32, &entropy).unwrap(), first);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_secret_others_can_read_is_refused_with_the_command_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        secret_file(&path, 32, &TestEntropy::new(1)).unwrap();
        for open in [0o640, 0o604, 0o610, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = secret_file(&path, 32, &TestEntropy::new(1)).unwrap_err();
            assert!(matches!(error, KeyFileError::Exposed { .. }), "{open:o}: {error}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_secret_of_another_length_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        write_atomically(&path, b"short", 0o600).unwrap();
        let error = secret_file(&path, 32, &TestEntropy::new(1)).unwrap_err();
        assert!(matches!(error, KeyFileError::Damaged { .. }), "{error}");
        write_atomically(&path, b"", 0o600).unwrap();
        assert!(matches!(read_secret(&path), Err(KeyFileError::Damaged { .. })));
        write_atomically(&path, &vec![1; 70_000], 0o600).unwrap();
        assert!(matches!(read_secret(&path), Err(KeyFileError::Damaged { .. })));
        assert!(matches!(read_secret(dir.path()), Err(KeyFileError::Damaged { .. })));
        assert!(matches!(secret_file(&path, 4, &TestEntropy::new(1)), Err(KeyFileError::Length(4))));
    }

    #[test]
    fn what_a_crash_left_does_not_stop_the_next_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        fs::write(beside(&path), b"half").unwrap();
        fs::set_permissions(beside(&path), fs::Permissions::from_mode(0o666)).unwrap();
        write_atomically(&path, b"whole", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(mode(&path), 0o600);
        assert!(!beside(&path).exists());
    }

    #[test]
    fn a_folder_is_private_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        private_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(private_folder(&folder), Err(KeyFileError::OpenFolder { .. })));
        let file = dir.path().join("f");
        fs::write(&file, b"x").unwrap();
        assert!(matches!(private_folder(&file), Err(KeyFileError::Damaged { .. })));
    }
}
