//! One connection: handshake, requests, and what keeps a bad peer from holding it.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::guard::Guarded;
use super::stats::add;
use super::steps::Steps;
use super::{HttpServer, Tls};

/// Bytes of a request that are buffered before a handler reads them, and of small answers before they are written.
const BUFFER: usize = 64 * 1024;

/// Where a request came from; an extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its address.
    pub(crate) address: SocketAddr,
    /// It came through TLS.
    pub(crate) secure: bool,
}

pub(crate) async fn run(server: HttpServer, stream: TcpStream, address: SocketAddr, tls: Tls) {
    // Answers are written whole; waiting for more to send would only delay their last segment.
    let _ = stream.set_nodelay(true);
    let stream = Guarded::new(stream, server.limits.minimum_rate);
    match tls {
        Tls::Off => serve(server, stream, Peer { address, secure: false }).await,
        Tls::On(acceptor) => {
            let handshake = acceptor.accept(stream);
            let stats = &server.app.stats;
            match tokio::time::timeout(server.limits.handshake_timeout, handshake).await {
                Ok(Ok(stream)) => {
                    add(&stats.handshakes, 1);
                    let stream = Steps::new(stream, server.limits.send_buffer);
                    serve(server, stream, Peer { address, secure: true }).await;
                }
                Ok(Err(error)) => {
                    add(&stats.handshakes_failed, 1);
                    tracing::debug!(peer = %address, %error, "TLS handshake with {address} failed: {error}");
                }
                Err(_) => {
                    add(&stats.handshakes_failed, 1);
                    tracing::debug!(peer = %address, "TLS handshake with {address} took too long");
                }
            }
        }
    }
}

async fn serve<S>(server: HttpServer, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let app = Arc::clone(&server.app);
    let service = service_fn(move |mut request| {
        request.extensions_mut().insert(peer);
        let app = Arc::clone(&app);
        async move { Ok::<_, std::convert::Infallible>(app.handle(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(server.limits.idle_timeout)
        .max_buf_size(BUFFER)
        .writev(true);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = server.shutdown.soft() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        let slow = io_kind(&error) == Some(io::ErrorKind::TimedOut);
        if slow {
            add(&server.app.stats.slow_readers, 1);
        }
        let (peer, cause) = (peer.address, error.source().map_or_else(String::new, |e| format!(": {e}")));
        tracing::debug!(%peer, slow, "connection of {peer} ended: {error}{cause}");
    }
}

fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    error.source()?.downcast_ref::<io::Error>().map(io::Error::kind)
}
