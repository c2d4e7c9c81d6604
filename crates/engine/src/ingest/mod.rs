//! Everything that devices say goes through here, in order, in group commits.
//!
//! One task takes whatever has come in since the last commit (bounded), decodes it, applies it in memory, writes it in one unit of
//! work, and only then lets the device plane acknowledge. The busier it is the larger the groups get, so that the number of syncs does
//! not grow with the load. When the queue is full the device plane waits, and with it the devices' windows: nothing is dropped.

mod batch;
mod gate;
mod reports;
mod updates;

use std::sync::Arc;
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::ports::{InboundMessage, PortError, PortErrorKind};
use argosy_proto::DeviceKey;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::{Engine, Shutdown};

/// Limits of ingest.
#[derive(Debug, Clone)]
pub struct IngestLimits {
    /// Messages waiting for the next commit at most; beyond it the device plane waits.
    pub queue: usize,
    /// Messages of one commit at most.
    pub batch: usize,
    /// Rows kept for the series store at most; the oldest go first.
    pub max_inbox_rows: u64,
    /// Dead letters kept at most; the oldest go first.
    pub max_dead_letters: u64,
    /// Bytes of a dead letter's payload that are kept.
    pub dead_letter_bytes: usize,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            queue: 8192,
            batch: 1000,
            max_inbox_rows: 1_000_000,
            max_dead_letters: 10_000,
            dead_letter_bytes: 4096,
        }
    }
}

/// What waits for the next commit.
pub(crate) enum Work {
    /// A device's message.
    Message(InboundMessage),
    /// A device is connected.
    Connected(DeviceKey),
    /// A device is gone.
    Disconnected(DeviceKey),
}

pub(crate) struct Item {
    work: Work,
    at: Timestamp,
    done: Option<oneshot::Sender<Result<(), PortError>>>,
}

pub(crate) struct IngestQueue {
    send: mpsc::Sender<Item>,
    receive: Mutex<Option<mpsc::Receiver<Item>>>,
    batch: usize,
}

impl IngestQueue {
    pub(crate) fn new(limits: &IngestLimits) -> Self {
        let (send, receive) = mpsc::channel(limits.queue.max(1));
        Self {
            send,
            receive: Mutex::new(Some(receive)),
            batch: limits.batch.clamp(1, argosy_domain::ports::MAX_BULK),
        }
    }

    /// Queues work and waits until it is durable.
    async fn durable(&self, work: Work, at: Timestamp) -> Result<(), PortError> {
        let (done, wait) = oneshot::channel();
        let closed = || PortError::new("ingest", PortErrorKind::Unavailable);
        self.send.send(Item { work, at, done: Some(done) }).await.map_err(|_| closed())?;
        wait.await.map_err(|_| closed())?
    }

    /// Queues work that nobody waits for (presence).
    async fn later(&self, work: Work, at: Timestamp) {
        let _ = self.send.send(Item { work, at, done: None }).await;
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

/// The ingest task.
pub(crate) async fn run(engine: Arc<Engine>, shutdown: Shutdown) {
    let Some(mut receive) = engine.ingest.receive.lock().take() else { return };
    let mut items = Vec::with_capacity(engine.ingest.batch);
    let mut failures = 0_u32;
    let most = engine.ingest.batch;
    let mut size = most.min(SMALLEST);
    let mut busy = false;
    loop {
        // Soft shutdown does not end ingest: devices still connected are served until their connections are closed. It ends when
        // nothing has come for a while after the soft signal, or hard.
        let got = tokio::select! {
            got = receive.recv_many(&mut items, size) => got,
            () = shutdown.hard() => return,
            () = async { shutdown.soft().await; tokio::time::sleep(Duration::from_millis(500)).await } => 0,
        };
        if got == 0 {
            return;
        }
        if busy && got < size {
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
                crate::metrics::add(&engine.metrics.ingest_failures_total, 1);
                tracing::error!(
                    error = %crate::dispatch::chain(&error),
                    messages = items.len(),
                    "a group of {} messages could not be committed; they are not acknowledged and come again",
                    items.len()
                );
                for item in items.drain(..) {
                    if let Some(done) = item.done {
                        let _ = done.send(Err(PortError::new("ingest", error.kind)));
                    }
                }
                let pause = Duration::from_millis(50 << failures.min(6));
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = shutdown.hard() => return,
                }
            }
        }
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
