//! The flash of a simulated device. By default a slot remembers what was written to it only as a hash and a length, so that
//! ten thousand devices with images of megabytes fit; the core hashes every byte on its way, and the slot keeps the result.

use std::convert::Infallible;
use std::sync::Arc;

use argosy_agent_core::{Digest, Hardware, Image, RECORD_LEN, Slot, Slots, StateStore, rehash};
use argosy_proto::Sha256Hash;
use aws_lc_rs::digest::{Context, SHA256};
use parking_lot::Mutex;

/// Two slots and two copies of the state.
#[derive(Debug)]
pub(crate) struct VirtualFlash {
    slots: VirtualSlots,
    state: VirtualState,
}

#[derive(Debug)]
pub(crate) struct VirtualSlots {
    capacity: u32,
    store: bool,
    slots: [Content; 2],
    /// The hash of the last complete download, left here by its digest.
    finished: Arc<Mutex<Option<Sha256Hash>>>,
}

#[derive(Debug, Default)]
struct Content {
    length: u32,
    hash: Option<Sha256Hash>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct VirtualState([Option<Box<[u8; RECORD_LEN]>>; 2]);

impl VirtualFlash {
    /// Flash that came from the factory with `image` in slot A.
    pub(crate) fn with_factory_image(image: Image, capacity: u32, store: bool) -> Self {
        let factory = Content { length: image.size, hash: Some(image.hash), bytes: Vec::new() };
        let slots =
            VirtualSlots { capacity, store, slots: [factory, Content::default()], finished: Arc::default() };
        Self { slots, state: VirtualState([None, None]) }
    }
}

impl Slots for VirtualSlots {
    type Error = Infallible;

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn erase(&mut self, slot: Slot) -> Result<(), Infallible> {
        self.slots[slot.index()] = Content::default();
        *self.finished.lock() = None;
        Ok(())
    }

    fn write(&mut self, slot: Slot, _offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        let content = &mut self.slots[slot.index()];
        content.length += bytes.len() as u32;
        if self.store {
            content.bytes.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn holds(&mut self, slot: Slot, image: &Image) -> Result<bool, Infallible> {
        let content = &mut self.slots[slot.index()];
        if content.length != image.size {
            return Ok(false);
        }
        if !content.bytes.is_empty() {
            return rehash(
                image,
                Sha256 { context: Context::new(&SHA256), finished: Arc::default() },
                |offset, page| {
                    let from = offset as usize;
                    page.copy_from_slice(&content.bytes[from..from + page.len()]);
                    Ok(())
                },
            );
        }
        let hash = *content.hash.get_or_insert_with(|| self.finished.lock().unwrap_or(Sha256Hash([0; 32])));
        Ok(hash == image.hash)
    }
}

impl StateStore for VirtualState {
    type Error = Infallible;

    fn read(&mut self, copy: usize, record: &mut [u8]) -> Result<(), Infallible> {
        match &self.0[copy] {
            Some(kept) => record.copy_from_slice(&kept[..]),
            None => record.fill(0xFF),
        }
        Ok(())
    }

    fn write(&mut self, copy: usize, record: &[u8]) -> Result<(), Infallible> {
        self.0[copy].get_or_insert_with(|| Box::new([0; RECORD_LEN])).copy_from_slice(record);
        Ok(())
    }
}

/// The hash of a download.
pub(crate) struct Sha256 {
    context: Context,
    finished: Arc<Mutex<Option<Sha256Hash>>>,
}

impl std::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sha256")
    }
}

impl Sha256 {
    /// Of nothing yet, for whoever keeps the result itself.
    pub(crate) fn begin() -> Self {
        Self { context: Context::new(&SHA256), finished: Arc::default() }
    }
}

impl Digest for Sha256 {
    fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    fn finish(self) -> Sha256Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.context.finish().as_ref());
        *self.finished.lock() = Some(Sha256Hash(hash));
        Sha256Hash(hash)
    }
}

impl Hardware for VirtualFlash {
    type Error = Infallible;
    type Slots = VirtualSlots;
    type State = VirtualState;
    type Digest = Sha256;

    fn slots(&mut self) -> &mut VirtualSlots {
        &mut self.slots
    }

    fn state(&mut self) -> &mut VirtualState {
        &mut self.state
    }

    fn digest(&mut self) -> Sha256 {
        Sha256 { context: Context::new(&SHA256), finished: Arc::clone(&self.slots.finished) }
    }
}

/// SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> Sha256Hash {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Sha256Hash(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use argosy_agent_core::Version;

    fn image(bytes: &[u8]) -> Image {
        Image { hash: sha256(bytes), size: bytes.len() as u32, version: Version::EMPTY }
    }

    #[test]
    fn a_slot_holds_what_was_written_and_hashed_with_or_without_its_bytes() {
        for store in [false, true] {
            let factory = image(b"factory");
            let mut flash = VirtualFlash::with_factory_image(factory, 100, store);
            assert_eq!(flash.slots().holds(Slot::A, &factory), Ok(true));
            assert_eq!(flash.slots().holds(Slot::B, &factory), Ok(false));
            let new = image(b"new image");
            let mut digest = flash.digest();
            for slot in [Slot::A, Slot::B] {
                flash.slots().erase(slot).unwrap();
            }
            flash.slots().write(Slot::B, 0, b"new ").unwrap();
            flash.slots().write(Slot::B, 4, b"image").unwrap();
            digest.update(b"new image");
            assert_eq!(digest.finish(), new.hash);
            assert_eq!(flash.slots().holds(Slot::B, &new), Ok(true), "store {store}");
            assert_eq!(flash.slots().holds(Slot::A, &factory), Ok(false), "erased");
            let other = Image { hash: sha256(b"NEW IMAGE"), ..new };
            assert_eq!(flash.slots().holds(Slot::B, &other), Ok(false));
        }
    }
}
