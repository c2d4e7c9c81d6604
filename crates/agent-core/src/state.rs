//! The persisted state: two copies, a sequence number, a checksum. A save writes the copy that is *not* the newest valid
//! one, so a power cut at any byte of it leaves the previous state whole.

use argosy_proto::Sha256Hash;

use crate::{CommandId, Image, Slot, StateStore, Text, Version};

/// Bytes of one copy.
pub const RECORD_LEN: usize = 512;

const MAGIC: [u8; 4] = *b"AGS1";
const BODY_END: usize = RECORD_LEN - 4;

/// A new image that has yet to prove itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Where it is.
    pub slot: Slot,
    /// How often it was started.
    pub boots: u8,
    /// The command it came with.
    pub command: CommandId,
}

/// An image that was tried and given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolledBack {
    /// The image.
    pub image: Image,
    /// The command it came with.
    pub command: CommandId,
}

/// What a device remembers over a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootState {
    /// The slot that is started when nothing is on trial.
    pub confirmed: Slot,
    /// For each slot, the image in it: set only after the complete image was hashed, cleared before the slot is touched.
    pub images: [Option<Image>; 2],
    /// The image on trial.
    pub trial: Option<Trial>,
    /// The last image that was given up; forgotten when the next update begins.
    pub rolled_back: Option<RolledBack>,
    /// The command that brought the confirmed image; empty for the factory's.
    pub command: CommandId,
}

/// Where the newest state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Journal {
    sequence: u32,
    copy: usize,
}

impl BootState {
    /// The state of a new device: one confirmed image, nothing else.
    pub const fn factory(slot: Slot, image: Image) -> Self {
        let images = match slot {
            Slot::A => [Some(image), None],
            Slot::B => [None, Some(image)],
        };
        Self { confirmed: slot, images, trial: None, rolled_back: None, command: CommandId::EMPTY }
    }

    /// The confirmed image.
    pub const fn confirmed_image(&self) -> Option<&Image> {
        self.images[self.confirmed.index()].as_ref()
    }

    pub(crate) fn encode(&self, sequence: u32) -> [u8; RECORD_LEN] {
        let mut record = [0_u8; RECORD_LEN];
        let mut out = Writer { to: &mut record, at: 0 };
        out.put(&MAGIC);
        out.put(&sequence.to_le_bytes());
        out.put(&[self.confirmed.index() as u8]);
        out.text(&self.command);
        for image in &self.images {
            out.image(image.as_ref());
        }
        out.put(&[u8::from(self.trial.is_some())]);
        if let Some(trial) = &self.trial {
            out.put(&[trial.slot.index() as u8, trial.boots]);
            out.text(&trial.command);
        }
        out.image(self.rolled_back.as_ref().map(|r| &r.image));
        if let Some(rolled_back) = &self.rolled_back {
            out.text(&rolled_back.command);
        }
        let sum = crc32(&record[..BODY_END]);
        record[BODY_END..].copy_from_slice(&sum.to_le_bytes());
        record
    }

    pub(crate) fn decode(record: &[u8; RECORD_LEN]) -> Option<(u32, Self)> {
        let (body, sum) = record.split_at(BODY_END);
        if crc32(body).to_le_bytes() != *sum {
            return None;
        }
        let mut input = Reader { from: body };
        if input.take::<4>()? != MAGIC {
            return None;
        }
        let sequence = u32::from_le_bytes(input.take()?);
        let confirmed = input.slot()?;
        let command = input.text()?;
        let images = [input.image()?, input.image()?];
        let trial = if input.flag()? {
            let slot = input.slot()?;
            let [boots] = input.take()?;
            Some(Trial { slot, boots, command: input.text()? })
        } else {
            None
        };
        let rolled_back = match input.image()? {
            Some(image) => Some(RolledBack { image, command: input.text()? }),
            None => None,
        };
        Some((sequence, Self { confirmed, images, trial, rolled_back, command }))
    }
}

/// Reads both copies and takes the newer valid one; `None` if neither is valid.
pub(crate) fn load<S: StateStore>(store: &mut S) -> Result<Option<(BootState, Journal)>, S::Error> {
    let mut newest: Option<(BootState, Journal)> = None;
    for copy in 0..2 {
        let mut record = [0_u8; RECORD_LEN];
        store.read(copy, &mut record)?;
        let Some((sequence, state)) = BootState::decode(&record) else { continue };
        // Sequence numbers wrap; of two neighbours the one just ahead is newer.
        let newer = newest.as_ref().is_none_or(|(_, j)| (sequence.wrapping_sub(j.sequence) as i32) > 0);
        if newer {
            newest = Some((state, Journal { sequence, copy }));
        }
    }
    Ok(newest)
}

/// Writes `state` over the older copy. After an error the flash holds the old state or the new one, and `journal`
/// still points at the old one, so the next save goes to the same place.
pub(crate) fn save<S: StateStore>(
    store: &mut S,
    journal: &mut Journal,
    state: &BootState,
) -> Result<(), S::Error> {
    let next = Journal { sequence: journal.sequence.wrapping_add(1), copy: 1 - journal.copy };
    store.write(next.copy, &state.encode(next.sequence))?;
    *journal = next;
    Ok(())
}

