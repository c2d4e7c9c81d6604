//! What is to be done from time to time: move rows, remove what is too old or too much.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use argosy_domain::Timestamp;
use argosy_domain::model::EventKind;
use argosy_domain::ports::{Maintained, PortResult, SeriesKind};
use sqlx::Connection as _;

use super::open::EmbeddedSeries;
use super::partition::{Partition, io_error};

const OPERATION: &str = "remove old series";
const DAY: i64 = 86_400_000;

impl EmbeddedSeries {
    pub(super) async fn keep_house(&self, now: Timestamp) -> PortResult<Maintained> {
        let mut done = Maintained::default();
        // First what makes room, so that a full disk can recover.
        let mut to_remove = self.too_old(now);
        to_remove.extend(self.too_much(now));
        for partition in to_remove {
            self.remove(&partition).await?;
            done.removed_partitions += 1;
        }
        let due = {
            let memory = self.memory.read();
            let active = &memory.active;
            memory.frozen.is_some()
                || active.bytes >= self.options.head_bytes
                || active.since.is_some_and(|since| since.elapsed() >= self.options.flush_after)
        };
        if due {
            done.moved_rows = self.flush_all().await?;
        }
        let partitions: Vec<_> = self.catalog.read().values().cloned().collect();
        for partition in partitions {
            for connection in partition.readers.rest(false) {
                let _ = connection.close().await;
            }
        }
        Ok(done)
    }

    fn too_old(&self, now: Timestamp) -> Vec<Arc<Partition>> {
        let old = |p: &&Arc<Partition>| {
            let days = self.options.days(p.kind);
            days.is_some_and(|days| p.end() <= now.0.saturating_sub(i64::from(days) * DAY))
        };
        let catalog = self.catalog.read();
        let mut found: Vec<_> = catalog.values().filter(old).cloned().collect();
        // Dead letters are bounded by their number too: partitions older than the newest so many.
        let kind = SeriesKind::Event(EventKind::DeadLetter);
        let mut newer = 0;
        for partition in catalog.range((kind, i64::MIN)..=(kind, i64::MAX)).rev().map(|(_, p)| p) {
            if newer >= self.options.max_dead_letters && !found.iter().any(|p| Arc::ptr_eq(p, partition)) {
                found.push(partition.clone());
            }
            newer += partition.rows.load(Ordering::Relaxed);
        }
        found
    }

    /// The oldest partitions beyond the limit of bytes; never one that is still written.
    fn too_much(&self, now: Timestamp) -> Vec<Arc<Partition>> {
        if self.options.max_total_bytes == 0 {
            return Vec::new();
        }
        let old = self.too_old(now);
        let catalog = self.catalog.read();
        let mut left: Vec<_> =
            catalog.values().filter(|p| !old.iter().any(|o| Arc::ptr_eq(o, p))).cloned().collect();
        left.sort_by_key(|p| p.end());
        let mut bytes: u64 = left.iter().map(|p| p.bytes.load(Ordering::Relaxed)).sum();
        let mut found = Vec::new();
        for partition in left {
            if bytes <= self.options.max_total_bytes || partition.end() > now.0 {
                break;
            }
            bytes -= partition.bytes.load(Ordering::Relaxed);
            found.push(partition);
        }
        found
    }

    /// Removes a partition. Whoever reads it at the moment reads on: the space is free when the last one is done.
    async fn remove(&self, partition: &Arc<Partition>) -> PortResult<()> {
        // Not in the middle of a flush, which may be writing it.
        let _one = self.flushing.lock().await;
        self.catalog.write().remove(&(partition.kind, partition.start));
        for connection in partition.readers.rest(true) {
            let _ = connection.close().await;
        }
        for file in partition.files() {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    self.catalog.write().insert((partition.kind, partition.start), partition.clone());
                    return Err(io_error(OPERATION, error));
                }
                _ => {}
            }
        }
        tracing::info!(
            file = %partition.path.display(),
            rows = partition.rows.load(Ordering::Relaxed),
            bytes = partition.bytes.load(Ordering::Relaxed),
            "{} is past its time, or there was too much, and was removed",
            partition.path.display()
        );
        Ok(())
    }
}
