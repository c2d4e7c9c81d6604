//! An outside judge: `lvglimg` (PyPI) reads our binaries and must see the pixels of our preview.
//!
//! It reads two formats of LVGL 8 itself: true colour of 16 bits, and with alpha of 32. The rest has the same pixels as a format
//! of LVGL 9 (and 16 bits swapped are 16 bits), so the script puts that header in front of our body; only RGB332 has no judge.

use std::process::Command;

use argosy_domain::model::{ContentFit, DisplayProfile};

use crate::pictures::*;

const SCRIPT: &str = r#"
import struct, sys
import lvglimg.decoder as judge
from PIL import Image

def extended(value, bits):
    return judge._bit_extend(round(value * ((1 << bits) - 1) / 255), bits)

folder = sys.argv[1]
for line in open(folder + "/cases"):
    name, depth, swapped = line.split()
    data = open(f"{folder}/{name}.bin", "rb").read()
    ours = Image.open(f"{folder}/{name}.png").convert("RGBA")
    (word,) = struct.unpack_from("<I", data)
    form, width, height, body = word & 31, word >> 10 & 2047, word >> 21, bytearray(data[4:])
    assert ours.size == (width, height), (name, ours.size, width, height)
    if swapped == "true":
        step = 2 if form == 4 else 3
        body[0::step], body[1::step] = body[1::step], body[0::step]
    nine = {(5, 16): 0x13, (4, 32): 0x11}.get((form, int(depth)), form if form > 6 else None)
    if nine is None:
        theirs = judge.decode(data[:4] + bytes(body))
    else:
        head = bytes([0x19, nine]) + struct.pack("<HHHHH", 0, width, height, 0, 0)
        theirs = judge.decode(head + bytes(body))
    theirs = list(theirs.convert("RGBA").getdata())
    ours = list(ours.getdata())
    if depth == "16" and form in (4, 5):
        # It widens 5 and 6 bits to 8 in its own way; the bits themselves must agree.
        ours = [(extended(r, 5), extended(g, 6), extended(b, 5), a) for r, g, b, a in ours]
    assert len(ours) == len(theirs) == width * height, name
    wrong = [i for i, (o, t) in enumerate(zip(ours, theirs)) if o != t]
    assert not wrong, (name, len(wrong), wrong[0], ours[wrong[0]], theirs[wrong[0]])
    print("agrees:", name)
"#;

#[test]
fn lvglimg_sees_what_the_preview_shows() {
    let Ok(python) = std::env::var("ARGOSY_TEST_PYTHON") else {
        eprintln!("skipped: ARGOSY_TEST_PYTHON names no Python interpreter with lvglimg");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let translucent = {
        let mut scene = scene(150, 90);
        for (x, _, pixel) in scene.enumerate_pixels_mut() {
            pixel.0[3] = (x * 255 / 150) as u8;
        }
        scene
    };
    let mut cases = Vec::new();
    let mut add = |name: &str, file: &[u8], display: DisplayProfile| {
        let made = make(file, &display, ContentFit::Fit).unwrap();
        std::fs::write(folder.path().join(format!("{name}.bin")), &made.binary).unwrap();
        std::fs::write(folder.path().join(format!("{name}.png")), &made.preview).unwrap();
        cases.push(format!("{name} {} {}\n", display.color_depth, display.swap_bytes));
    };
    let file = png(&translucent);
    add("565", &file, display(160, 100, 16));
    add("565-swapped", &file, swapped(display(161, 99, 16)));
    add("565-alpha", &file, with_alpha(display(80, 48, 16)));
    add("565-swapped-alpha", &file, swapped(with_alpha(display(33, 21, 16))));
    add("8888", &file, display(70, 70, 32));
    add("8888-alpha", &file, with_alpha(display(70, 50, 32)));
    add("photo", &jpeg(&scene(640, 320)), display(640, 320, 16));
    add("webp", &webp(&translucent), display(320, 240, 16));
    // Ready ones of every packed format, rows that do not fill their last byte.
    for (format, bits) in [(7, 1), (8, 2), (9, 4), (10, 8), (11, 1), (12, 2), (13, 4), (14, 8_usize)] {
        let (width, height) = (13_usize, 7);
        let palette = if format < 11 { 4 << bits } else { 0 };
        let length = palette + (width * bits).div_ceil(8) * height;
        let mut file = (format | 13 << 10 | 7_u32 << 21).to_le_bytes().to_vec();
        file.extend((0..length).map(|i| (i * 151 + i / 7) as u8));
        add(&format!("ready-{format}"), &file, with_alpha(display(13, 7, 16)));
    }
    std::fs::write(folder.path().join("cases"), cases.concat()).unwrap();

    let output = Command::new(python).args(["-c", SCRIPT]).arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches("agrees: ").count(), cases.len(), "{said}");
}
