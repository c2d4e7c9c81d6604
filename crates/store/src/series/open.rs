//! Opening: the lock, the partitions that are there, and what the journal still holds.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argosy_domain::model::{EventKind, EventRow};
use argosy_domain::ports::{PortError, PortErrorKind, PortResult, SeriesKind};
use argosy_proto::StreamName;
use parking_lot::RwLock;

use super::append::Journal;
use super::codec::Reader;
use super::facts::{Entry, read_entry};
use super::head::{Head, Memory, partition_start};
use super::journal;
use super::latest::LatestFile;
use super::options::SeriesOptions;
use super::partition::{Partition, classify, io_error, is_damage, side_file, start_of};

pub(super) type Catalog = BTreeMap<(SeriesKind, i64), Arc<Partition>>;

/// What was done since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) appended_rows: AtomicU64,
    pub(super) appends: AtomicU64,
    pub(super) append_failures: AtomicU64,
    pub(super) quarantined: AtomicU64,
    pub(super) journal_bytes: AtomicU64,
}

/// The series store in a folder. One process has it at a time.
#[derive(Debug)]
pub struct EmbeddedSeries {
    pub(super) folder: PathBuf,
    pub(super) options: SeriesOptions,
    pub(super) journal: Arc<tokio::sync::Mutex<Journal>>,
    pub(super) memory: Arc<RwLock<Memory>>,
    pub(super) catalog: RwLock<Catalog>,
    pub(super) latest: LatestFile,
    pub(super) flushing: tokio::sync::Mutex<()>,
    pub(super) counters: Arc<Counters>,
    _lock: File,
}

const OPERATION: &str = "open series store";

impl EmbeddedSeries {
    /// Opens the store in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made or read, or another process has it.
    pub async fn open(folder: PathBuf, options: SeriesOptions) -> PortResult<Self> {
        let failed = |error| io_error(OPERATION, error);
        let journal_folder = folder.join("journal");
        fs::create_dir_all(&journal_folder).map_err(failed)?;
        let lock = lock(&folder)?;
        let counters = Arc::new(Counters::default());
        let mut catalog = Catalog::new();
        for kind in SeriesKind::ALL {
            look_for(&folder, kind, &mut catalog, &counters).await?;
        }
        journal::sync_folder(&folder).map_err(failed)?;
        let segments = journal::segments(&journal_folder).map_err(failed)?;
        let highest = catalog.values().map(|p| p.upto.load(Ordering::Relaxed)).max().unwrap_or(0);
        let next = segments.last().copied().unwrap_or(0).max(highest) + 1;
        let mut head = Head::new(segments.first().copied().unwrap_or(next));
        let mut journal_bytes = 0;
        for number in &segments {
            journal_bytes += replay(&folder, &journal_folder, *number, &catalog, &mut head, &counters)?;
        }
        if !segments.is_empty() {
            tracing::info!(
                rows = head.total_rows(),
                segments = segments.len(),
                "the series store takes {} rows over from its journal",
                head.total_rows()
            );
        }
        counters.journal_bytes.store(journal_bytes, Ordering::Relaxed);
        let (latest, rebuild) = LatestFile::open(&folder, &counters).await?;
        let store = Self {
            journal: Arc::new(tokio::sync::Mutex::new(Journal::new(journal_folder, next))),
            memory: Arc::new(RwLock::new(Memory { active: head, frozen: None })),
            catalog: RwLock::new(catalog),
            latest,
            flushing: tokio::sync::Mutex::new(()),
            counters,
            folder,
            options,
            _lock: lock,
        };
        if rebuild {
            store.rebuild_latest().await?;
        }
        Ok(store)
    }

    /// The partitions of a kind, newest first.
    pub(super) fn partitions(&self, kind: SeriesKind) -> Vec<Arc<Partition>> {
        let catalog = self.catalog.read();
        catalog.range((kind, i64::MIN)..=(kind, i64::MAX)).rev().map(|(_, p)| p.clone()).collect()
    }

    /// Sets a damaged partition aside: the rest goes on without it.
    pub(super) fn quarantine(&self, partition: &Arc<Partition>, why: &PortError) {
        let removed = {
            let mut catalog = self.catalog.write();
            let key = (partition.kind, partition.start);
            let same = catalog.get(&key).is_some_and(|found| Arc::ptr_eq(found, partition));
            same && catalog.remove(&key).is_some()
        };
        if removed {
            partition.readers.rest(true);
            set_aside(&self.folder, &partition.path, why, &self.counters);
        }
    }
}

