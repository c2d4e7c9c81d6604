//! How much is encrypted before the socket is asked to take it.
//!
//! What was encrypted and does not fit into the socket waits in memory until the peer has read on: with a thousand slow readers, a
//! thousand times. So a step is small, except where the kernel is known to have room: at the beginning, and after it said that it has
//! room again (it says so when a third of its buffer is free). There a large step saves most of the system calls.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

/// Where the kernel's room is known.
const LARGE: usize = 128 * 1024;
/// Where it is not.
const SMALL: usize = 48 * 1024;
/// Slices of one step at most: a head, and what its body consists of.
const SLICES: usize = 8;

/// A TLS stream that encrypts step by step.
#[derive(Debug)]
pub(crate) struct Steps<S> {
    tls: TlsStream<S>,
    /// Bytes that the kernel takes for sure, as far as we know.
    room: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Steps<S> {
    /// `buffer`: what the kernel keeps for the connection, if that was limited.
    pub(crate) fn new(tls: TlsStream<S>, buffer: Option<u32>) -> Self {
        let room = buffer.map_or(LARGE, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        Self { tls, room }
    }

    /// Waits until the kernel took what was encrypted; how much may be encrypted then.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.tls.get_ref().1.wants_write() {
            match Pin::new(&mut self.tls).poll_flush(cx) {
                Poll::Ready(flushed) => flushed?,
                Poll::Pending => {
                    self.room = LARGE;
                    return Poll::Pending;
                }
            }
        }
        let step = if self.room >= LARGE { LARGE } else { SMALL };
        self.tls.get_mut().1.set_buffer_limit(Some(step));
        Poll::Ready(Ok(step))
    }

    fn count(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.room = self.room.saturating_sub(*bytes);
        }
        written
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Steps<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Steps<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let step = ready!(self.poll_step(cx))?.min(buf.len());
        let written = Pin::new(&mut self.tls).poll_write(cx, &buf[..step]);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut left = ready!(self.poll_step(cx))?;
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, buf) in slices.iter_mut().zip(bufs) {
            let taken = left.min(buf.len());
            *slice = IoSlice::new(&buf[..taken]);
            left -= taken;
            count += 1;
        }
        let written = Pin::new(&mut self.tls).poll_write_vectored(cx, &slices[..count]);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio_rustls::{TlsAcceptor, TlsConnector, client};

    use super::*;

    async fn pair(kernel: usize) -> (Steps<DuplexStream>, client::TlsStream<DuplexStream>) {
        let made = rcgen::generate_simple_self_signed(["ota.test".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("an identity");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (near, far) = duplex(kernel);
        let name = ServerName::try_from("ota.test").expect("a name");
        let (server, client) = tokio::join!(
            TlsAcceptor::from(Arc::new(server)).accept(near),
            TlsConnector::from(Arc::new(client)).connect(name, far)
        );
        let kernel = u32::try_from(kernel).expect("a small buffer");
        (Steps::new(server.expect("accepted"), Some(kernel)), client.expect("connected"))
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|at| (at % 251) as u8).collect()
    }

    #[tokio::test]
    async fn every_byte_arrives_whatever_the_kernel_takes_at_a_time() {
        for kernel in [1_000, 64 * 1024, 1024 * 1024] {
            let (mut server, mut client) = pair(kernel).await;
            let sent = bytes(1_500_000);
            let wanted = sent.clone();
            let write = async move {
                let (mut at, mut head) = (0, &b"head"[..]);
                while at < sent.len() {
                    let slices = [IoSlice::new(head), IoSlice::new(&sent[at..])];
                    let poll = |cx: &mut Context<'_>| Pin::new(&mut server).poll_write_vectored(cx, &slices);
                    let took = std::future::poll_fn(poll).await.expect("written");
                    assert!(took > 0);
                    at += took - head.len().min(took);
                    head = &head[head.len().min(took)..];
                }
                server.flush().await.expect("flushed");
                server
            };
            let mut got = vec![0; 4 + wanted.len()];
            let (_server, read) = tokio::join!(write, client.read_exact(&mut got));
            read.expect("read");
            assert!(&got[..4] == b"head" && got[4..] == wanted, "kernel {kernel}");
        }
    }

    #[tokio::test]
    async fn a_reader_that_stops_costs_one_step_at_most() {
        let (mut server, client) = pair(8 * 1024).await;
        let sent = bytes(400_000);
        let mut taken = 0;
        loop {
            let poll = |cx: &mut Context<'_>| Poll::Ready(Pin::new(&mut server).poll_write(cx, &sent));
            match std::future::poll_fn(poll).await {
                Poll::Ready(written) => taken += written.expect("written"),
                Poll::Pending => break,
            }
        }
        assert!(taken <= SMALL, "{taken} bytes were encrypted for a reader that takes none");
        drop(client);
    }
}
