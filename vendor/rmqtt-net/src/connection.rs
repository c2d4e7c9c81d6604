//! One accepted connection, as the program that embeds the broker sees it. (Added by Argosy, see ARGOSY.md.)

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{ready, Context, Poll};

use bytestring::ByteString;
use rmqtt_codec::types::Publish;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::intake::Taken;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// At which step a connection failed before it said CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The TLS handshake was refused, by us or by the peer.
    TlsHandshake,
    /// The deadline passed during the TLS handshake.
    TlsTimeout,
    /// What came first was no CONNECT, or the peer went away.
    Connect,
    /// The deadline passed before CONNECT was complete.
    ConnectTimeout,
}

/// Watches the connections of a listener. Every call is made on the connection's own path: it must not block.
pub trait Observer: Send + Sync + 'static {
    /// A connection came. `false` closes it at once, and no other call is made for it.
    fn accepted(&self, connection: &Arc<Connection>) -> bool;
    /// It ends before CONNECT; `closed` follows.
    fn failed(&self, connection: &Connection, failure: Failure, detail: &dyn fmt::Display);
    /// Its socket is closed. Called exactly once for each connection that was taken.
    fn closed(&self, connection: &Connection);
    /// Bytes came in, as on the wire.
    fn received(&self, bytes: usize);
    /// Bytes went out, as on the wire.
    fn sent(&self, bytes: usize);
    /// A publish came from a peer that speaks MQTT 3. `None` leaves it to the broker's session.
    fn publish(&self, connection: &Arc<Connection>, publish: &Publish) -> Option<Taken> {
        let _ = (connection, publish);
        None
    }
}

/// What the TLS handshake told about the peer.
#[derive(Debug, Clone)]
pub struct TlsPeer {
    /// The presented chain, leaf first, DER; empty without client certificate.
    pub certificates: Vec<Vec<u8>>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
}

/// One accepted connection.
pub struct Connection {
    number: u64,
    remote_addr: SocketAddr,
    deadline: Instant,
    tcp: Weak<TcpStream>,
    cut: CancellationToken,
    tls: Mutex<Option<TlsPeer>>,
    client_id: OnceLock<ByteString>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("number", &self.number)
            .field("remote_addr", &self.remote_addr)
            .finish_non_exhaustive()
    }
}

impl Connection {
    pub(crate) fn new(remote_addr: SocketAddr, deadline: Instant, tcp: Weak<TcpStream>) -> Self {
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            remote_addr,
            deadline,
            tcp,
            cut: CancellationToken::new(),
            tls: Mutex::new(None),
            client_id: OnceLock::new(),
        }
    }

    /// Its number: unique and rising within the process. It is the client id that the broker knows it by.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The peer.
    pub fn remote_addr(&self) -> SocketAddr {
        self.remote_addr
    }

    /// By when CONNECT must be complete.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The client id that the peer sent in its CONNECT.
    pub fn client_id(&self) -> Option<&ByteString> {
        self.client_id.get()
    }

    /// Keeps the peer's client id and says under which one the broker shall know the connection.
    pub(crate) fn adopt(&self, client_id: ByteString) -> ByteString {
        let _ = self.client_id.set(client_id);
        self.number.to_string().into()
    }

    #[cfg(feature = "tls")]
    pub(crate) fn set_tls(&self, peer: TlsPeer) {
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = Some(peer);
    }

    /// Takes what the handshake told; `None` on a plain listener or when it was taken.
    pub fn take_tls(&self) -> Option<TlsPeer> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Shuts the socket down, both ways, now: whatever the session is doing, its next read or write fails.
    pub fn cut(&self) {
        self.cut.cancel();
        if let Some(tcp) = self.tcp.upgrade() {
            // It fails only if the peer has already closed it.
            let _ = socket2::SockRef::from(&*tcp).shutdown(Shutdown::Both);
        }
    }

    /// Whether [`Connection::cut`] was called.
    pub fn is_cut(&self) -> bool {
        self.cut.is_cancelled()
    }

    /// Resolves when [`Connection::cut`] is called.
    pub fn cut_called(&self) -> WaitForCancellationFuture<'_> {
        self.cut.cancelled()
    }
}

/// The TCP stream of a [`Connection`]: counts, and tells the observer when it is gone.
pub struct WatchedStream {
    tcp: Option<Arc<TcpStream>>,
    watch: Option<(Arc<Connection>, Arc<dyn Observer>)>,
}

impl WatchedStream {
    /// `None` if the observer does not want it.
    pub(crate) fn new(
        tcp: TcpStream,
        remote_addr: SocketAddr,
        deadline: Instant,
        observer: Option<&Arc<dyn Observer>>,
    ) -> Option<(Self, Arc<Connection>)> {
        let tcp = Arc::new(tcp);
        let connection = Arc::new(Connection::new(remote_addr, deadline, Arc::downgrade(&tcp)));
        let watch = match observer {
            Some(observer) if !observer.accepted(&connection) => return None,
            Some(observer) => Some((connection.clone(), observer.clone())),
            None => None,
        };
        Some((Self { tcp: Some(tcp), watch }, connection))
    }

    fn tcp(&self) -> io::Result<&TcpStream> {
        self.tcp.as_deref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        // First the socket: when the observer hears of it, the peer has been told too.
        self.tcp = None;
        if let Some((connection, observer)) = &self.watch {
            observer.closed(connection);
        }
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let tcp = self.tcp()?;
        loop {
            ready!(tcp.poll_read_ready(cx))?;
            match tcp.try_read(buf.initialize_unfilled()) {
                Ok(read) => {
                    buf.advance(read);
                    if let Some((_, observer)) = &self.watch {
                        observer.received(read);
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let tcp = self.tcp()?;
        loop {
            ready!(tcp.poll_write_ready(cx))?;
            match tcp.try_write(buf) {
                Ok(written) => {
                    if let Some((_, observer)) = &self.watch {
                        observer.sent(written);
                    }
                    return Poll::Ready(Ok(written));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tcp = self.tcp()?;
        loop {
            ready!(tcp.poll_write_ready(cx))?;
            match tcp.try_write_vectored(bufs) {
                Ok(written) => {
                    if let Some((_, observer)) = &self.watch {
                        observer.sent(written);
                    }
                    return Poll::Ready(Ok(written));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match socket2::SockRef::from(self.tcp()?).shutdown(Shutdown::Write) {
            // The peer was faster, or the connection was cut.
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(()),
            other => other,
        })
    }
}
