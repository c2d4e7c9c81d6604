//! What a picture may cost, held by the operating system: a child of this test that asks for more is ended.

use std::process::Command;

use argosy_domain::model::ContentFit;
use argosy_domain::ports::MediaErrorKind;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::pictures::*;

const CHILD: &str = "ARGOSY_MEDIA_TEST_CHILD";

/// Runs a test of this module in a process of its own that may not have more than `mebibytes` of data.
fn in_a_process_of(mebibytes: u64, test: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        let most = Some(mebibytes << 20);
        setrlimit(Resource::Data, Rlimit { current: most, maximum: getrlimit(Resource::Data).maximum })
            .expect("a limit");
        return true;
    }
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

#[test]
fn bombs_are_refused_without_their_memory() {
    if !in_a_process_of(160, "memory::bombs_are_refused_without_their_memory") {
        return;
    }
    // A gigabyte of one colour in a few hundred bytes of header and data.
    for (width, height) in [(16_384, 16_384), (30_000, 30_000), (16_384, 1954), (0x7fff_ffff, 0x7fff_ffff)] {
        let file = png_that_says(&png(&scene(8, 8)), width, height);
        let error = refused(&file, &display(800, 480, 16));
        assert_eq!(error.kind, MediaErrorKind::TooLarge, "{error}");
    }
    // Text and colour profile that unpack to far more than they weigh: they are not unpacked, or within limits.
    let zeros = {
        // A stored deflate stream cannot bomb; a run of zero bytes as a PNG's own data can be lifted out of one.
        let blank = opaque_png(&image(2000, 2000, |_, _| [0, 0, 0, 255]));
        let data = blank.windows(4).position(|w| w == b"IDAT").unwrap();
        let length = u32::from_be_bytes(*blank[..data].last_chunk().unwrap()) as usize;
        blank[data + 4..data + 4 + length].to_vec()
    };
    let file = png(&scene(8, 8));
    for (kind, head) in [(b"zTXt", b"Comment\0\0".as_slice()), (b"iCCP", b"icc\0\0")] {
        let bombed = png_with_chunk(&file, kind, &[head, &zeros].concat());
        // Either answer is right, so long as it is one.
        drop(make(&bombed, &display(8, 8, 16), ContentFit::Fit));
    }
}

#[test]
fn the_largest_picture_stays_within_what_is_promised() {
    if !in_a_process_of(400, "memory::the_largest_picture_stays_within_what_is_promised") {
        return;
    }
    // 32 million pixels, as large as is let in: 96 MB decoded.
    let large = image::RgbImage::from_pixel(8000, 4000, [10, 120, 30].into());
    let mut file = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, 50).encode_image(&large).unwrap();
    drop(large);
    let made = make(&file, &display(2047, 2047, 32), ContentFit::Fill).unwrap();
    assert_eq!(made.binary.len(), 4 + 2047 * 2047 * 4);
}
