//! One MQTT session, and the messages that outlive it until they are acknowledged.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use super::codec::{self, CodecError, Decoder, Packet, Publish};
use crate::net::{Peer, Wire, WireError};

/// A session failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MqttError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the broker's bytes are not MQTT")]
    Codec(#[from] CodecError),
    #[error("the broker refused the session with code {0}")]
    Refused(u8),
    #[error("the broker answered CONNECT with something else")]
    NoConnAck,
    #[error("the broker does not answer pings")]
    Silent,
}

impl MqttError {
    /// A word for a table of failures.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Wire(error) => error.kind(),
            Self::Codec(_) => "malformed MQTT",
            Self::Refused(1) => "refused: protocol version",
            Self::Refused(2) => "refused: client id",
            Self::Refused(3) => "refused: server unavailable",
            Self::Refused(4) => "refused: user name or password",
            Self::Refused(_) => "refused: not authorised",
            Self::NoConnAck => "no CONNACK",
            Self::Silent => "no PINGRESP",
        }
    }
}

/// How to open a session.
#[derive(Debug, Clone)]
pub(crate) struct Connected {
    pub(crate) client_id: String,
    pub(crate) clean_session: bool,
    pub(crate) keep_alive_s: u16,
}

/// An open session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) wire: Wire,
    decoder: Decoder,
    ping_open: bool,
}

impl Session {
    /// Connects and waits for the broker's yes.
    pub(crate) async fn open(peer: &Peer, how: &Connected) -> Result<Self, MqttError> {
        let mut session =
            Self { wire: Wire::connect(peer).await?, decoder: Decoder::default(), ping_open: false };
        session.wire.send(&codec::connect(&how.client_id, how.clean_session, how.keep_alive_s))?;
        match poll_fn(|cx| session.poll_packet(cx)).await? {
            Packet::ConnAck { code: 0, .. } => Ok(session),
            Packet::ConnAck { code, .. } => Err(MqttError::Refused(code)),
            _ => Err(MqttError::NoConnAck),
        }
    }

    /// The next packet.
    pub(crate) fn poll_packet(&mut self, cx: &mut Context<'_>) -> Poll<Result<Packet, MqttError>> {
        loop {
            if let Some(packet) = self.decoder.next()? {
                self.ping_open = false;
                return Poll::Ready(Ok(packet));
            }
            let decoder = &mut self.decoder;
            ready!(self.wire.poll_read(cx, &mut |bytes| decoder.feed(bytes)))?;
        }
    }

    /// Sends a ping; an error if nothing came since the last one.
    pub(crate) fn ping(&mut self) -> Result<(), MqttError> {
        if self.ping_open {
            return Err(MqttError::Silent);
        }
        self.ping_open = true;
        Ok(self.wire.send(&codec::PING)?)
    }
}

#[derive(Debug)]
struct Waiting<N> {
    packet_id: u16,
    topic: String,
    bytes: Vec<u8>,
    note: N,
}

/// Messages with QoS 1 until the broker has acknowledged them: they survive a lost session (not a restart). `N` is what
/// the sender wants to be told when a message is through.
#[derive(Debug)]
pub(crate) struct Outbox<N> {
    last_id: u16,
    waiting: VecDeque<Waiting<N>>,
    /// Messages that no longer fitted.
    pub(crate) dropped: u64,
}

impl<N> Outbox<N> {
    /// Messages it holds; the oldest is dropped for one more.
    const CAPACITY: usize = 64;

    pub(crate) fn new() -> Self {
        Self { last_id: 0, waiting: VecDeque::new(), dropped: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A packet id that no waiting message has.
    pub(crate) fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.waiting.iter().all(|waiting| waiting.packet_id != self.last_id) {
                return self.last_id;
            }
        }
    }

    /// Keeps a message; returns its bytes, to be sent if there is a session.
    pub(crate) fn push(&mut self, topic: String, payload: Vec<u8>, note: N) -> &[u8] {
        if self.waiting.len() >= Self::CAPACITY {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        let packet_id = self.next_id();
        let publish = Publish { topic, payload, packet_id: Some(packet_id), dup: false };
        let bytes = codec::publish(&publish);
        self.waiting.push_back(Waiting { packet_id, topic: publish.topic, bytes, note });
        self.waiting.back().map_or(&[], |waiting| &waiting.bytes)
    }

    /// Takes back what waits for a topic: something newer will be said instead.
    pub(crate) fn withdraw(&mut self, topic: &str) {
        self.waiting.retain(|waiting| waiting.topic != topic);
    }

    /// The broker has it.
    pub(crate) fn acknowledged(&mut self, packet_id: u16) -> Option<N> {
        let place = self.waiting.iter().position(|waiting| waiting.packet_id == packet_id)?;
        let note = self.waiting.remove(place).map(|waiting| waiting.note);
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        note
    }

    /// Sends everything again over a new session, in order.
    pub(crate) fn resend(&mut self, wire: &mut Wire) -> Result<(), WireError> {
        for Waiting { bytes, .. } in &mut self.waiting {
            codec::mark_repeated(bytes);
            wire.send(bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_waits_until_it_is_acknowledged_and_ids_in_use_are_not_given_again() {
        let mut outbox = Outbox::new();
        outbox.push("a".into(), vec![], "first");
        outbox.last_id = u16::MAX;
        outbox.push("b".into(), vec![], "second");
        let ids: Vec<u16> = outbox.waiting.iter().map(|waiting| waiting.packet_id).collect();
        assert_eq!(ids, [1, 2]);
        assert_eq!(outbox.acknowledged(2), Some("second"));
        assert_eq!(outbox.acknowledged(2), None);
        assert!(!outbox.is_empty());
        assert_eq!(outbox.acknowledged(1), Some("first"));
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_is_withdrawn_is_not_said_again() {
        let mut outbox = Outbox::new();
        outbox.push("hello".into(), vec![], 1);
        outbox.push("result".into(), vec![], 2);
        outbox.withdraw("hello");
        assert_eq!(outbox.waiting.iter().map(|waiting| waiting.note).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_full_outbox_drops_its_oldest_message_and_counts_it() {
        let mut outbox = Outbox::new();
        for n in 0..=Outbox::<usize>::CAPACITY {
            outbox.push("t".into(), vec![], n);
        }
        assert_eq!((outbox.waiting.len(), outbox.dropped), (Outbox::<usize>::CAPACITY, 1));
        assert_eq!(outbox.waiting.front().map(|waiting| waiting.note), Some(1));
    }
}
