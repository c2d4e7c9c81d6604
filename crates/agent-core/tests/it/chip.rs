//! A flash chip with a power switch: every page programmed and every erase is one operation, and the power may go in
//! the middle of any of them.

use std::cell::RefCell;
use std::rc::Rc;

use argosy_agent_core::{Digest, Hardware, Image, RECORD_LEN, Slot, Slots, StateStore, rehash};
use argosy_proto::Sha256Hash;
use aws_lc_rs::digest::{Context, SHA256, digest};

pub(crate) const CAPACITY: usize = 2_048;
const PAGE: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoPower;

/// What the power cut leaves of the operation it hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Torn {
    Nothing,
    Half,
    Noise,
    Everything,
}

pub(crate) const TORN: [Torn; 4] = [Torn::Nothing, Torn::Half, Torn::Noise, Torn::Everything];

#[derive(Debug)]
pub(crate) struct Chip {
    pub(crate) slots: [Vec<u8>; 2],
    state: [Vec<u8>; 2],
    /// Operations until the power goes.
    cut: Option<(u64, Torn)>,
    pub(crate) powered: bool,
    pub(crate) operations: u64,
    /// Operations fail without the power going: a worn chip.
    pub(crate) worn: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct SharedChip(pub(crate) Rc<RefCell<Chip>>);

impl SharedChip {
    pub(crate) fn new(factory: &[u8]) -> Self {
        let mut slots = [vec![0xFF; CAPACITY], vec![0xFF; CAPACITY]];
        slots[0][..factory.len()].copy_from_slice(factory);
        let state = [vec![0xFF; RECORD_LEN], vec![0xFF; RECORD_LEN]];
        Self(Rc::new(RefCell::new(Chip {
            slots,
            state,
            cut: None,
            powered: true,
            operations: 0,
            worn: false,
        })))
    }

    pub(crate) fn cut_after(&self, operations: u64, torn: Torn) {
        self.0.borrow_mut().cut = Some((operations, torn));
    }

    pub(crate) fn power_on(&self) {
        self.0.borrow_mut().powered = true;
    }

    pub(crate) fn powered(&self) -> bool {
        self.0.borrow().powered
    }
}

impl Chip {
    /// Carries out one operation on `area(self)[at..]`, unless the power goes in it.
    fn operate(
        &mut self,
        area: impl FnOnce(&mut Self) -> &mut Vec<u8>,
        at: usize,
        bytes: &[u8],
    ) -> Result<(), NoPower> {
        if !self.powered || self.worn {
            return Err(NoPower);
        }
        self.operations += 1;
        let torn = match &mut self.cut {
            Some((0, torn)) => Some(*torn),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        let length = match torn {
            None | Some(Torn::Everything) => bytes.len(),
            Some(Torn::Half | Torn::Noise) => bytes.len() / 2,
            Some(Torn::Nothing) => 0,
        };
        let area = area(self);
        area[at..at + length].copy_from_slice(&bytes[..length]);
        if torn == Some(Torn::Noise) {
            area[at + length..at + bytes.len()].fill(0xA5);
        }
        if torn.is_some() {
            self.cut = None;
            self.powered = false;
            return Err(NoPower);
        }
        Ok(())
    }
}

impl Slots for SharedChip {
    type Error = NoPower;

    fn capacity(&self) -> u32 {
        CAPACITY as u32
    }

    fn erase(&mut self, slot: Slot) -> Result<(), NoPower> {
        self.0.borrow_mut().operate(|chip| &mut chip.slots[slot.index()], 0, &[0xFF; CAPACITY])
    }

    fn write(&mut self, slot: Slot, offset: u32, bytes: &[u8]) -> Result<(), NoPower> {
        let mut chip = self.0.borrow_mut();
        for (page, part) in bytes.chunks(PAGE).enumerate() {
            let at = offset as usize + page * PAGE;
            let erased = chip.slots[slot.index()][at..at + part.len()].iter().all(|byte| *byte == 0xFF);
            assert!(erased || !chip.powered, "programmed flash that was not erased");
            chip.operate(|chip| &mut chip.slots[slot.index()], at, part)?;
        }
        Ok(())
    }

    fn holds(&mut self, slot: Slot, image: &Image) -> Result<bool, NoPower> {
        let chip = self.0.borrow();
        if !chip.powered {
            return Err(NoPower);
        }
        rehash(image, Sha256(Context::new(&SHA256)), |offset, page| {
            page.copy_from_slice(&chip.slots[slot.index()][offset as usize..offset as usize + page.len()]);
            Ok(())
        })
    }
}

impl StateStore for SharedChip {
    type Error = NoPower;

    fn read(&mut self, copy: usize, record: &mut [u8]) -> Result<(), NoPower> {
        let chip = self.0.borrow();
        if !chip.powered {
            return Err(NoPower);
        }
        record.copy_from_slice(&chip.state[copy]);
        Ok(())
    }

    fn write(&mut self, copy: usize, record: &[u8]) -> Result<(), NoPower> {
        let mut chip = self.0.borrow_mut();
        chip.operate(|chip| &mut chip.state[copy], 0, &[0xFF; RECORD_LEN])?;
        for (page, part) in record.chunks(PAGE).enumerate() {
            chip.operate(|chip| &mut chip.state[copy], page * PAGE, part)?;
        }
        Ok(())
    }
}

pub(crate) struct Sha256(Context);

impl Sha256 {
    pub(crate) fn new() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl std::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sha256")
    }
}

impl Digest for Sha256 {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self) -> Sha256Hash {
        Sha256Hash(self.0.finish().as_ref().try_into().expect("32 bytes"))
    }
}

pub(crate) fn hash(bytes: &[u8]) -> Sha256Hash {
    Sha256Hash(digest(&SHA256, bytes).as_ref().try_into().expect("32 bytes"))
}

#[derive(Debug, Clone)]
pub(crate) struct Board(pub(crate) SharedChip, pub(crate) SharedChip);

impl Board {
    pub(crate) fn new(chip: &SharedChip) -> Self {
        Self(chip.clone(), chip.clone())
    }
}

impl Hardware for Board {
    type Error = NoPower;
    type Slots = SharedChip;
    type State = SharedChip;
    type Digest = Sha256;

    fn slots(&mut self) -> &mut SharedChip {
        &mut self.0
    }

    fn state(&mut self) -> &mut SharedChip {
        &mut self.1
    }

    fn digest(&mut self) -> Sha256 {
        Sha256(Context::new(&SHA256))
    }
}
