//! Valid ESP-IDF application images of any size, with a payload that does not compress.

use sha2::{Digest, Sha256};

use super::fake::split_mix;
use crate::image::chip_id;

/// Header, three segment headers, the application description, checksum block and hash: what an image has besides its payload, at least.
const FRAME: usize = 24 + 3 * 8 + 256 + 16 + 32;

/// A valid application image for `chip` with about `payload_len` random bytes from `seed`: the same arguments give the same image.
///
/// # Panics
/// If the chip is not one of [`crate::image::CHIPS`], or a text has more than 31 bytes.
pub fn esp_image(chip: &str, payload_len: usize, seed: u64, project: &str, version: &str) -> Vec<u8> {
    let id = chip_id(chip).unwrap_or_else(|| panic!("{chip} is not a known chip"));
    let mut state = seed;
    let mut payload = Vec::with_capacity(payload_len + 8);
    while payload.len() < payload_len {
        payload.extend_from_slice(&split_mix(&mut state).to_le_bytes());
    }
    payload.truncate(payload_len.next_multiple_of(4));

    let mut first = app_description(project, version, &mut state);
    let (a, rest) = payload.split_at(payload.len() / 12 * 4);
    let (b, c) = rest.split_at(rest.len() / 8 * 4);
    first.extend_from_slice(a);

    let mut image = vec![0xE9, 3, 2, 0x4F];
    image.extend_from_slice(&0x4037_5000_u32.to_le_bytes());
    image.extend_from_slice(&[0xEE, 0, 0, 0]);
    image.extend_from_slice(&id.to_le_bytes());
    image.extend_from_slice(&[0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0, 1]);
    let mut checksum = 0xEF_u8;
    for (address, data) in addresses(chip).into_iter().zip([first.as_slice(), b, c]) {
        image.extend_from_slice(&address.to_le_bytes());
        let length = u32::try_from(data.len()).expect("an image is smaller than 4 GiB");
        image.extend_from_slice(&length.to_le_bytes());
        image.extend_from_slice(data);
        checksum = data.iter().fold(checksum, |sum, byte| sum ^ byte);
    }
    image.resize(image.len() | 15, 0);
    image.push(checksum);
    let hash = Sha256::digest(&image);
    image.extend_from_slice(&hash);
    image
}

/// A valid application image of exactly `size` bytes.
///
/// # Panics
/// If `size` is no multiple of 16 (no image with a checksum has another size) or below 512.
pub fn esp_image_of_size(chip: &str, size: usize, seed: u64, project: &str, version: &str) -> Vec<u8> {
    assert!(size >= 512 && size.is_multiple_of(16), "an image has a multiple of 16 bytes, 512 or more");
    let image = esp_image(chip, size - FRAME, seed, project, version);
    assert_eq!(image.len(), size);
    image
}

/// Where constants, data and code of an application are mapped.
fn addresses(chip: &str) -> [u32; 3] {
    match chip {
        "esp32" => [0x3F40_0020, 0x3FFB_0000, 0x400D_0020],
        "esp32s2" => [0x3F00_0020, 0x3FFC_0000, 0x4008_0020],
        "esp32s3" | "esp32c3" | "esp32c2" => [0x3C00_0020, 0x3FC9_0000, 0x4200_0020],
        "esp32p4" => [0x4000_0020, 0x4FF4_0000, 0x4010_0020],
        _ => [0x4200_0020, 0x4080_0000, 0x4210_0020],
    }
}

fn app_description(project: &str, version: &str, state: &mut u64) -> Vec<u8> {
    let text = |field: &mut Vec<u8>, text: &str, length: usize| {
        assert!(text.len() < length, "{text:?} has more than {} bytes", length - 1);
        field.extend_from_slice(text.as_bytes());
        field.resize(field.len() + length - text.len(), 0);
    };
    let mut bytes = 0xABCD_5432_u32.to_le_bytes().to_vec();
    bytes.resize(16, 0);
    text(&mut bytes, version, 32);
    text(&mut bytes, project, 32);
    text(&mut bytes, "12:00:00", 16);
    text(&mut bytes, "Jan  1 2026", 16);
    text(&mut bytes, "v5.4.1", 32);
    for _ in 0..4 {
        bytes.extend_from_slice(&split_mix(state).to_le_bytes());
    }
    bytes.resize(256, 0);
    bytes
}
