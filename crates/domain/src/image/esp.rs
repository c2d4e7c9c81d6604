//! ESP-IDF application images, as the second-stage bootloader reads them: a header of 24 bytes, segments with headers of 8 bytes,
//! padding, one checksum byte at the end of a 16-byte block, and (flag in the header) the SHA-256 of all that. A signed image
//! (secure boot v2) goes on with 0xff to a 4 KiB boundary and one 4 KiB signature block; the device, not we, judges the signature.

use sha2::{Digest, Sha256};

use super::ImageError;
use crate::model::{ImageFacts, ImageFormat, MAX_ARTIFACT_SIZE};

/// First byte of an image.
const MAGIC: u8 = 0xE9;
const HEADER: usize = 24;
const SEGMENT_HEADER: usize = 8;
const MAX_SEGMENTS: u8 = 16;
const CHECKSUM_SEED: u8 = 0xEF;
const HASH: usize = 32;
/// `esp_app_desc_t`, at the beginning of the first segment.
const APP_DESC: usize = 256;
const APP_DESC_MAGIC: u32 = 0xABCD_5432;
const SIGNATURE_SECTOR: u64 = 4096;
const SIGNATURE_MAGIC: u8 = 0xE7;

/// Chips by the id in the image's header, named as `idf.py set-target` names them.
pub const CHIPS: &[(u16, &str)] = &[
    (0x0000, "esp32"),
    (0x0002, "esp32s2"),
    (0x0005, "esp32c3"),
    (0x0009, "esp32s3"),
    (0x000C, "esp32c2"),
    (0x000D, "esp32c6"),
    (0x0010, "esp32h2"),
    (0x0012, "esp32p4"),
    (0x0014, "esp32c61"),
    (0x0017, "esp32c5"),
    (0x0019, "esp32h21"),
    (0x001C, "esp32h4"),
    (0x001F, "esp32e22"),
    (0x0020, "esp32s31"),
];

/// The id of a chip by its name.
pub fn chip_id(name: &str) -> Option<u16> {
    CHIPS.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
}

/// The known names, for a message.
pub(super) fn chip_names() -> String {
    let names: Vec<_> = CHIPS.iter().map(|(_, name)| *name).collect();
    names.join(", ")
}

/// What is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Header,
    SegmentHeader,
    AppDescription,
    Data { left: u32 },
    Padding { left: u8 },
    Checksum,
    Hash,
    Trailer,
}

/// The reader's state. `held` gathers the bytes of a part that is read as a whole (256 at most).
#[derive(Debug)]
pub(super) struct EspReader {
    at: u64,
    step: Step,
    held: Vec<u8>,
    segments: u8,
    segment: u8,
    segment_end: u64,
    checksum: u8,
    hash_appended: bool,
    hash: Sha256,
    /// Where the image ends, once it does.
    end: u64,
    signed_so_far: bool,
    facts: ImageFacts,
}

impl Default for EspReader {
    fn default() -> Self {
        Self {
            at: 0,
            step: Step::Header,
            held: Vec::with_capacity(APP_DESC),
            segments: 0,
            segment: 0,
            segment_end: 0,
            checksum: CHECKSUM_SEED,
            hash_appended: false,
            hash: Sha256::new(),
            end: 0,
            signed_so_far: true,
            facts: ImageFacts {
                format: ImageFormat::EspIdf,
                chip: None,
                project: None,
                app_version: None,
                idf_version: None,
                segments: None,
            },
        }
    }
}

