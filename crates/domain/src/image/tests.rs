use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::testing::{esp_image, esp_image_of_size};

const ESP: ImageFormat = ImageFormat::EspIdf;

fn good() -> Vec<u8> {
    esp_image("esp32s3", 5000, 7, "boiler", "1.2.3")
}

/// Sets bytes and makes checksum and hash right again, so that only what was set can be wrong.
fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut image = good();
    image[at..at + bytes.len()].copy_from_slice(bytes);
    let end = image.len() - 32;
    let mut checksum = 0xEF;
    let mut position = 24;
    for _ in 0..3 {
        let length = u32::from_le_bytes(image[position + 4..position + 8].try_into().unwrap()) as usize;
        for byte in image.get(position + 8..position + 8 + length).unwrap_or_default() {
            checksum ^= byte;
        }
        position = (position + 8 + length).min(image.len() - 8);
    }
    image[end - 1] = checksum;
    let hash = Sha256::digest(&image[..end]);
    image[end..].copy_from_slice(&hash);
    image
}

fn refused(image: &[u8]) -> ImageError {
    inspect(ESP, image).expect_err("it is refused")
}

#[test]
fn a_valid_image_tells_what_it_is() {
    let facts = inspect(ESP, &good()).unwrap();
    let expected = ImageFacts {
        format: ESP,
        chip: Some("esp32s3".to_owned()),
        project: Some("boiler".to_owned()),
        app_version: Some("1.2.3".to_owned()),
        idf_version: Some("v5.4.1".to_owned()),
        segments: Some(3),
    };
    assert_eq!(facts, expected);
}

#[test]
fn every_known_chip_is_read() {
    for (_, chip) in CHIPS {
        let facts = inspect(ESP, &esp_image(chip, 100, 1, "p", "1")).unwrap();
        assert_eq!(facts.chip.as_deref(), Some(*chip));
    }
    assert_eq!(chip_id("esp8266"), None);
}

#[test]
fn fixtures_have_the_size_that_was_asked_for() {
    for size in [512, 528, 4096, 1_572_864] {
        let image = esp_image_of_size("esp32s3", size, 3, "boiler", "1");
        assert_eq!(image.len(), size);
        inspect(ESP, &image).unwrap();
    }
    assert_ne!(esp_image("esp32", 64, 1, "p", "1"), esp_image("esp32", 64, 2, "p", "1"));
}

#[test]
fn an_image_without_an_appended_hash_is_checked_by_its_checksum() {
    let mut image = good();
    image.truncate(image.len() - 32);
    image[23] = 0;
    inspect(ESP, &image).unwrap();
    image[1000] ^= 1;
    assert!(matches!(refused(&image), ImageError::Checksum { .. }));
}

#[test]
fn a_signed_image_is_accepted_and_a_padded_one_is_not() {
    let mut image = good();
    let end = image.len() as u64;
    image.resize(image.len().next_multiple_of(4096), 0xFF);
    let extra = image.len() as u64 - end;
    assert_eq!(refused(&image), ImageError::Trailing { end, extra });
    image.extend_from_slice(&[0xE7, 2, 0, 0]);
    image.resize(image.len() + 4092, 0x5A);
    inspect(ESP, &image).unwrap();
    image.push(0);
    assert!(matches!(refused(&image), ImageError::Trailing { .. }));
}

#[test]
fn what_is_wrong_is_said() {
    let image = good();
    let message = |bytes: &[u8]| refused(bytes).to_string();
    assert_eq!(message(b""), "the file is empty");
    assert!(message(b"hello").contains("begins with 0x68 instead of 0xe9"));
    assert!(message(b"\x7fELF\x01\x01").contains("an ELF file; upload the application's .bin"));
    assert!(message(&[0xFF; 64]).contains("a merged flash image"));
    assert!(message(b"\xaa\x50\x01\x02").contains("a partition table"));
    assert!(message(b":10000000").contains("objcopy -I ihex -O binary"));
    assert!(message(&patched(1, &[0])).contains("0 segments"));
    assert!(message(&patched(1, &[17])).contains("17 segments"));
    assert!(message(&patched(12, &[0x42, 0x42])).contains("0x4242; known are esp32, esp32s2"));
    assert!(message(&patched(23, &[2])).contains("hash flag is 2"));
    assert!(message(&patched(28, &[1, 1, 0, 0])).contains("segment 1 says that it has 257 bytes"));
    assert!(message(&patched(28, &[0, 0, 0, 0xF0])).contains("segment 1 says that it has 4026531840 bytes"));
    assert!(message(&patched(28, &[8, 0, 0, 0])).contains("a bootloader or a merged flash image"));
    assert!(message(&patched(32, b"nope")).contains("no application description"));
    assert_eq!(
        message(&image[..10]),
        "the image is truncated: the header ends at 24, but the file has 10 bytes; build or copy it again"
    );
    assert!(message(&image[..30]).contains("the header of segment 1 ends at 32, but the file has 30 bytes"));
    assert!(message(&image[..100]).contains("segment 1 ends at"));
    assert!(message(&image[..5000]).contains("segment 3 ends at"));
    assert!(message(&image[..image.len() - 33]).contains("the checksum ends at"));
    assert!(message(&image[..image.len() - 1]).contains("the SHA-256 ends at"));
    let mut damaged = image.clone();
    damaged[1000] ^= 0x10;
    assert!(message(&damaged).contains("its checksum is"));
    let mut damaged = image.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&damaged), ImageError::Hash);
    let end = image.len();
    let merged = [image, vec![0xFF; 100]].concat();
    assert!(message(&merged).contains(&format!("100 bytes follow the image, which ends at {end}")));
}

