//! A download server over TLS: ranges, kept-alive connections, and faults on demand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::broker::{Authority, server_tls};

/// What the server does wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    /// Answers every request with this status.
    pub(super) status: Option<u16>,
    /// Answers so many requests with 503 first.
    pub(super) busy: u64,
    /// Answers the request of this number (from 0) with 403: the URL has expired.
    pub(super) expired_at: Option<u64>,
    /// Closes the connection after every response, and says so.
    pub(super) close: bool,
}

pub(super) struct Downloads {
    pub(super) address: SocketAddr,
    pub(super) requests: Arc<AtomicU64>,
    _task: JoinSet<()>,
}

impl Downloads {
    pub(super) async fn start(authority: Option<&Authority>, file: Vec<u8>, faults: Faults) -> Self {
        Self::start_many(authority, vec![file], faults).await
    }

    /// Serves the first file as `/files/1`, and so on.
    pub(super) async fn start_many(
        authority: Option<&Authority>,
        files: Vec<Vec<u8>>,
        faults: Faults,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let acceptor = authority.map(|authority| TlsAcceptor::from(server_tls(authority)));
        let requests = Arc::new(AtomicU64::new(0));
        let files = Arc::new(files);
        let mut task = JoinSet::new();
        let counter = Arc::clone(&requests);
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.expect("accepted");
                let (acceptor, files, counter) = (acceptor.clone(), Arc::clone(&files), Arc::clone(&counter));
                connections.spawn(async move {
                    match acceptor {
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(tcp).await {
                                serve(stream, &files, &counter, faults).await;
                            }
                        }
                        None => serve(tcp, &files, &counter, faults).await,
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, requests, _task: task }
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    files: &[Vec<u8>],
    requests: &AtomicU64,
    faults: Faults,
) {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end;
            }
            if !matches!(stream.read_buf(&mut buffer).await, Ok(n) if n > 0) {
                return;
            }
        };
        let head = String::from_utf8(buffer[..end].to_vec()).expect("a head");
        buffer.drain(..end + 4);
        let file = head.strip_prefix("GET /files/").and_then(|rest| rest.split_once("?sig=abc HTTP/1.1\r\n"));
        let number: usize =
            file.and_then(|(number, _)| number.parse().ok()).unwrap_or_else(|| panic!("{head}"));
        let file = &files[number - 1];
        let range = head.lines().find_map(|line| line.strip_prefix("Range: bytes=")).expect("a range");
        let (from, to) = range.split_once('-').expect("two ends");
        let (from, to): (usize, usize) = (from.parse().expect("a number"), to.parse().expect("a number"));
        let number = requests.fetch_add(1, Relaxed);
        let close = if faults.close { "Connection: close\r\n" } else { "" };
        let status = if number < faults.busy { Some(503) } else { faults.status };
        let (head, body) = match status {
            _ if faults.expired_at == Some(number) => {
                let body = br#"{"title":"The download URL has expired","status":403,"code":"url_expired"}"#;
                (format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n", body.len()), &body[..])
            }
            Some(status) => (format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\n"), &b"no"[..]),
            None => (
                format!(
                    "HTTP/1.1 206 Partial Content\r\n{close}Content-Length: {}\r\nContent-Range: bytes {from}-{to}/{}\r\n\r\n",
                    to + 1 - from,
                    file.len()
                ),
                &file[from..=to],
            ),
        };
        let written = async {
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body).await?;
            stream.flush().await
        };
        if written.await.is_err() {
            return;
        }
        if faults.close {
            let _ = stream.shutdown().await;
            return;
        }
    }
}
