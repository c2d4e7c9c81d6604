//! One connection. Ten thousand of them live in one process, so an idle one holds no buffer: bytes are read into a scratch
//! buffer of the worker thread, decrypted there, and handed out before the next read; only the beginning of a TLS record
//! that is not complete yet is kept.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{ClientConfig, HandshakeKind};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;

/// Bytes read from the kernel at a time: as many as a worker's cache holds beside what works on them.
const READ: usize = 256 * 1024;
/// Unsent bytes that a connection may pile up before it counts as broken.
const MAX_UNSENT: usize = 512 * 1024;
/// Room for a TLS record's header and tag.
const RECORD_OVERHEAD: usize = 64;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A connection failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("the TLS handshake failed")]
    Handshake(#[source] rustls::Error),
    #[error("the TLS connection failed")]
    Tls(#[source] rustls::Error),
    #[error("the connection broke")]
    Io(#[source] io::Error),
    #[error("the peer closed the connection")]
    Closed,
    #[error("the peer does not read what it is sent")]
    Unread,
    #[error("no connection within the time limit")]
    TimedOut,
    #[error("the simulated link was cut")]
    Simulated,
    #[error("the server's name has no address")]
    Address,
    #[error("the server speaks TLS and there are no roots to verify it")]
    NoTrust,
}

impl WireError {
    /// A word for a table of failures.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Handshake(_) => "tls handshake",
            Self::Tls(_) => "tls",
            Self::Io(_) => "broken connection",
            Self::Closed => "closed by peer",
            Self::Unread => "peer does not read",
            Self::TimedOut => "connect timeout",
            Self::Simulated => "simulated cut",
            Self::Address => "unknown server name",
            Self::NoTrust => "no roots for TLS",
        }
    }
}

/// Whom to connect to, and how.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Where.
    pub(crate) address: SocketAddr,
    /// TLS with this configuration and server name; plain TCP if absent.
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// One connection.
pub(crate) struct Wire {
    tcp: TcpStream,
    tls: Option<Box<UnbufferedClientConnection>>,
    /// The beginning of an incomplete TLS record.
    partial: Vec<u8>,
    /// Bytes for the peer that the kernel has not taken yet.
    unsent: Vec<u8>,
    closed: bool,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire")
            .field("tls", &self.tls.is_some())
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

/// Where a TLS connection stands after all that arrived was processed.
#[derive(PartialEq, Eq)]
enum Standing {
    Handshaking,
    Open,
    Closed,
}

impl Wire {
    /// Connects, and completes the handshake.
    pub(crate) async fn connect(peer: &Peer) -> Result<Self, WireError> {
        let tcp = TcpStream::connect(peer.address).await.map_err(WireError::Connect)?;
        tcp.set_nodelay(true).map_err(WireError::Connect)?;
        let mut wire = Self { tcp, tls: None, partial: Vec::new(), unsent: Vec::new(), closed: false };
        if let Some((config, name)) = &peer.tls {
            let tls = UnbufferedClientConnection::new(Arc::clone(config), name.clone());
            wire.tls = Some(Box::new(tls.map_err(WireError::Handshake)?));
            wire.handshake().await?;
        }
        Ok(wire)
    }

    /// Whether the connection began with a full TLS handshake.
    pub(crate) fn full_handshake(&self) -> bool {
        let kind = self.tls.as_ref().and_then(|tls| tls.handshake_kind());
        matches!(kind, Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest))
    }

    async fn handshake(&mut self) -> Result<(), WireError> {
        let mut standing = self.process(&mut [], 0, &mut |_| {}, WireError::Handshake)?.1;
        loop {
            poll_fn(|cx| self.poll_flush(cx)).await?;
            match standing {
                Standing::Open => return Ok(()),
                Standing::Closed => return Err(WireError::Closed),
                Standing::Handshaking => {}
            }
            standing = poll_fn(|cx| self.poll_input(cx, &mut |_| {}, WireError::Handshake)).await?.1;
        }
    }