#[test]
fn texts_in_an_image_are_made_printable() {
    let facts = inspect(ESP, &patched(32 + 48, b"a\x1b[31m\xff \0hidden")).unwrap();
    assert_eq!(facts.project.as_deref(), Some("a\u{fffd}[31m\u{fffd}"));
    let facts = inspect(ESP, &patched(32 + 48, &[0; 32])).unwrap();
    assert_eq!(facts.project, None);
}

#[test]
fn a_raw_image_is_anything_but_nothing_and_intel_hex() {
    let raw = |bytes: &[u8]| inspect(ImageFormat::Raw, bytes);
    for bytes in [&b"\0"[..], b"\x7fELF", b":", b":00000001FE", b":zz\n", &[0xFF; 9]] {
        assert_eq!(raw(bytes).unwrap().format, ImageFormat::Raw, "{bytes:?}");
    }
    assert_eq!(raw(b""), Err(ImageError::Empty));
    let hex: [&[u8]; 4] = [
        b":00000001FF",
        b":020000040800F2\r\n:10000000\r\n",
        b":10010000214601360121470136007EFE09D2190140\n",
        b":0b0010006164647265737320676170a7\n",
    ];
    for bytes in hex {
        assert!(raw(bytes).unwrap_err().to_string().contains("objcopy"), "{bytes:?}");
    }
    let longest = [":FF000000", &"00".repeat(255), "01\n"].concat();
    assert!(raw(longest.as_bytes()).is_err());
}

#[test]
fn an_error_stays() {
    let mut inspector = ImageInspector::new(ESP);
    let error = inspector.push(b"x").unwrap_err();
    assert_eq!(inspector.push(&good()), Err(error.clone()));
    assert_eq!(inspector.finish(), Err(error));
}

#[test]
fn more_than_the_wire_can_name_is_refused_without_holding_it() {
    let mut inspector = ImageInspector::new(ImageFormat::Raw);
    let chunk = vec![7; 1 << 26];
    for _ in 0..31 {
        inspector.push(&chunk).unwrap();
    }
    inspector.push(&chunk[1..]).unwrap();
    assert_eq!(inspector.push(b"x"), Err(ImageError::TooLarge));
}

#[test]
fn an_image_fits_its_product_only() {
    let facts = inspect(ESP, &good()).unwrap();
    let product = |chip: &str, slot_size| NewProduct {
        name: "p".to_owned(),
        chip: chip.to_owned(),
        image_format: ESP,
        slot_size,
        display: None,
    };
    check_fits(&product("esp32s3", 6000), &facts, 6000).unwrap();
    check_fits(&product("ESP32-S3", 6000), &facts, 6000).unwrap();
    let error = check_fits(&product("esp32c3", 6000), &facts, 6000).unwrap_err().to_string();
    assert!(error.contains("built for esp32s3, but the product's chip is esp32c3"), "{error}");
    let error = check_fits(&product("esp32s3", 5999), &facts, 6000).unwrap_err().to_string();
    assert!(error.contains("6000 bytes, but a firmware slot of the product has 5999: 1 too many"), "{error}");
    assert!(check_fits(&product("esp32s3", -1), &facts, 1).is_err(), "a damaged slot size takes nothing");
    let raw = NewProduct { image_format: ImageFormat::Raw, ..product("stm32", 10) };
    assert!(matches!(check_fits(&raw, &facts, 5), Err(FitError::Format { .. })));
    check_fits(&raw, &inspect(ImageFormat::Raw, b"x").unwrap(), 10).unwrap();
}

