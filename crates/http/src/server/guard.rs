//! A connection that a slow reader cannot hold for ever.
//!
//! It stands below TLS and watches writes that wait: when the peer took less than the minimum rate over a whole window, or nothing at
//! all, the connection ends. Idle connections (nothing to write) are not its business: the server has a limit of its own for those.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What a peer must take at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinimumRate {
    /// Over this time.
    pub window: Duration,
    /// So many bytes a second on average; 0 asks only that something is taken.
    pub bytes_per_s: u64,
}

impl Default for MinimumRate {
    /// 256 B/s over a minute: the slowest cellular modem is faster.
    fn default() -> Self {
        Self { window: Duration::from_secs(60), bytes_per_s: 256 }
    }
}

/// The stream under guard.
#[derive(Debug)]
pub(crate) struct Guarded<S> {
    stream: S,
    rate: MinimumRate,
    /// The window's end; armed by the first write that has to wait.
    window: Option<Pin<Box<Sleep>>>,
    taken: u64,
    waiting: bool,
}

impl<S> Guarded<S> {
    pub(crate) fn new(stream: S, rate: MinimumRate) -> Self {
        Self { stream, rate, window: None, taken: 0, waiting: false }
    }

    fn wrote(&mut self, bytes: usize) {
        self.taken += bytes as u64;
        self.waiting = false;
    }

    /// A write waits: judges the window when it has ended.
    fn waits(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let length = self.rate.window;
        let window = self.window.get_or_insert_with(|| Box::pin(tokio::time::sleep(length)));
        // A window that ended while nothing had to wait proves nothing.
        if !self.waiting && window.is_elapsed() {
            window.as_mut().reset(Instant::now() + length);
            self.taken = 0;
        }
        self.waiting = true;
        ready!(window.as_mut().poll(cx));
        let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let least = (self.rate.bytes_per_s.saturating_mul(millis) / 1000).max(1);
        if self.taken < least {
            return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer reads too slowly"));
        }
        self.taken = 0;
        window.as_mut().reset(Instant::now() + length);
        match window.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            // Only with a window of no length.
            Poll::Ready(()) => {
                Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer reads too slowly"))
            }
        }
    }

    fn judge(&mut self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.wrote(bytes);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.waits(cx).map(Err),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.judge(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.judge(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn rate(window_ms: u64, bytes_per_s: u64) -> MinimumRate {
        MinimumRate { window: Duration::from_millis(window_ms), bytes_per_s }
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_cut_off() {
        let (server, _client) = duplex(64);
        let error = Guarded::new(server, rate(20, 0)).write_all(&[0; 1000]).await.expect_err("cut off");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_reader_that_trickles_is_cut_off_and_one_above_the_rate_is_not() {
        for (rate, ok) in [(rate(20, 1_000_000), false), (rate(5_000, 1), true)] {
            let (server, mut client) = duplex(16);
            let mut guarded = Guarded::new(server, rate);
            let read = async move {
                let mut buf = [0; 8];
                while client.read_exact(&mut buf).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            let (written, ()) = tokio::join!(
                async {
                    let written = guarded.write_all(&[0; 800]).await;
                    drop(guarded);
                    written
                },
                read
            );
            assert_eq!(written.is_ok(), ok, "{rate:?}");
        }
    }

    #[tokio::test]
    async fn idle_time_between_answers_is_not_slowness() {
        let (server, mut client) = duplex(16);
        // A rate that no reader keeps, judged over a window that only idle time fills.
        let mut guarded = Guarded::new(server, rate(1_000, u64::MAX / 2_000));
        for _ in 0..3 {
            let mut buf = [0; 64];
            let (written, read) = tokio::join!(guarded.write_all(&[1; 64]), client.read_exact(&mut buf));
            assert!(written.is_ok() && read.is_ok());
            tokio::time::sleep(Duration::from_millis(1_100)).await;
        }
    }
}
