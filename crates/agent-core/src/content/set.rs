//! Which files are, or shall be, shown.

use core::fmt;

use argosy_proto::Sha256Hash;

use crate::CommandId;

/// The most files of one set.
pub const MAX_FILES: usize = 16;

/// A file as its request and the status name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    /// `file_info.id`: one immutable binary for ever.
    pub id: i64,
    /// SHA-256 of its bytes.
    pub hash: Sha256Hash,
    /// Its bytes, at least one.
    pub size: u32,
}

impl FileIdentity {
    const NONE: Self = Self { id: 0, hash: Sha256Hash([0; 32]), size: 0 };
}

/// Files that are shown together, in order.
#[derive(Clone, Copy)]
pub struct ContentSet {
    len: u8,
    files: [FileIdentity; MAX_FILES],
}

impl ContentSet {
    /// Nothing.
    pub const EMPTY: Self = Self { len: 0, files: [FileIdentity::NONE; MAX_FILES] };

    /// The files, in order.
    pub fn files(&self) -> &[FileIdentity] {
        &self.files[..usize::from(self.len)]
    }

    /// Bytes of all of them; `None` if they are more than can be counted here.
    pub fn total_size(&self) -> Option<u32> {
        self.files().iter().try_fold(0_u32, |sum, file| sum.checked_add(file.size))
    }

    /// With one file more, if there is room.
    fn push(&mut self, file: FileIdentity) -> Result<(), TooManyFiles> {
        let place = self.files.get_mut(usize::from(self.len)).ok_or(TooManyFiles)?;
        *place = file;
        self.len += 1;
        Ok(())
    }
}

impl PartialEq for ContentSet {
    fn eq(&self, other: &Self) -> bool {
        self.files() == other.files()
    }
}

impl Eq for ContentSet {}

impl fmt::Debug for ContentSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.files()).finish()
    }
}

/// More files than a device shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyFiles;

impl fmt::Display for TooManyFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request has more than the {MAX_FILES} files that a device shows")
    }
}

impl core::error::Error for TooManyFiles {}

/// A file to be fetched. `L` is where it is, in the driver's own words (a URL).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentFile<L> {
    /// What it is.
    pub identity: FileIdentity,
    /// Where it is.
    pub locator: L,
}

/// A request to show other content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentOffer<L> {
    pub(crate) command: CommandId,
    files: [Option<ContentFile<L>>; MAX_FILES],
}

impl<L> ContentOffer<L> {
    /// A request for these files, in order. Without any, nothing is shown any more.
    ///
    /// # Errors
    /// [`TooManyFiles`]: more than [`MAX_FILES`].
    pub fn new(
        command: CommandId,
        files: impl IntoIterator<Item = ContentFile<L>>,
    ) -> Result<Self, TooManyFiles> {
        let mut offer = Self { command, files: core::array::from_fn(|_| None) };
        for (place, file) in files.into_iter().enumerate() {
            *offer.files.get_mut(place).ok_or(TooManyFiles)? = Some(file);
        }
        Ok(offer)
    }

    /// Its command.
    pub fn command(&self) -> CommandId {
        self.command
    }

    pub(crate) fn file(&self, place: usize) -> Option<&ContentFile<L>> {
        self.files.get(place)?.as_ref()
    }

    /// What is to be shown.
    pub fn set(&self) -> ContentSet {
        let mut set = ContentSet::EMPTY;
        for file in self.files.iter().flatten() {
            // There are as many places as files.
            let _ = set.push(file.identity);
        }
        set
    }
}
