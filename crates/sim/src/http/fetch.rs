//! The device's download connection: ranges asked for in order, pipelined, on one kept-alive connection. Bytes go to a sink
//! as they are decrypted; nothing is collected.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use argosy_agent_core::FetchError;

use tokio::sync::OwnedSemaphorePermit;

use super::Url;
use super::response::{Piece, Reader, ResponseError};
use crate::net::{Wire, WireError};

/// The bytes `from..to` of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// A connection to the download server, and its place among those that may be open at a time.
#[derive(Debug)]
pub(crate) struct HttpLink {
    pub(crate) wire: Wire,
    pub(crate) _slot: Option<OwnedSemaphorePermit>,
}

/// A connection attempt.
pub(crate) type Connecting = Pin<Box<dyn Future<Output = Result<HttpLink, WireError>> + Send>>;

/// A fetch came to nothing; every range asked for is forgotten.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    /// For the core.
    pub(crate) error: FetchError,
    /// A word for a table of failures.
    pub(crate) kind: &'static str,
}

/// What a poll found.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The connection was made, or something arrived and was handed out.
    Progress,
    Failed(Failure),
}

enum Link {
    None,
    Connecting(Connecting),
    Open(HttpLink),
}

/// Bytes of a refusal that are read: one that is longer is not looked into.
const MAX_REFUSAL: u64 = 4096;

/// Fetches ranges of one URL.
pub(crate) struct Fetcher {
    url: Option<Arc<Url>>,
    link: Link,
    /// Ranges without a complete response; the first is being received.
    asked: VecDeque<Range>,
    /// How many of them were sent over this connection.
    sent: usize,
    reader: Reader,
    /// The response being received is the connection's last.
    closing: bool,
    /// What a server that refuses has said so far of why.
    refusal: Option<Vec<u8>>,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher").field("url", &self.url).field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Fetcher {
    pub(crate) fn new() -> Self {
        Self {
            url: None,
            link: Link::None,
            asked: VecDeque::new(),
            sent: 0,
            reader: Reader::default(),
            closing: false,
            refusal: None,
        }
    }

    /// Whether the server was asked for bytes and owes them.
    pub(crate) fn awaits_bytes(&self) -> bool {
        matches!(self.link, Link::Open(_)) && !self.asked.is_empty()
    }

    /// Asks for a range of the file at `url`.
    pub(crate) fn ask(&mut self, url: &Arc<Url>, range: Range) {
        if let Some(old) = &self.url
            && !old.same_server(url)
        {
            self.hang_up();
        }
        self.url = Some(Arc::clone(url));
        self.asked.push_back(range);
    }

    /// Drops the connection and forgets what was asked for.
    pub(crate) fn hang_up(&mut self) {
        self.drop_link();
        self.asked = VecDeque::new();
    }

    fn drop_link(&mut self) {
        self.link = Link::None;
        self.sent = 0;
        self.reader = Reader::default();
        self.closing = false;
        self.refusal = None;
    }

    fn fail(&mut self, error: FetchError, kind: &'static str) -> Poll<Fetched> {
        self.hang_up();
        Poll::Ready(Fetched::Failed(Failure { error, kind }))
    }

    /// Goes on as far as possible. Pending when there is nothing to do or to be had.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connect: &dyn Fn(Arc<Url>) -> Connecting,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Poll<Fetched> {
        loop {
            match &mut self.link {
                Link::None => match &self.url {
                    Some(url) if !self.asked.is_empty() => {
                        self.link = Link::Connecting(connect(Arc::clone(url)))
                    }
                    _ => return Poll::Pending,
                },
                Link::Connecting(attempt) => match ready!(attempt.as_mut().poll(cx)) {
                    Ok(link) => {
                        self.link = Link::Open(link);
                        return Poll::Ready(Fetched::Progress);
                    }
                    Err(error) => return self.fail(FetchError::Link, error.kind()),
                },
                Link::Open(HttpLink { wire, .. }) => {
                    if let Err(error) = send_requests(wire, self.url.as_deref(), &self.asked, &mut self.sent)
                    {
                        return self.fail(FetchError::Link, error.kind());
                    }
                    let mut response = Response {
                        asked: &mut self.asked,
                        sent: &mut self.sent,
                        closing: &mut self.closing,
                        refusal: &mut self.refusal,
                    };
                    let reader = &mut self.reader;
                    let mut result = Ok(());
                    let polled = wire.poll_read(cx, &mut |bytes| {
                        if result.is_ok() {
                            result = response.receive(reader, bytes, sink);
                        }
                    });
                    if let Err(Refusal(failure)) = result {
                        return self.fail(failure.error, failure.kind);
                    }
                    match polled {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(_)) if self.closing && self.reader.is_between() => {
                            // Its last response is complete: what is still asked for goes over a new connection.
                            self.drop_link();
                            return Poll::Ready(Fetched::Progress);
                        }
                        Poll::Ready(Ok(_)) => return Poll::Ready(Fetched::Progress),
                        Poll::Ready(Err(_)) if self.asked.is_empty() => self.drop_link(),
                        Poll::Ready(Err(error)) => return self.fail(FetchError::Link, error.kind()),
                    }
                }
            }
        }
    }
}

