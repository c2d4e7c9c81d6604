//! The firmware of the tests' only product.

use argosy_domain::testing::esp_image_of_size;

pub(crate) const PRODUCT: &str = "kiosk";
pub(crate) const CHIP: &str = "esp32s3";
/// Bytes of a slot.
pub(crate) const SLOT: usize = 1024 * 1024;

/// A valid image; other versions have other bytes.
pub(crate) fn image(size: usize, version: &str) -> Vec<u8> {
    let seed = version.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
    esp_image_of_size(CHIP, size, seed, PRODUCT, version)
}
