//! The durable part: an append-only file of frames, synced before an append counts.
//!
//! A segment is `{number:016x}.log`: frames of `length, digest, payload`. The digest covers the segment's number and the frame's place in it, so that
//! no stale bytes can pass for a frame. A crash leaves at most a torn end, which was not acknowledged, and is cut off. Segments are
//! removed once all of their rows are in partitions.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

/// Bytes before a payload.
const HEADER: usize = 4 + DIGEST;
const DIGEST: usize = 8;
/// The longest payload: more is not written, and a length beyond it is damage.
pub(super) const MAX_FRAME: usize = 256 << 20;

fn seal(segment: u64, offset: u64, payload: &[u8]) -> [u8; DIGEST] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&segment.to_le_bytes());
    context.update(&offset.to_le_bytes());
    context.update(payload);
    let full = context.finish();
    core::array::from_fn(|at| full.as_ref()[at])
}

/// A frame under construction: the header's place is kept free, the rows follow.
pub(super) fn new_frame(capacity: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER + capacity);
    frame.resize(HEADER, 0);
    frame
}

/// The segment that is written.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    path: PathBuf,
    pub(super) number: u64,
    /// Where the good part ends.
    end: u64,
    /// The good part could not be restored after a failed write: nothing more may be written here.
    broken: bool,
}

impl Segment {
    /// A new segment in `folder`; its name is durable.
    pub(super) fn create(folder: &Path, number: u64) -> io::Result<Self> {
        let path = path_of(folder, number);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        sync_folder(folder)?;
        Ok(Self { file, path, number, end: 0, broken: false })
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Writes a frame and syncs. On an error nothing of it is left, or the segment is [broken](Self::is_broken).
    pub(super) fn append(&mut self, frame: &mut [u8]) -> io::Result<()> {
        let len = u32::try_from(frame.len() - HEADER).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let seal = seal(self.number, self.end, &frame[HEADER..]);
        frame[..4].copy_from_slice(&len.to_le_bytes());
        frame[4..HEADER].copy_from_slice(&seal);
        let written = self.file.write_all_at(frame, self.end).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.end += frame.len() as u64;
                Ok(())
            }
            Err(error) => {
                // After a failed sync nobody knows what is on disk: what was not acknowledged goes.
                self.broken = self.file.set_len(self.end).and_then(|()| self.file.sync_data()).is_err();
                if self.broken {
                    tracing::error!(
                        segment = %self.path.display(),
                        "the series journal could not be cut back after a failed write; the next append begins a new segment"
                    );
                }
                Err(error)
            }
        }
    }
}

fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.log"))
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The numbers of the segments in `folder`, ascending.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
        numbers.extend(number.and_then(|hex| u64::from_str_radix(hex, 16).ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes segments up to and including `upto`.
pub(super) fn remove_upto(folder: &Path, upto: u64) -> io::Result<()> {
    for number in segments(folder)?.into_iter().filter(|number| *number <= upto) {
        fs::remove_file(path_of(folder, number))?;
    }
    sync_folder(folder)
}

/// What was read back of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replayed {
    /// Bytes of good frames.
    pub(super) good: u64,
    /// Bytes after them, which are no frame.
    pub(super) torn: u64,
    /// They are a frame that ends too early, as a write that was cut off leaves it; nothing that was ever whole.
    pub(super) cut_short: bool,
}

/// Gives every good frame's payload to `each`, in order.
pub(super) fn replay(folder: &Path, number: u64, mut each: impl FnMut(&[u8])) -> io::Result<Replayed> {
    let bytes = fs::read(path_of(folder, number))?;
    let mut at = 0;
    while let Some(frame) = frame_at(&bytes, at, number) {
        each(frame);
        at += HEADER + frame.len();
    }
    let torn = (bytes.len() - at) as u64;
    let announced = bytes.get(at..at + 4).and_then(|len| len.try_into().ok()).map(u32::from_le_bytes);
    let cut_short = announced.is_none_or(|len| HEADER as u64 + u64::from(len) > torn);
    Ok(Replayed { good: at as u64, torn, cut_short })
}

fn frame_at(bytes: &[u8], at: usize, number: u64) -> Option<&[u8]> {
    let header = bytes.get(at..at + HEADER)?;
    let len = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
    let frame = bytes.get(at + HEADER..at + HEADER + len).filter(|_| len <= MAX_FRAME)?;
    (seal(number, at as u64, frame) == header[4..]).then_some(frame)
}

/// Keeps a copy of a damaged segment under `quarantine`, for a person to look at.
pub(super) fn keep_copy(folder: &Path, number: u64, quarantine: &Path) -> io::Result<()> {
    fs::create_dir_all(quarantine)?;
    let name = format!("{number:016x}.log");
    fs::copy(folder.join(&name), quarantine.join(&name)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(content: &[u8]) -> Vec<u8> {
        let mut frame = new_frame(content.len());
        frame.extend_from_slice(content);
        frame
    }

    fn read(folder: &Path, number: u64) -> (Vec<Vec<u8>>, u64) {
        let mut found = Vec::new();
        let replayed = replay(folder, number, |payload| found.push(payload.to_vec())).unwrap();
        (found, replayed.torn)
    }

    #[test]
    fn a_segment_gives_back_its_frames() {
        let folder = tempfile::tempdir().unwrap();
        let mut segment = Segment::create(folder.path(), 7).unwrap();
        for content in [&b"one"[..], b"", b"three"] {
            segment.append(&mut frame(content)).unwrap();
        }
        assert_eq!(read(folder.path(), 7), (vec![b"one".to_vec(), Vec::new(), b"three".to_vec()], 0));
        assert_eq!(segments(folder.path()).unwrap(), [7]);
        remove_upto(folder.path(), 7).unwrap();
        assert!(segments(folder.path()).unwrap().is_empty());
    }

    /// Wherever a write was cut, and whichever byte was changed: a prefix of the frames, never anything else.
    #[test]
    fn a_torn_or_changed_end_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let mut segment = Segment::create(folder.path(), 1).unwrap();
        let contents: Vec<Vec<u8>> = (0..6_u8).map(|n| vec![n; usize::from(n) * 7]).collect();
        for content in &contents {
            segment.append(&mut frame(content)).unwrap();
        }
        let path = path_of(folder.path(), 1);
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (found, torn) = read(folder.path(), 1);
            assert_eq!(found, contents[..found.len()]);
            let good: usize = found.iter().map(|f| HEADER + f.len()).sum();
            assert_eq!(good as u64 + torn, cut as u64);
            let mut changed = whole.clone();
            changed[cut] ^= 0x10;
            fs::write(&path, &changed).unwrap();
            let (found, torn) = read(folder.path(), 1);
            assert!(found.len() < contents.len() && torn > 0);
            assert_eq!(found, contents[..found.len()]);
        }
    }

    #[test]
    fn frames_of_another_segment_or_place_are_no_frames() {
        let folder = tempfile::tempdir().unwrap();
        Segment::create(folder.path(), 1).unwrap().append(&mut frame(b"stale")).unwrap();
        fs::copy(path_of(folder.path(), 1), path_of(folder.path(), 2)).unwrap();
        assert_eq!(read(folder.path(), 2).0, Vec::<Vec<u8>>::new());
        let twice = fs::read(path_of(folder.path(), 1)).unwrap().repeat(2);
        fs::write(path_of(folder.path(), 1), twice).unwrap();
        assert_eq!(read(folder.path(), 1).0.len(), 1);
    }
}
