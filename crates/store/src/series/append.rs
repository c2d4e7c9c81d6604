//! Appending: encode, one write, one sync, then into memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use argosy_domain::model::SeriesRow;
use argosy_domain::ports::{PortError, PortErrorKind, PortResult};
use tokio::sync::OwnedMutexGuard;

use super::facts::put_row;
use super::journal::{MAX_FRAME, Segment, new_frame};
use super::open::EmbeddedSeries;
use super::partition::io_error;

const OPERATION: &str = "append to series";
/// Bytes between two looks at the free space.
const LOOK_EVERY: u64 = 4 << 20;

/// The journal's end.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) folder: PathBuf,
    /// The number of the segment that is, or will be, written.
    pub(super) number: u64,
    pub(super) segment: Option<Segment>,
    /// Rows in it.
    rows: i64,
    /// Bytes since the free space was looked at; the first append looks.
    unseen: u64,
}

impl Journal {
    pub(super) fn new(folder: PathBuf, number: u64) -> Self {
        Self { folder, number, segment: None, rows: 0, unseen: LOOK_EVERY }
    }

    /// Ends the segment; the next append begins another. The number of the one that has ended.
    pub(super) fn rotate(&mut self) -> u64 {
        let ended = self.number;
        self.number += 1;
        self.rows = 0;
        self.segment = None;
        ended
    }

    fn segment(&mut self) -> std::io::Result<&mut Segment> {
        if self.segment.as_ref().is_some_and(Segment::is_broken) {
            self.rotate();
        }
        match &mut self.segment {
            Some(segment) => Ok(segment),
            empty => Ok(empty.insert(Segment::create(&self.folder, self.number)?)),
        }
    }

    fn check_space(&mut self, min_free: u64, adding: u64) -> PortResult<()> {
        self.unseen += adding;
        if min_free == 0 || self.unseen < LOOK_EVERY {
            return Ok(());
        }
        let free = rustix::fs::statvfs(&self.folder).map_err(|error| io_error(OPERATION, error.into()))?;
        let free = free.f_bavail.saturating_mul(free.f_frsize);
        if free < min_free {
            let why = format!("the file system has {free} bytes free, and {min_free} are kept for others");
            return Err(PortError::new(OPERATION, PortErrorKind::Full).with_source(why));
        }
        self.unseen = 0;
        Ok(())
    }
}

impl EmbeddedSeries {
    pub(super) async fn append_rows(&self, rows: Vec<SeriesRow>) -> PortResult<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let appended = self.try_append(rows).await;
        if appended.is_err() {
            self.counters.append_failures.fetch_add(1, Ordering::Relaxed);
        }
        appended
    }

    async fn try_append(&self, rows: Vec<SeriesRow>) -> PortResult<()> {
        // Maintenance should have moved rows long before; when it cannot, memory stays bounded and the devices wait.
        if self.memory.read().active.bytes > self.options.head_bytes.saturating_mul(2) {
            self.flush_all().await?;
        }
        let count = rows.len() as u64;
        let mut frame = new_frame(rows.len() * 96);
        let mut scratch = Vec::with_capacity(256);
        let kept: Vec<_> = rows.into_iter().map(|row| put_row(&mut frame, &mut scratch, row)).collect();
        if frame.len() > MAX_FRAME {
            let why = format!("a group of {} bytes is more than {MAX_FRAME}", frame.len());
            return Err(PortError::new(OPERATION, PortErrorKind::Internal).with_source(why));
        }
        let mut journal: OwnedMutexGuard<Journal> = self.journal.clone().lock_owned().await;
        let memory = self.memory.clone();
        let counters = self.counters.clone();
        let min_free = self.options.min_free_bytes;
        // On a thread that may wait for the disk. It ends what it has begun even if the caller gives up: what is durable is in memory.
        let written = tokio::task::spawn_blocking(move || {
            journal.check_space(min_free, frame.len() as u64)?;
            let segment = journal.segment().map_err(|error| io_error(OPERATION, error))?;
            segment.append(&mut frame).map_err(|error| io_error(OPERATION, error))?;
            let first = i64::try_from(journal.number).unwrap_or(0) << 32 | journal.rows;
            journal.rows += kept.len() as i64;
            memory.write().active.take(&frame, kept, |n| first + n as i64);
            counters.journal_bytes.fetch_add(frame.len() as u64, Ordering::Relaxed);
            counters.appends.fetch_add(1, Ordering::Relaxed);
            counters.appended_rows.fetch_add(count, Ordering::Relaxed);
            drop(journal);
            Ok(())
        });
        written
            .await
            .map_err(|error| PortError::new(OPERATION, PortErrorKind::Internal).with_source(error))?
    }

    /// Ends the active head's segment and freezes the head. `false` if there was nothing to freeze.
    pub(super) async fn freeze(&self) -> bool {
        let mut journal = self.journal.lock().await;
        let mut memory = self.memory.write();
        if memory.frozen.is_some() || memory.active.is_empty() {
            return memory.frozen.is_some();
        }
        let ended = journal.rotate();
        let next = super::head::Head::new(journal.number);
        let mut frozen = std::mem::replace(&mut memory.active, next);
        frozen.last_segment = ended;
        memory.frozen = Some(Arc::new(frozen));
        true
    }
}