fn lock(folder: &Path) -> PortResult<File> {
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(|error| io_error(OPERATION, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PortError::new(OPERATION, PortErrorKind::Unavailable)
            .with_source(format!("another process has {}", folder.display()))),
        Err(TryLockError::Error(error)) => Err(io_error(OPERATION, error)),
    }
}

async fn look_for(
    folder: &Path,
    kind: SeriesKind,
    catalog: &mut Catalog,
    counters: &Counters,
) -> PortResult<()> {
    let of_kind = folder.join(kind.as_str());
    fs::create_dir_all(&of_kind).map_err(|error| io_error(OPERATION, error))?;
    for entry in fs::read_dir(&of_kind).map_err(|error| io_error(OPERATION, error))? {
        let entry = entry.map_err(|error| io_error(OPERATION, error))?;
        let Some(start) = entry.file_name().to_str().and_then(start_of) else { continue };
        let mut partition = Partition::new(folder, kind, start);
        match partition.look().await.map_err(|error| classify(OPERATION, error)) {
            Ok(false) => {}
            Ok(true) => {
                catalog.insert((kind, start), Arc::new(partition));
            }
            Err(error) if is_damage(&error) => set_aside(folder, &partition.path, &error, counters),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Moves a damaged file into `quarantine`, under a name that is free.
pub(super) fn set_aside(folder: &Path, path: &Path, why: &PortError, counters: &Counters) {
    counters.quarantined.fetch_add(1, Ordering::Relaxed);
    let relative = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('/', "-");
    let quarantine = folder.join("quarantine");
    let target = (0..)
        .map(|n| quarantine.join(format!("{relative}.{n}")))
        .find(|target| !target.exists())
        .unwrap_or_else(|| quarantine.join(&relative));
    let moved = fs::create_dir_all(&quarantine).and_then(|()| fs::rename(path, &target));
    if side_file(path).exists() {
        let _ = fs::rename(side_file(path), side_file(&target));
    }
    let reason = why.source.as_ref().map_or_else(|| why.to_string(), ToString::to_string);
    tracing::error!(
        file = %path.display(),
        quarantine = %target.display(),
        moved = moved.is_ok(),
        reason,
        "the series file {} is damaged and was set aside; what it held is missing from answers, everything else goes on",
        path.display()
    );
}

/// Takes the rows of a segment into `head`; bytes of the segment.
fn replay(
    folder: &Path,
    journal_folder: &Path,
    number: u64,
    catalog: &Catalog,
    head: &mut Head,
    counters: &Counters,
) -> PortResult<u64> {
    let mut row = 0_i64;
    let mut malformed = 0_u64;
    let id = |row: i64| i64::try_from(number).unwrap_or(0) << 32 | row;
    let known = |kind, at| {
        catalog
            .get(&(kind, partition_start(kind, at)))
            .is_some_and(|p| p.upto.load(Ordering::Relaxed) >= number)
    };
    let replayed = journal::replay(journal_folder, number, |frame| {
        let mut from = Reader(frame);
        let mut events: BTreeMap<EventKind, Vec<EventRow>> = BTreeMap::new();
        while !from.is_empty() {
            match read_entry(&mut from) {
                Ok(Entry::Sample { kind, device, stream, at, record }) => {
                    let stream = if stream.is_empty() { None } else { StreamName::new(stream).ok() };
                    if !known(kind, at.0) {
                        head.push_sample(kind, device, stream.as_ref(), at, record);
                    }
                }
                Ok(Entry::Event(event)) => {
                    let kind = event.event.kind();
                    if !known(SeriesKind::Event(kind), event.at.0) {
                        events.entry(kind).or_default().push(EventRow { id: id(row), ..event });
                    }
                }
                Err(_) => {
                    malformed += 1;
                    break;
                }
            }
            row += 1;
        }
        for (kind, rows) in events {
            head.push_events(kind, rows);
        }
    })
    .map_err(|error| io_error(OPERATION, error))?;
    if malformed > 0 || (replayed.torn > 0 && !replayed.cut_short) {
        counters.quarantined.fetch_add(1, Ordering::Relaxed);
        let kept = journal::keep_copy(journal_folder, number, &folder.join("quarantine"));
        tracing::error!(
            segment = number,
            good_bytes = replayed.good,
            lost_bytes = replayed.torn,
            malformed,
            kept = kept.is_ok(),
            "segment {number} of the series journal is damaged; what stands before the damage is taken over, {} bytes are left out",
            replayed.torn
        );
    } else if replayed.torn > 0 {
        tracing::warn!(
            segment = number,
            bytes = replayed.torn,
            "the series journal ends in {} bytes of a write that was cut off; it was not acknowledged, and is left out",
            replayed.torn
        );
    }
    Ok(replayed.good + replayed.torn)
}
