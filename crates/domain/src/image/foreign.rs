//! Files that people upload by mistake, told by their first bytes.

use super::ImageError;

/// What is kept of the beginning: the longest Intel HEX record (255 data bytes) and its line end.
const KEPT: usize = 2 * (255 + 5) + 3;

/// The first bytes of a file.
#[derive(Debug, Default)]
pub(super) struct Head(Vec<u8>);

const USE_BIN: &str = "upload the application's .bin (build/<project>.bin)";

/// Beginnings of files that are no ESP-IDF image.
const KNOWN: &[(&[u8], &str, &str)] = &[
    (b"\x7fELF", "an ELF file", USE_BIN),
    (b"\xaa\x50", "a partition table", USE_BIN),
    (b"\xff\xff\xff\xff", "a merged flash image, or a piece of erased flash", USE_BIN),
    (b"UF2\n", "a UF2 file", USE_BIN),
    (b"PK\x03\x04", "a ZIP archive", "unpack it and upload the application's .bin"),
    (b"\x1f\x8b", "a gzip file", "unpack it and upload the application's .bin"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file", "unpack it and upload the application's .bin"),
];

const HEX: ImageError = ImageError::Foreign {
    what: "an Intel HEX file, which is text",
    advice: "convert it first (objcopy -I ihex -O binary firmware.hex firmware.bin) and upload the .bin",
};

impl Head {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = KEPT - self.0.len();
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// What the file is, if it is known and not for a product with ESP-IDF images.
    pub(super) fn foreign_to_esp(&self) -> Option<ImageError> {
        if self.0.first() == Some(&b':') {
            // No image begins so: even a damaged record is told by its colon.
            return Some(HEX);
        }
        let (_, what, advice) = KNOWN.iter().find(|(magic, ..)| self.0.starts_with(magic))?;
        Some(ImageError::Foreign { what, advice })
    }

    /// What the file is, if it is for no product with raw images: any byte may begin one, so only a whole valid record tells.
    pub(super) fn foreign_to_raw(&self) -> Option<ImageError> {
        self.begins_with_hex_record().then_some(HEX)
    }

    fn begins_with_hex_record(&self) -> bool {
        let end = self.0.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(self.0.len());
        let Some((b':', digits)) = self.0[..end].split_first() else { return false };
        let byte = |pair: &[u8]| -> Option<u8> {
            let text =
                core::str::from_utf8(pair).ok().filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u8::from_str_radix(text, 16).ok()
        };
        let Some(bytes) = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>() else { return false };
        digits.len() % 2 == 0
            && bytes.len() >= 5
            && bytes.len() == usize::from(bytes[0]) + 5
            && bytes.iter().fold(0_u8, |sum, b| sum.wrapping_add(*b)) == 0
    }
}