fn send_requests(
    wire: &mut Wire,
    url: Option<&Url>,
    asked: &VecDeque<Range>,
    sent: &mut usize,
) -> Result<(), WireError> {
    let Some(url) = url else { return Ok(()) };
    while let Some(range) = asked.get(*sent) {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nRange: bytes={}-{}\r\n\r\n",
            url.target,
            url.host_header(),
            range.from,
            range.to - 1
        );
        wire.send(request.as_bytes())?;
        *sent += 1;
    }
    Ok(())
}

struct Refusal(Failure);

impl From<ResponseError> for Refusal {
    fn from(_: ResponseError) -> Self {
        Self(Failure { error: FetchError::Link, kind: "malformed response" })
    }
}

/// The part of a fetcher that a response changes.
struct Response<'a> {
    asked: &'a mut VecDeque<Range>,
    sent: &'a mut usize,
    closing: &'a mut bool,
    refusal: &'a mut Option<Vec<u8>>,
}

impl Response<'_> {
    fn receive(
        &mut self,
        reader: &mut Reader,
        bytes: &[u8],
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Refusal> {
        reader.feed(bytes, |piece| {
            match piece {
                Piece::Head(head) => {
                    let range =
                        self.asked.front().filter(|_| *self.sent > 0).ok_or(ResponseError::Unasked)?;
                    *self.closing = head.close;
                    if head.status == 403 && head.length <= MAX_REFUSAL {
                        *self.refusal = Some(Vec::new());
                    } else {
                        judge(head.status, head.length, head.range_start, *range)?;
                    }
                }
                Piece::Body(body) => match self.refusal {
                    Some(why) => why.extend_from_slice(body),
                    None => sink(body),
                },
                Piece::End => match self.refusal.take() {
                    Some(why) => return Err(Refusal(forbidden(&why))),
                    None => {
                        self.asked.pop_front();
                        *self.sent -= 1;
                    }
                },
            }
            Ok(())
        })
    }
}

/// What a 403 means: an expired URL is not the end. Argosy's problem body has the code `url_expired`, S3 says that the request has expired.
fn forbidden(why: &[u8]) -> Failure {
    let expired = String::from_utf8_lossy(why).to_ascii_lowercase().contains("expired");
    if expired {
        Failure { error: FetchError::Expired, kind: "the URL has expired" }
    } else {
        Failure { error: FetchError::Refused { status: 403 }, kind: "refused by the download server" }
    }
}

/// Whether a response is the range that was asked for.
fn judge(status: u16, length: u64, start: Option<u64>, range: Range) -> Result<(), Refusal> {
    let whole = length == u64::from(range.to - range.from);
    let (error, kind) = match status {
        206 if whole && start == Some(u64::from(range.from)) => return Ok(()),
        // The file is no longer than the range: a server may then send all of it.
        200 if whole && range.from == 0 => return Ok(()),
        200 | 206 => (FetchError::Link, "another range than asked for"),
        408 | 425 | 429 | 500..=599 => (FetchError::Link, "server error or overload"),
        status => (FetchError::Refused { status }, "refused by the download server"),
    };
    Err(Refusal(Failure { error, kind }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_range_that_was_asked_for_is_taken() {
        let range = Range { from: 100, to: 200 };
        assert!(judge(206, 100, Some(100), range).is_ok());
        let error = |status, length, start| judge(status, length, start, range).err().map(|r| r.0.error);
        assert_eq!(error(206, 100, Some(0)), Some(FetchError::Link));
        assert_eq!(error(206, 99, Some(100)), Some(FetchError::Link));
        assert_eq!(error(200, 100, None), Some(FetchError::Link));
        assert!(judge(200, 100, None, Range { from: 0, to: 100 }).is_ok());
        assert_eq!(error(503, 0, None), Some(FetchError::Link));
        assert_eq!(error(429, 0, None), Some(FetchError::Link));
        assert_eq!(error(403, 0, None), Some(FetchError::Refused { status: 403 }));
        assert_eq!(error(301, 0, None), Some(FetchError::Refused { status: 301 }));
    }
}
