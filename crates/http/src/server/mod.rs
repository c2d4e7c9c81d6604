//! The listeners: sockets, TLS, connections, and their limits.

mod accept;
pub(crate) mod connection;
mod guard;
pub(crate) mod stats;
mod steps;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use argosy_engine::Shutdown;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

pub use guard::MinimumRate;
pub use stats::HttpStats;

use crate::app::App;

/// Connections that wait to be accepted, in the kernel.
const BACKLOG: u32 = 4096;

/// Limits of connections.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Connections open at once; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// A TLS handshake must be complete within this time.
    pub handshake_timeout: Duration,
    /// The head of a request must be complete within this time; an idle connection is closed after it too.
    pub idle_timeout: Duration,
    /// What a reader must take at least.
    pub minimum_rate: MinimumRate,
    /// Bytes the kernel keeps for one connection that reads slowly; `None` leaves it to the kernel, which allows megabytes.
    pub send_buffer: Option<u32>,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            handshake_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(75),
            minimum_rate: MinimumRate::default(),
            send_buffer: Some(256 * 1024),
        }
    }
}

/// Opens a listener with our queue length and buffer.
///
/// # Errors
/// When the address cannot be bound.
pub fn listen(address: SocketAddr, limits: &HttpLimits) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if let Some(bytes) = limits.send_buffer {
        // Accepted sockets inherit it.
        socket.set_send_buffer_size(bytes)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// One door.
#[derive(Clone)]
pub(crate) enum Tls {
    Off,
    On(tokio_rustls::TlsAcceptor),
}

/// The HTTP server: one [`App`] behind any number of listeners.
#[derive(Clone)]
pub struct HttpServer {
    pub(crate) app: Arc<App>,
    pub(crate) limits: Arc<HttpLimits>,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) tracker: TaskTracker,
    pub(crate) shutdown: Shutdown,
}

impl std::fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpServer").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl HttpServer {
    /// A server of `app`. Connections are tasks on `tracker`; on the soft signal of `shutdown` listeners close and requests in
    /// hand are finished, on the hard one everything is dropped.
    pub fn new(app: Arc<App>, limits: HttpLimits, tracker: TaskTracker, shutdown: Shutdown) -> Self {
        let connections = Arc::new(Semaphore::new(limits.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        Self { app, limits: Arc::new(limits), connections, tracker, shutdown }
    }

    /// Serves plain HTTP until shutdown. For a listener that others can reach only through a proxy, or on loopback.
    pub async fn serve_plain(self, listener: TcpListener) {
        accept::run(self, listener, Tls::Off).await;
    }

    /// Serves HTTPS until shutdown.
    pub async fn serve_tls(self, listener: TcpListener, tls: Arc<rustls::ServerConfig>) {
        accept::run(self, listener, Tls::On(tls.into())).await;
    }
}
