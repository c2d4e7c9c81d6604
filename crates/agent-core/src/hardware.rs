//! What the core needs of a board. Implementations block: a write has happened when the call returns.

use argosy_proto::Sha256Hash;

use crate::{Image, Slot};

/// The two firmware slots.
pub trait Slots {
    /// Why an operation failed.
    type Error;

    /// Bytes an image may have.
    fn capacity(&self) -> u32;

    /// Makes a slot writable from its beginning. What was in it is gone.
    ///
    /// # Errors
    /// The flash refused.
    fn erase(&mut self, slot: Slot) -> Result<(), Self::Error>;

    /// Writes the next bytes. Offsets come in order and without gaps after [`Slots::erase`].
    ///
    /// # Errors
    /// The flash refused.
    fn write(&mut self, slot: Slot, offset: u32, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Whether the slot holds exactly this image *now*: reads it back and hashes it (see [`rehash`]).
    ///
    /// # Errors
    /// The flash cannot be read.
    fn holds(&mut self, slot: Slot, image: &Image) -> Result<bool, Self::Error>;
}

/// Room for two copies of the persisted state, each erasable without the other.
pub trait StateStore {
    /// Why an operation failed.
    type Error;

    /// Reads copy 0 or 1 whole. Blank or torn content is fine; it is recognised by its checksum.
    ///
    /// # Errors
    /// The flash cannot be read.
    fn read(&mut self, copy: usize, record: &mut [u8]) -> Result<(), Self::Error>;

    /// Replaces copy 0 or 1. A power cut may leave anything in *this* copy, and nothing in the other.
    ///
    /// # Errors
    /// The flash refused.
    fn write(&mut self, copy: usize, record: &[u8]) -> Result<(), Self::Error>;
}

/// Streaming SHA-256: software, an accelerator, or a library.
pub trait Digest {
    /// Takes the next bytes.
    fn update(&mut self, bytes: &[u8]);
    /// The digest of everything taken.
    fn finish(self) -> Sha256Hash;
}

/// A board: its slots, its state store, its hash.
pub trait Hardware {
    /// Why a flash operation failed.
    type Error;
    /// The slots.
    type Slots: Slots<Error = Self::Error>;
    /// The state store.
    type State: StateStore<Error = Self::Error>;
    /// The hash.
    type Digest: Digest;

    /// The slots.
    fn slots(&mut self) -> &mut Self::Slots;
    /// The state store.
    fn state(&mut self) -> &mut Self::State;
    /// A digest of nothing yet. An earlier one may be abandoned unfinished.
    fn digest(&mut self) -> Self::Digest;
}

/// Hashes an image as `read(offset, buffer)` gives it, 256 bytes at a time, and compares: the body of
/// [`Slots::holds`] for memory that can be read.
///
/// # Errors
/// What `read` returned.
pub fn rehash<D: Digest, E>(
    image: &Image,
    mut digest: D,
    mut read: impl FnMut(u32, &mut [u8]) -> Result<(), E>,
) -> Result<bool, E> {
    let mut page = [0_u8; 256];
    let mut offset = 0_u32;
    while offset < image.size {
        let length = (image.size - offset).min(page.len() as u32);
        let part = &mut page[..length as usize];
        read(offset, part)?;
        digest.update(part);
        offset += length;
    }
    Ok(digest.finish() == image.hash)
}
