//! Firmware images in ESP-IDF's real format, with random content: for the demo and the benchmarks.
//!
//! The layout is that of an application image for the ESP32-S3: header, a data segment that begins with the application
//! descriptor, a code segment, checksum, SHA-256 of all before. The content is random so that nothing on the way can
//! compress or guess it. Espressif's own tool reads these images and finds them valid (see the test).

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// The chip's name, as products name it, and its number in the image header.
pub(crate) const CHIP: &str = "esp32s3";
const CHIP_ID: u16 = 9;

/// Smaller has no room for a descriptor and some content.
pub(crate) const SMALLEST: usize = 1024;

const HASH_LEN: usize = 32;

/// Writes an image of `size` bytes (a multiple of 16, [`SMALLEST`] or more) that says it is `version` of `project`.
pub(crate) fn write(file: &Path, size: usize, project: &str, version: &str) -> Result<()> {
    if size < SMALLEST || !size.is_multiple_of(16) {
        bail!("an image has {SMALLEST} bytes or more, and a multiple of 16 of them; {size} is not");
    }
    let body = body(size - HASH_LEN, project, version)?;
    std::fs::write(file, &body).with_context(|| format!("could not write {}", file.display()))?;
    let hash = sha256(file)?;
    let image = [body, hash].concat();
    std::fs::write(file, image).with_context(|| format!("could not write {}", file.display()))
}

/// Everything but the appended hash; `len` is a multiple of 16.
fn body(len: usize, project: &str, version: &str) -> Result<Vec<u8>> {
    const CODE_LEN: usize = 16;
    // Segment lengths are multiples of 4; the checksum is the last byte.
    let data_len = (len - 24 - 8 - 8 - CODE_LEN - 1) / 4 * 4;
    let mut image = Vec::with_capacity(len + HASH_LEN);
    image.extend([0xE9, 2, 2, 0x4F]); // magic, segments, SPI mode DIO, 16 MB at 80 MHz
    image.extend(0x4037_4000_u32.to_le_bytes()); // entry point
    image.extend([0xEE, 0, 0, 0]); // write-protect pin, drive settings
    image.extend(CHIP_ID.to_le_bytes());
    image.extend([0; 9]); // smallest and largest chip revision, reserved
    image.push(1); // a SHA-256 follows

    let mut data = descriptor(project, version);
    let described = data.len();
    data.resize(data_len, 0);
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut data[described..]))
        .context("could not read random bytes")?;
    let code = [0; CODE_LEN];
    for (address, content) in [(0x3C00_0020_u32, data.as_slice()), (0x4037_4000, &code)] {
        image.extend(address.to_le_bytes());
        image.extend(u32::try_from(content.len()).context("the image is too large")?.to_le_bytes());
        image.extend(content);
    }
    image.resize(len - 1, 0);
    image.push(data.iter().chain(&code).fold(0xEF, |sum, byte| sum ^ byte));
    Ok(image)
}

/// `esp_app_desc_t`: 256 bytes at the start of the first segment.
fn descriptor(project: &str, version: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend(0xABCD_5432_u32.to_le_bytes());
    bytes.extend([0; 12]); // security counter, reserved
    for (text, len) in [(version, 32), (project, 32), ("12:00:00", 16), ("Jan  1 2026", 16), ("v5.4.1", 32)] {
        let mut field = text.as_bytes().to_vec();
        field.resize(len, 0);
        // The last byte of a field is its end, whatever the text's length.
        field[len - 1] = 0;
        bytes.extend(field);
    }
    bytes.resize(256, 0); // the ELF's hash, reserved
    bytes
}

/// By coreutils: xtask has no cryptography of its own, and needs it once per image.
fn sha256(file: &Path) -> Result<Vec<u8>> {
    let line = shell::output(shell::command("sha256sum").arg("--binary").arg(file))?;
    let digits = line.split_whitespace().next().unwrap_or_default().trim_start_matches('\\');
    let hash: Option<Vec<u8>> = (0..digits.len())
        .step_by(2)
        .map(|at| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    hash.filter(|hash| hash.len() == HASH_LEN).with_context(|| format!("sha256sum answered {line:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(size: usize) -> Vec<u8> {
        let file = std::env::temp_dir().join(format!("argosy-image-{}-{size}.bin", std::process::id()));
        write(&file, size, "demo", "1.2.3").expect("written");
        // Where the test tools are installed, Espressif's own tool is the judge.
        if let Some(python) = std::env::var_os("ARGOSY_TEST_PYTHON") {
            let said = shell::output(shell::command(python).args(["-m", "esptool", "image-info"]).arg(&file))
                .expect("esptool reads it");
            assert!(said.contains("ESP32-S3"), "{said}");
            assert_eq!(said.matches("(valid)").count(), 2, "checksum and hash: {said}");
            assert!(said.contains("Project name: demo") && said.contains("App version: 1.2.3"), "{said}");
        }
        let bytes = std::fs::read(&file).expect("read");
        std::fs::remove_file(&file).expect("removed");
        bytes
    }

    #[test]
    fn has_exactly_the_size_that_was_asked_for() {
        for size in [SMALLEST, SMALLEST + 16, 1_572_864] {
            assert_eq!(image(size).len(), size);
        }
    }

    #[test]
    fn content_is_random() {
        assert_ne!(image(4096), image(4096));
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for size in [0, SMALLEST - 16, SMALLEST + 1] {
            assert!(write(Path::new("/nowhere"), size, "demo", "1").is_err(), "{size}");
        }
    }
}
