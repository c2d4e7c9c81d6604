//! Publishes taken from the stream, past the broker's session. (Added by Argosy, see ARGOSY.md.)
//!
//! A session takes one publish at a time and writes its acknowledgement by itself. An embedding program that stores what devices say
//! in groups wants several of a connection under way at once, and their acknowledgements in one write. What it takes here never
//! reaches the session; acknowledgements go out in the order in which the publishes came, as MQTT asks.

use std::future::Future;
use std::num::NonZeroU16;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{FuturesOrdered, Stream};
use tokio::time::Instant;

use crate::connection::{Connection, Observer};
use rmqtt_codec::types::Publish;

/// What becomes of a publish that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is acknowledged.
    Acknowledge,
    /// It is not acknowledged; the connection stays. The peer sends it again when it connects again.
    Silence,
    /// The connection is cut.
    Cut,
}

/// A publish that was taken.
pub struct Taken {
    /// Resolves to what becomes of it. Polled at once and in the order of arrival.
    pub answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
    /// Nothing more is read from the connection until it is resolved.
    pub alone: bool,
}

/// Publishes of one connection under way at most; then nothing more is read.
const MOST: usize = 64;

/// How often the session hears that the peer is alive although its publishes do not reach it.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

type Pending = Pin<Box<dyn Future<Output = (Option<NonZeroU16>, Answer)> + Send>>;

/// The publishes of one connection that are under way.
pub(crate) struct Intake {
    pending: FuturesOrdered<Pending>,
    alone: bool,
    flushing: bool,
    signed_at: Option<Instant>,
}

impl Default for Intake {
    fn default() -> Self {
        Self { pending: FuturesOrdered::new(), alone: false, flushing: false, signed_at: None }
    }
}

impl Intake {
    /// Offers a publish; gives it back if nobody takes it.
    pub(crate) fn offer(
        &mut self,
        observer: &dyn Observer,
        connection: &Arc<Connection>,
        publish: Box<Publish>,
    ) -> Result<(), Box<Publish>> {
        let Some(taken) = observer.publish(connection, &publish) else { return Err(publish) };
        let packet_id = publish.packet_id;
        self.alone = taken.alone;
        self.pending.push_back(Box::pin(async move { (packet_id, taken.answer.await) }));
        Ok(())
    }

    /// Whether more may be read.
    pub(crate) fn has_room(&self) -> bool {
        self.pending.is_empty() || (!self.alone && self.pending.len() < MOST)
    }

    /// Nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// The next that is resolved, in order of arrival.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Option<NonZeroU16>, Answer)> {
        match Pin::new(&mut self.pending).poll_next(cx) {
            Poll::Ready(Some(answered)) => {
                self.alone &= !self.pending.is_empty();
                Poll::Ready(answered)
            }
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Something was written, and is to be flushed.
    pub(crate) fn wrote(&mut self) {
        self.flushing = true;
    }

    /// Whether something is to be flushed.
    pub(crate) fn is_flushing(&self) -> bool {
        self.flushing
    }

    /// It is flushed.
    pub(crate) fn flushed(&mut self) {
        self.flushing = false;
    }

    /// Whether the session is to hear now that the peer is alive.
    pub(crate) fn sign_of_life(&mut self) -> bool {
        let now = Instant::now();
        let due = self.signed_at.is_none_or(|at| now.duration_since(at) >= SIGN_OF_LIFE);
        if due {
            self.signed_at = Some(now);
        }
        due
    }
}