impl EspReader {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), ImageError> {
        while !bytes.is_empty() {
            let taken = match self.step {
                Step::Header => self.whole(bytes, HEADER, Self::header)?,
                Step::SegmentHeader => self.whole(bytes, SEGMENT_HEADER, Self::segment_header)?,
                Step::AppDescription => self.whole(bytes, APP_DESC, Self::app_description)?,
                Step::Data { left } => self.data(bytes, left),
                Step::Padding { left } => self.padding(bytes, left),
                Step::Checksum => self.whole(bytes, 1, Self::checksum)?,
                Step::Hash => self.whole(bytes, HASH, Self::appended_hash)?,
                Step::Trailer => self.trailer(bytes),
            };
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Ends the image.
    pub(super) fn finish(self) -> Result<ImageFacts, ImageError> {
        let part = match self.step {
            Step::Trailer => {
                let extra = self.at - self.end;
                let signed = self.signed_so_far && self.at == self.signature_at() + SIGNATURE_SECTOR;
                if extra > 0 && !signed {
                    return Err(ImageError::Trailing { end: self.end, extra });
                }
                return Ok(self.facts);
            }
            Step::Header => ("the header".to_owned(), HEADER as u64),
            Step::SegmentHeader => (
                format!("the header of segment {}", self.segment + 1),
                self.at - self.held.len() as u64 + SEGMENT_HEADER as u64,
            ),
            Step::AppDescription | Step::Data { .. } => {
                (format!("segment {}", self.segment), self.segment_end)
            }
            Step::Padding { .. } | Step::Checksum => {
                ("the checksum".to_owned(), checksum_at(self.segment_end) + 1)
            }
            Step::Hash => ("the SHA-256".to_owned(), checksum_at(self.segment_end) + 1 + HASH as u64),
        };
        Err(ImageError::Truncated { part: part.0, needed: part.1, size: self.at })
    }

    /// Counts and hashes bytes of the image proper.
    fn pass(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        self.hash.update(bytes);
    }

    /// Gathers a part of `length` bytes, then reads it; returns how many bytes it took.
    fn whole(
        &mut self,
        bytes: &[u8],
        length: usize,
        read: impl FnOnce(&mut Self, &[u8]) -> Result<(), ImageError>,
    ) -> Result<usize, ImageError> {
        // The first byte alone tells a wrong file, however the pieces fall.
        if self.at == 0 && bytes[0] != MAGIC {
            return Err(ImageError::Magic { found: bytes[0] });
        }
        let taken = bytes.len().min(length - self.held.len());
        self.held.extend_from_slice(&bytes[..taken]);
        if self.step == Step::Hash {
            self.at += taken as u64;
        } else {
            self.pass(&bytes[..taken]);
        }
        if self.held.len() == length {
            let held = core::mem::take(&mut self.held);
            read(self, &held)?;
            self.held = held;
            self.held.clear();
        }
        Ok(taken)
    }

    fn header(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        self.segments = bytes[1];
        if self.segments == 0 || self.segments > MAX_SEGMENTS {
            return Err(ImageError::SegmentCount { found: self.segments });
        }
        let id = u16::from_le_bytes([bytes[12], bytes[13]]);
        let Some((_, chip)) = CHIPS.iter().find(|(known, _)| *known == id) else {
            return Err(ImageError::UnknownChip { found: id });
        };
        self.hash_appended = match bytes[23] {
            0 => false,
            1 => true,
            found => return Err(ImageError::HashFlag { found }),
        };
        self.facts.chip = Some((*chip).to_owned());
        self.facts.segments = Some(self.segments);
        self.step = Step::SegmentHeader;
        Ok(())
    }

    fn segment_header(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        self.segment += 1;
        let length = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        self.segment_end = self.at + u64::from(length);
        if !length.is_multiple_of(4) || self.segment_end > MAX_ARTIFACT_SIZE as u64 {
            return Err(ImageError::SegmentLength { segment: self.segment, length });
        }
        if self.segment > 1 {
            self.step = Step::Data { left: length };
        } else if length as usize >= APP_DESC {
            self.step = Step::AppDescription;
        } else {
            return Err(ImageError::NoAppDescription);
        }
        if self.step == (Step::Data { left: 0 }) {
            self.end_segment();
        }
        Ok(())
    }

    fn app_description(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        if u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) != APP_DESC_MAGIC {
            return Err(ImageError::NoAppDescription);
        }
        self.checksum = xor(self.checksum, bytes);
        self.facts.app_version = text(&bytes[16..48]);
        self.facts.project = text(&bytes[48..80]);
        self.facts.idf_version = text(&bytes[112..144]);
        let left = u32::try_from(self.segment_end - self.at).unwrap_or(u32::MAX);
        self.step = Step::Data { left };
        if left == 0 {
            self.end_segment();
        }
        Ok(())
    }

    fn data(&mut self, bytes: &[u8], left: u32) -> usize {
        let taken = bytes.len().min(left as usize);
        self.checksum = xor(self.checksum, &bytes[..taken]);
        self.pass(&bytes[..taken]);
        // `taken` is at most `left`, a u32.
        let left = left - taken as u32;
        self.step = Step::Data { left };
        if left == 0 {
            self.end_segment();
        }
        taken
    }

    fn end_segment(&mut self) {
        self.step = if self.segment < self.segments {
            Step::SegmentHeader
        } else {
            match checksum_at(self.at) - self.at {
                0 => Step::Checksum,
                left => Step::Padding { left: left as u8 },
            }
        };
    }

    fn padding(&mut self, bytes: &[u8], left: u8) -> usize {
        let taken = bytes.len().min(left.into());
        self.pass(&bytes[..taken]);
        let left = left - taken as u8;
        self.step = if left == 0 { Step::Checksum } else { Step::Padding { left } };
        taken
    }

    fn checksum(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        if bytes[0] != self.checksum {
            return Err(ImageError::Checksum { stored: bytes[0], computed: self.checksum });
        }
        self.end = self.at;
        self.step = if self.hash_appended { Step::Hash } else { Step::Trailer };
        Ok(())
    }

    fn appended_hash(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        if *self.hash.finalize_reset() != *bytes {
            return Err(ImageError::Hash);
        }
        self.end = self.at;
        self.step = Step::Trailer;
        Ok(())
    }

    fn signature_at(&self) -> u64 {
        self.end.next_multiple_of(SIGNATURE_SECTOR)
    }

    /// Follows what comes after the end; only a padded signature block may.
    fn trailer(&mut self, bytes: &[u8]) -> usize {
        let signature_at = self.signature_at();
        for byte in bytes {
            self.signed_so_far &= match self.at.checked_sub(signature_at) {
                None => *byte == 0xFF,
                Some(0) => *byte == SIGNATURE_MAGIC,
                Some(1) => matches!(byte, 2 | 3),
                Some(offset) => offset < SIGNATURE_SECTOR,
            };
            self.at += 1;
        }
        bytes.len()
    }
}

/// Where the checksum byte of segments that end at `end` stands: at the end of a 16-byte block.
const fn checksum_at(end: u64) -> u64 {
    end | 15
}

fn xor(start: u8, bytes: &[u8]) -> u8 {
    bytes.iter().fold(start, |sum, byte| sum ^ byte)
}

/// A text field that ends at its first NUL; `None` if it is empty. What is not text is replaced, since people read it.
fn text(field: &[u8]) -> Option<String> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let text: String = String::from_utf8_lossy(&field[..end])
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
