//! The transitions lane: what moves an update or changes what the registry says of a device, in order, in group commits.
//!
//! One task takes whatever has come in since the last commit (bounded), applies it in memory, writes it in one unit of work, and
//! only then lets the device plane acknowledge. The busier it is the larger the groups get, so that the number of syncs does
//! not grow with the load. When the queue is full the device plane waits, and with it the devices' windows: nothing is dropped.

use std::sync::Arc;
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::ports::{InboundMessage, PortError, PortErrorKind};
use argosy_proto::{DeviceKey, UpMessage};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::IngestLimits;
use crate::metrics::add;
use crate::{Engine, Shutdown};

/// What waits for the next commit.
pub(super) enum Work {
    /// A device's message, decoded.
    Message(InboundMessage, Box<UpMessage>),
    /// A device is connected.
    Connected(DeviceKey),
    /// A device is gone.
    Disconnected(DeviceKey),
}

pub(super) struct Item {
    pub(super) work: Work,
    pub(super) at: Timestamp,
    done: Option<oneshot::Sender<Result<(), PortError>>>,
}

impl Item {
    /// The device that it is about.
    pub(super) fn key(&self) -> &DeviceKey {
        match &self.work {
            Work::Message(message, _) => &message.key,
            Work::Connected(key) | Work::Disconnected(key) => key,
        }
    }
}

/// The queue of the lane.
pub(crate) struct TransitionQueue {
    send: mpsc::Sender<Item>,
    receive: Mutex<Option<mpsc::Receiver<Item>>>,
    batch: usize,
}

impl TransitionQueue {
    pub(crate) fn new(limits: &IngestLimits) -> Self {
        let (send, receive) = mpsc::channel(limits.queue.max(1));
        Self {
            send,
            receive: Mutex::new(Some(receive)),
            batch: limits.batch.clamp(1, argosy_domain::ports::MAX_BULK),
        }
    }

    /// Queues work and waits until it is durable.
    pub(super) async fn durable(&self, work: Work, at: Timestamp) -> Result<(), PortError> {
        let (done, wait) = oneshot::channel();
        let closed = || PortError::new("ingest", PortErrorKind::Unavailable);
        self.send.send(Item { work, at, done: Some(done) }).await.map_err(|_| closed())?;
        wait.await.map_err(|_| closed())?
    }

    /// A place in the queue, if there is one now.
    pub(super) fn place(&self) -> Option<TransitionPlace<'_>> {
        self.send.try_reserve().ok().map(TransitionPlace)
    }

    /// Queues work that nobody waits for (presence); it stays until it is done.
    pub(super) async fn later(&self, work: Work, at: Timestamp) {
        let _ = self.send.send(Item { work, at, done: None }).await;
    }
}

/// A place in the queue.
pub(super) struct TransitionPlace<'a>(mpsc::Permit<'a, Item>);

impl TransitionPlace<'_> {
    /// Takes it; what comes back resolves when the work is durable.
    pub(super) fn take(self, work: Work, at: Timestamp) -> oneshot::Receiver<Result<(), PortError>> {
        let (done, wait) = oneshot::channel();
        self.0.send(Item { work, at, done: Some(done) });
        wait
    }
}

/// How long a commit should keep others from writing; half of what is promised.
const AIM: Duration = Duration::from_millis(25);
/// Fewer messages a commit would not hold the database much shorter: what remains is the sync.
const SMALLEST: usize = 200;

/// A commit of so many messages says that more are on their way.
const BUSY: usize = 8;
/// How long the next one then waits for them.
const PATIENCE: Duration = Duration::from_millis(10);

/// How many messages the next commit may have, after one of `got` that took `held`.
fn room(now: usize, got: usize, held: Duration, most: usize) -> usize {
    if held > AIM {
        (got.min(now) / 2).max(SMALLEST).min(now)
    } else if got == now && held < AIM / 2 {
        (now * 2).min(most)
    } else {
        now
    }
}

/// The transitions task.
pub(crate) async fn run(engine: Arc<Engine>, shutdown: Shutdown) {
    let Some(mut receive) = engine.transitions.receive.lock().take() else { return };
    let most = engine.transitions.batch;
    let mut items = Vec::with_capacity(most);
    let mut failures = 0_u32;
    let mut size = most.min(SMALLEST);
    let mut busy = false;
    loop {
        // What is left of a failed group (presence, for which nobody sends again) goes first.
        if items.is_empty() {
            // Soft shutdown does not end ingest: devices still connected are served until their connections are closed. It ends
            // when nothing has come for a while after the soft signal, or hard.
            let got = tokio::select! {
                got = receive.recv_many(&mut items, size) => got,
                () = shutdown.hard() => return,
                () = async { shutdown.soft().await; tokio::time::sleep(super::QUIET).await } => 0,
            };
            if got == 0 {
                break;
            }
        }
        if busy && items.len() < size {
            // Under load a little patience makes one commit of several: their fixed costs are shared. A single device never waits.
            tokio::time::sleep(PATIENCE).await;
            while items.len() < size
                && let Ok(item) = receive.try_recv()
            {
                items.push(item);
            }
        }
        let got = items.len();
        busy = got >= BUSY;
        match engine.commit_batch(&items).await {
            Ok(after) => {
                failures = 0;
                size = room(size, got, after.held, most);
                for item in items.drain(..) {
                    if let Some(done) = item.done {
                        let _ = done.send(Ok(()));
                    }
                }
                engine.after_commit(after).await;
            }
            Err(error) => {
                failures += 1;
                add(&engine.metrics.ingest_failures_total, 1);
                tracing::error!(
                    error = %crate::dispatch::chain(&error),
                    messages = items.len(),
                    "a group of {} messages could not be committed; they are not acknowledged and come again",
                    items.len()
                );
                let (asked, kept): (Vec<Item>, Vec<Item>) = items.drain(..).partition(|i| i.done.is_some());
                for done in asked.into_iter().filter_map(|item| item.done) {
                    let _ = done.send(Err(PortError::new("ingest", error.kind)));
                }
                items = kept;
                let pause = Duration::from_millis(50 << failures.min(6));
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = shutdown.hard() => return,
                }
                if shutdown.is_stopping() {
                    items.clear();
                }
            }
        }
    }
    if let Err(error) = engine.write_heard().await {
        tracing::warn!(error = %crate::dispatch::chain(&error), "when devices were last heard could not be written at the stop");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_held_the_database_for_long_is_followed_by_a_smaller_one() {
        let ms = Duration::from_millis;
        assert_eq!(room(1000, 1000, ms(40), 1000), 500);
        assert_eq!(room(1000, 300, ms(40), 1000), SMALLEST);
        assert_eq!(room(SMALLEST, SMALLEST, ms(900), 1000), SMALLEST);
        assert_eq!(room(50, 50, ms(900), 50), 50);
    }

    #[test]
    fn a_full_and_short_one_is_followed_by_a_larger_one_up_to_the_limit() {
        let ms = Duration::from_millis;
        assert_eq!(room(SMALLEST, SMALLEST, ms(5), 1000), 2 * SMALLEST);
        assert_eq!(room(800, 800, ms(5), 1000), 1000);
        assert_eq!(room(800, 10, ms(5), 1000), 800);
        assert_eq!(room(800, 800, ms(20), 1000), 800);
    }
}
