//! The facts lane: rows for the series store, in group commits of their own.
//!
//! One task takes whatever has come since the last append, appends it in one group, and only then lets its messages be acknowledged.
//! When the store is full nothing of the group is acknowledged: devices keep what they have, and the other lane goes on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use argosy_domain::model::SeriesRow;
use argosy_domain::ports::{PortError, PortErrorKind};
use argosy_proto::DeviceId;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::IngestLimits;
use crate::metrics::add;
use crate::{Change, Engine, Shutdown};

/// The rows of one message, or of one commit of the other lane.
struct Group {
    rows: Vec<SeriesRow>,
    done: Option<oneshot::Sender<Result<(), PortError>>>,
}

/// What waits for the next append.
pub(crate) struct FactQueue {
    send: mpsc::Sender<Group>,
    receive: Mutex<Option<mpsc::Receiver<Group>>>,
    batch: usize,
}

impl FactQueue {
    pub(crate) fn new(limits: &IngestLimits) -> Self {
        let (send, receive) = mpsc::channel(limits.queue.max(1));
        Self { send, receive: Mutex::new(Some(receive)), batch: limits.fact_batch.max(1) }
    }

    /// Queues rows and waits until they are durable.
    pub(super) async fn durable(&self, rows: Vec<SeriesRow>) -> Result<(), PortError> {
        if rows.is_empty() {
            return Ok(());
        }
        let (done, wait) = oneshot::channel();
        let closed = || PortError::new("append facts", PortErrorKind::Unavailable);
        self.send.send(Group { rows, done: Some(done) }).await.map_err(|_| closed())?;
        wait.await.map_err(|_| closed())?
    }

    /// A place in the queue, if there is one now.
    pub(super) fn place(&self) -> Option<FactPlace<'_>> {
        self.send.try_reserve().ok().map(FactPlace)
    }

    /// Queues a row that nobody waits for; a crash before the next append, or a full queue, loses it.
    pub(crate) fn offer(&self, row: SeriesRow) -> bool {
        self.send.try_send(Group { rows: vec![row], done: None }).is_ok()
    }
}

/// A place in the queue.
pub(super) struct FactPlace<'a>(mpsc::Permit<'a, Group>);

impl FactPlace<'_> {
    /// Takes it; what comes back resolves when the rows are durable.
    pub(super) fn take(self, rows: Vec<SeriesRow>) -> oneshot::Receiver<Result<(), PortError>> {
        let (done, wait) = oneshot::channel();
        self.0.send(Group { rows, done: Some(done) });
        wait
    }
}

/// An append of so many messages says that more are on their way.
const BUSY: usize = 64;
/// How long the next one then waits for them: it shares one sync, and one round of wake-ups.
const PATIENCE: Duration = Duration::from_millis(4);

/// The facts task.
pub(crate) async fn run(engine: Arc<Engine>, shutdown: Shutdown) {
    let Some(mut receive) = engine.fact_queue.receive.lock().take() else { return };
    let most = engine.fact_queue.batch;
    let mut groups = Vec::with_capacity(most);
    let mut failures = 0_u32;
    let mut busy = false;
    loop {
        let got = tokio::select! {
            got = receive.recv_many(&mut groups, most) => got,
            () = shutdown.hard() => return,
            () = async { shutdown.soft().await; tokio::time::sleep(super::QUIET).await } => 0,
        };
        if got == 0 {
            break;
        }
        if busy && got < most {
            tokio::time::sleep(PATIENCE).await;
            while groups.len() < most
                && let Ok(group) = receive.try_recv()
            {
                groups.push(group);
            }
        }
        busy = groups.len() >= BUSY;
        match engine.append(&mut groups).await {
            Ok(()) => failures = 0,
            Err(full) => {
                failures += 1;
                // Devices send again at once what is refused: without a pause a full disk would keep a core busy.
                let pause = Duration::from_millis(if full { 500 } else { 50 << failures.min(6) });
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = shutdown.hard() => return,
                }
            }
        }
    }
    if let Err(error) = engine.ports.series.flush().await {
        tracing::warn!(error = %crate::dispatch::chain(&error), "the series store could not be put in order at the stop; the next start does it");
    }
}

impl Engine {
    /// Appends the groups and answers for them; the error says whether the store is full.
    async fn append(&self, groups: &mut Vec<Group>) -> Result<(), bool> {
        let mut rows = Vec::with_capacity(groups.len());
        for group in groups.iter_mut() {
            rows.append(&mut group.rows);
        }
        let (count, followed) = (rows.len(), self.feed.is_followed());
        let devices: BTreeSet<DeviceId> =
            if followed { rows.iter().map(|row| row.device).collect() } else { BTreeSet::new() };
        let appended = self.ports.series.append(rows).await;
        add(&self.metrics.fact_groups_total, 1);
        match appended {
            Ok(()) => {
                add(&self.metrics.facts_total, count as u64);
                for done in groups.drain(..).filter_map(|group| group.done) {
                    let _ = done.send(Ok(()));
                }
                if followed {
                    let ids: Vec<DeviceId> = devices.into_iter().filter(|id| id.0 != 0).collect();
                    self.feed.tell(Change::Devices { ids: ids.into() });
                }
                Ok(())
            }
            Err(error) => {
                add(&self.metrics.fact_failures_total, 1);
                tracing::error!(
                    error = %crate::dispatch::chain(&error),
                    rows = count,
                    "{count} facts could not be stored; they are not acknowledged and come again"
                );
                for done in groups.drain(..).filter_map(|group| group.done) {
                    let _ = done.send(Err(PortError::new("append facts", error.kind)));
                }
                Err(error.kind == PortErrorKind::Full)
            }
        }
    }
}