/// Writes the first state of a device into copy 0.
pub(crate) fn initialise<S: StateStore>(store: &mut S, state: &BootState) -> Result<(), S::Error> {
    let mut journal = Journal { sequence: 0, copy: 1 };
    save(store, &mut journal, state)
}

/// CRC-32 (IEEE), bit by bit: it runs over half a kilobyte a few times per update, and a table costs a kilobyte of flash.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

struct Writer<'a> {
    to: &'a mut [u8; RECORD_LEN],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.to[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn text<const N: usize>(&mut self, text: &Text<N>) {
        self.put(&[text.as_bytes().len() as u8]);
        self.put(text.as_bytes());
    }

    fn image(&mut self, image: Option<&Image>) {
        self.put(&[u8::from(image.is_some())]);
        if let Some(image) = image {
            self.put(image.hash.as_bytes());
            self.put(&image.size.to_le_bytes());
            self.text(&image.version);
        }
    }
}

struct Reader<'a> {
    from: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.from.split_first_chunk::<N>()?;
        self.from = tail;
        Some(*head)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.take()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn slot(&mut self) -> Option<Slot> {
        Some(if self.flag()? { Slot::B } else { Slot::A })
    }

    fn text<const N: usize>(&mut self) -> Option<Text<N>> {
        let [length] = self.take()?;
        let (text, rest) = self.from.split_at_checked(usize::from(length))?;
        self.from = rest;
        Text::new(core::str::from_utf8(text).ok()?).ok()
    }

    fn image(&mut self) -> Option<Option<Image>> {
        if !self.flag()? {
            return Some(None);
        }
        let hash = Sha256Hash(self.take()?);
        let size = u32::from_le_bytes(self.take()?);
        let version: Version = self.text()?;
        Some(Some(Image { hash, size, version }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;

    fn text<const N: usize>() -> impl Strategy<Value = Text<N>> {
        any::<String>().prop_map(|text| Text::cut(&text))
    }

    fn slot() -> impl Strategy<Value = Slot> {
        any::<bool>().prop_map(|b| if b { Slot::B } else { Slot::A })
    }

    fn image() -> impl Strategy<Value = Image> {
        (any::<[u8; 32]>(), any::<u32>(), text()).prop_map(|(hash, size, version)| Image {
            hash: Sha256Hash(hash),
            size,
            version,
        })
    }

    fn state() -> impl Strategy<Value = BootState> {
        let images = [proptest::option::of(image()), proptest::option::of(image())];
        let trial = proptest::option::of((slot(), any::<u8>(), text()));
        let rolled_back = proptest::option::of((image(), text()));
        (slot(), images, trial, rolled_back, text()).prop_map(
            |(confirmed, images, trial, rolled_back, command)| BootState {
                confirmed,
                images,
                trial: trial.map(|(slot, boots, command)| Trial { slot, boots, command }),
                rolled_back: rolled_back.map(|(image, command)| RolledBack { image, command }),
                command,
            },
        )
    }

    #[test]
    fn the_longest_state_fits_a_record() {
        let image =
            Image { hash: Sha256Hash([255; 32]), size: u32::MAX, version: Text::cut(&"v".repeat(48)) };
        let command = CommandId::cut(&"c".repeat(64));
        let state = BootState {
            confirmed: Slot::B,
            images: [Some(image); 2],
            trial: Some(Trial { slot: Slot::A, boots: 255, command }),
            rolled_back: Some(RolledBack { image, command }),
            command,
        };
        assert_eq!(BootState::decode(&state.encode(u32::MAX)), Some((u32::MAX, state)));
    }

    #[test]
    fn the_checksum_is_the_well_known_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_sequence_number_that_wraps_is_newer() {
        struct Two([[u8; RECORD_LEN]; 2]);
        impl StateStore for Two {
            type Error = ();
            fn read(&mut self, copy: usize, record: &mut [u8]) -> Result<(), ()> {
                record.copy_from_slice(&self.0[copy]);
                Ok(())
            }
            fn write(&mut self, copy: usize, record: &[u8]) -> Result<(), ()> {
                self.0[copy].copy_from_slice(record);
                Ok(())
            }
        }
        let image = Image { hash: Sha256Hash([1; 32]), size: 1, version: Text::EMPTY };
        let (old, new) = (BootState::factory(Slot::A, image), BootState::factory(Slot::B, image));
        let mut store = Two([new.encode(0), old.encode(u32::MAX)]);
        assert_eq!(load(&mut store).map(|s| s.map(|(state, _)| state)), Ok(Some(new)));
    }

    proptest! {
        #[test]
        fn a_state_round_trips(state in state(), sequence: u32) {
            prop_assert_eq!(BootState::decode(&state.encode(sequence)), Some((sequence, state)));
        }

        #[test]
        fn one_flipped_bit_is_noticed(state in state(), bit in 0..RECORD_LEN * 8) {
            let mut record = state.encode(1);
            record[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(BootState::decode(&record), None);
        }

        #[test]
        fn garbage_is_never_a_panic(noise in proptest::collection::vec(any::<u8>(), RECORD_LEN - 4)) {
            let mut record = [0_u8; RECORD_LEN];
            record[..RECORD_LEN - 4].copy_from_slice(&noise);
            record[..4].copy_from_slice(b"AGS1");
            let sum = crc32(&record[..BODY_END]);
            record[BODY_END..].copy_from_slice(&sum.to_le_bytes());
            let _ = BootState::decode(&record);
        }
    }
}