    /// Queues bytes for the peer and sends what the kernel takes at once; [`Wire::poll_read`] sends the rest.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        if self.closed {
            return Err(WireError::Closed);
        }
        if self.unsent.len() + bytes.len() > MAX_UNSENT {
            return Err(WireError::Unread);
        }
        match &mut self.tls {
            None => self.unsent.extend_from_slice(bytes),
            Some(tls) => {
                // What is partial holds no complete record, so nothing is received here.
                let incoming = &mut self.partial[..];
                let standing = drive(tls, incoming, &mut self.unsent, &mut |_| {}, Some(bytes)).1;
                if standing.map_err(WireError::Tls)? != Standing::Open {
                    return Err(WireError::Closed);
                }
            }
        }
        self.try_flush()
    }

    fn try_flush(&mut self) -> Result<(), WireError> {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.tcp.try_write(&self.unsent[sent..]) {
                Ok(0) => return Err(WireError::Closed),
                Ok(n) => sent += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(WireError::Io(error)),
            }
        }
        if sent == self.unsent.len() {
            // An idle connection holds no buffer.
            self.unsent = Vec::new();
        } else {
            self.unsent.drain(..sent);
        }
        Ok(())
    }

    /// Whether it is worth sending more before the kernel took what is unsent.
    pub(crate) fn has_room(&self) -> bool {
        self.unsent.len() < MAX_UNSENT / 4
    }

    /// Sends what is unsent.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        self.try_flush()?;
        while !self.unsent.is_empty() {
            ready!(self.tcp.poll_write_ready(cx)).map_err(WireError::Io)?;
            self.try_flush()?;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what is unsent and hands what arrives to `sink`, which may be called several times. Ready once per read from
    /// the kernel, with the number of bytes handed out (possibly none: a record may be incomplete).
    ///
    /// # Errors
    /// [`WireError::Closed`] when the peer closed; whatever it sent before was handed out first.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Result<usize, WireError>> {
        if self.closed {
            return Poll::Ready(Err(WireError::Closed));
        }
        if !self.unsent.is_empty()
            && let Poll::Ready(Err(error)) = self.poll_flush(cx)
        {
            return Poll::Ready(Err(error));
        }
        let (bytes, standing) = ready!(self.poll_input(cx, sink, WireError::Tls))?;
        self.closed = standing == Standing::Closed;
        if self.closed && bytes == 0 { Poll::Ready(Err(WireError::Closed)) } else { Poll::Ready(Ok(bytes)) }
    }

    fn poll_input(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut dyn FnMut(&[u8]),
        failed: fn(rustls::Error) -> WireError,
    ) -> Poll<Result<(usize, Standing), WireError>> {
        loop {
            ready!(self.tcp.poll_read_ready(cx)).map_err(WireError::Io)?;
            let mut scratch = SCRATCH.take();
            let kept = self.partial.len();
            if scratch.len() < kept + READ {
                scratch.resize(kept + READ, 0);
            }
            scratch[..kept].copy_from_slice(&self.partial);
            let result = match self.tcp.try_read(&mut scratch[kept..]) {
                Ok(0) => Some(Ok((0, Standing::Closed))),
                Ok(n) => Some(self.process(&mut scratch[..kept + n], kept, sink, failed)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                Err(error) => Some(Err(WireError::Io(error))),
            };
            SCRATCH.set(scratch);
            if let Some(result) = result {
                return Poll::Ready(result);
            }
        }
    }

    /// Hands out what `incoming` holds, of which the first `kept` bytes are `self.partial`; keeps its incomplete rest.
    fn process(
        &mut self,
        incoming: &mut [u8],
        kept: usize,
        sink: &mut dyn FnMut(&[u8]),
        failed: fn(rustls::Error) -> WireError,
    ) -> Result<(usize, Standing), WireError> {
        let Some(tls) = &mut self.tls else {
            debug_assert_eq!(kept, 0);
            sink(incoming);
            return Ok((incoming.len(), Standing::Open));
        };
        let mut bytes = 0;
        let mut count = |payload: &[u8]| {
            bytes += payload.len();
            sink(payload);
        };
        let (used, standing) = drive(tls, incoming, &mut self.unsent, &mut count, None);
        let standing = match standing {
            Ok(standing) => standing,
            Err(error) => {
                // The alert that tells the peer why, if the kernel takes it.
                let _ = drive(tls, &mut [], &mut self.unsent, &mut |_| {}, None);
                let _ = self.try_flush();
                return Err(failed(error));
            }
        };
        self.partial.clear();
        self.partial.extend_from_slice(&incoming[used..]);
        if self.partial.is_empty() {
            self.partial = Vec::new();
        }
        if !self.unsent.is_empty() {
            self.try_flush()?;
        }
        Ok((bytes, standing))
    }
}

