//! What the JPEG decoder does not ask: whether the file is whole, and how often it goes over the picture.
//!
//! The decoder fills what is missing of a cut-off file with grey, as a browser does; on a display in a shop that is a fault.

/// What the markers of a JPEG file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Whether the end marker was met.
    pub(crate) complete: bool,
    /// Scans of the picture.
    pub(crate) scans: usize,
}

const SOS: u8 = 0xda;
const EOI: u8 = 0xd9;

/// Walks over the markers.
pub(crate) fn outline(file: &[u8]) -> Outline {
    let mut scans = 0;
    let mut at = 2;
    while let Some((marker, after)) = next_marker(file, at) {
        at = after;
        match marker {
            EOI => return Outline { complete: true, scans },
            // Markers without a segment: a restart, TEM, another start.
            0x01 | 0xd0..=0xd8 => {}
            _ => {
                let Some(&[high, low]) = file.get(at..).and_then(|rest| rest.first_chunk()) else { break };
                at += usize::from(u16::from_be_bytes([high, low])).max(2);
                // The coded picture follows a scan's header; no marker but restarts stands in it.
                scans += usize::from(marker == SOS);
            }
        }
    }
    Outline { complete: false, scans }
}

/// The next marker from `at` on and where its segment begins. A stuffed zero is no marker, and any number of 0xff may stand before one.
fn next_marker(file: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += file.get(at..)?.iter().position(|b| *b == 0xff)? + 1;
        match file.get(at)? {
            0x00 => at += 1,
            0xff => {}
            marker => return Some((*marker, at + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_and_counts_the_scans() {
        let file = [
            &[0xff, 0xd8][..],
            &[0xff, 0xe1, 0, 6, 0xff, 0xd9, 0xff, 0xda], // a segment with something that looks like markers
            &[0xff, 0xda, 0, 2, 1, 2, 0xff, 0x00, 3, 0xff, 0xd3, 4],
            &[0xff, 0xff, 0xda, 0, 2, 5],
            &[0xff, 0xd9],
        ]
        .concat();
        assert_eq!(outline(&file), Outline { complete: true, scans: 2 });
        for end in 0..file.len() {
            assert!(!outline(&file[..end]).complete, "{end}");
        }
    }
}