proptest! {
    #[test]
    fn however_the_pieces_fall_the_answer_is_the_same(
        cuts in prop::collection::vec(0_usize..6000, 0..40),
        damage in prop::option::of((0_usize..6000, 1_u8..)),
        keep in 0_usize..12_000,
    ) {
        let mut image = good();
        if let Some((at, bits)) = damage {
            let at = at % image.len();
            image[at] ^= bits;
        }
        image.truncate(keep);
        let mut cuts: Vec<_> = cuts.into_iter().map(|c| c.min(image.len())).collect();
        cuts.extend([0, image.len()]);
        cuts.sort_unstable();
        let mut inspector = ImageInspector::new(ESP);
        let pushed = cuts.windows(2).try_for_each(|pair| inspector.push(&image[pair[0]..pair[1]]));
        let pieces = pushed.and_then(|()| inspector.finish());
        prop_assert_eq!(pieces, inspect(ESP, &image));
    }

    #[test]
    fn random_bytes_harm_nobody(bytes in prop::collection::vec(any::<u8>(), 0..600), start in 0_usize..64) {
        let mut image = good();
        image.truncate(start);
        image.extend_from_slice(&bytes);
        let _ = inspect(ESP, &image);
        let _ = inspect(ImageFormat::Raw, &bytes);
    }

    #[test]
    fn a_changed_image_is_never_accepted(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4),
    ) {
        let original = good();
        let mut image = original.clone();
        for (at, bits) in changes {
            image[at.index(original.len())] ^= bits;
        }
        prop_assume!(image != original);
        prop_assert!(inspect(ESP, &image).is_err());
    }

    #[test]
    fn an_image_that_lost_or_gained_bytes_is_never_accepted(
        at in any::<prop::sample::Index>(),
        lost in 0_usize..100,
        gained in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let original = good();
        let at = at.index(original.len() + 1);
        let mut image = original[..at].to_vec();
        image.extend_from_slice(&gained);
        image.extend_from_slice(original.get(at + lost..).unwrap_or_default());
        prop_assume!(image != original);
        prop_assert!(inspect(ESP, &image).is_err());
    }
}

/// A file in the temporary folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn with(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("argosy-domain-{}-{name}.bin", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What Espressif's own tool says of a file: whether it finds it valid, and its words.
fn esptool_judges(python: &str, file: &Path) -> (bool, String) {
    let output = Command::new(python).args(["-m", "esptool", "image-info"]).arg(file).output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let valid = output.status.success() && said.matches("(valid)").count() == 2;
    (valid, said)
}

#[test]
fn espressifs_own_tool_judges_as_we_do() {
    let Ok(python) = std::env::var("ARGOSY_TEST_PYTHON") else {
        eprintln!("skipped: ARGOSY_TEST_PYTHON names no Python interpreter with esptool");
        return;
    };
    for (number, chip) in ["esp32", "esp32s3", "esp32c6"].into_iter().enumerate() {
        let file = Scratch::with(chip, &esp_image(chip, 5000 + number * 77, 9, "자판기", "2.0.1-rc.1"));
        let (valid, said) = esptool_judges(&python, &file.0);
        assert!(valid, "{chip}: {said}");
        assert!(said.contains("Project name: 자판기") && said.contains("App version: 2.0.1-rc.1"), "{said}");
    }
    let large = esp_image_of_size("esp32s3", 1_572_864, 5, "boiler", "1.0.0");
    assert!(esptool_judges(&python, &Scratch::with("large", &large).0).0);

    let image = good();
    let flipped = |at: usize| {
        let mut image = image.clone();
        image[at] ^= 0x10;
        image
    };
    let bad: [(&str, Vec<u8>); 8] = [
        ("magic", flipped(0)),
        ("data", flipped(700)),
        ("description", flipped(40)),
        ("padding-or-checksum", flipped(image.len() - 33)),
        ("hash", flipped(image.len() - 1)),
        ("segment-length", flipped(28)),
        ("half", image[..image.len() / 2].to_vec()),
        ("no-hash", image[..image.len() - 32].to_vec()),
    ];
    for (name, bytes) in bad {
        let (valid, said) = esptool_judges(&python, &Scratch::with(name, &bytes).0);
        assert!(!valid, "{name}: {said}");
        assert!(inspect(ESP, &bytes).is_err(), "{name}");
    }
}