/// Runs the connection over `incoming` until it needs more. Returns how much of it is used up. Encrypts `outgoing`, if
/// any, once the connection is open.
fn drive(
    tls: &mut UnbufferedClientConnection,
    incoming: &mut [u8],
    unsent: &mut Vec<u8>,
    sink: &mut dyn FnMut(&[u8]),
    mut outgoing: Option<&[u8]>,
) -> (usize, Result<Standing, rustls::Error>) {
    let mut used = 0;
    loop {
        let UnbufferedStatus { mut discard, state } = tls.process_tls_records(&mut incoming[used..]);
        let standing = match state {
            Err(error) => return (used + discard, Err(error)),
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => {
                            discard += record.discard;
                            sink(record.payload);
                        }
                        Err(error) => return (used + discard, Err(error)),
                    }
                }
                None
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                append(unsent, 1024, |buffer| match data.encode(buffer) {
                    Ok(n) => Ok(n),
                    Err(EncodeError::InsufficientSize(need)) => Err(need.required_size),
                    Err(EncodeError::AlreadyEncoded) => Ok(0),
                });
                None
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                // It is in `unsent`, which is sent in order.
                data.done();
                None
            }
            Ok(ConnectionState::WriteTraffic(mut traffic)) => match outgoing.take() {
                Some(plain) => match encrypt(&mut traffic, plain, unsent) {
                    Ok(()) => Some(Standing::Open),
                    Err(error) => return (used + discard, Err(error)),
                },
                None => Some(Standing::Open),
            },
            Ok(ConnectionState::BlockedHandshake) => Some(Standing::Handshaking),
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Some(Standing::Closed),
            // Early data is a server's matter, and what rustls may add later is not for an established client.
            Ok(_) => Some(Standing::Closed),
        };
        used += discard;
        if let Some(standing) = standing {
            return (used, Ok(standing));
        }
    }
}

fn encrypt(
    traffic: &mut WriteTraffic<'_, ClientConnectionData>,
    plain: &[u8],
    unsent: &mut Vec<u8>,
) -> Result<(), rustls::Error> {
    let mut exhausted = false;
    append(unsent, plain.len() + RECORD_OVERHEAD, |buffer| match traffic.encrypt(plain, buffer) {
        Ok(n) => Ok(n),
        Err(EncryptError::InsufficientSize(need)) => Err(need.required_size),
        Err(EncryptError::EncryptExhausted) => {
            exhausted = true;
            Ok(0)
        }
    });
    if exhausted { Err(rustls::Error::EncryptError) } else { Ok(()) }
}

/// Lets `write` write behind the end of `buffer`; it says how much it wrote, or how much room it needs.
fn append(buffer: &mut Vec<u8>, guess: usize, mut write: impl FnMut(&mut [u8]) -> Result<usize, usize>) {
    let start = buffer.len();
    let mut room = guess;
    loop {
        buffer.resize(start + room, 0);
        match write(&mut buffer[start..]) {
            Ok(written) => return buffer.truncate(start + written),
            Err(needed) => room = needed.max(room + 1),
        }
    }
}
