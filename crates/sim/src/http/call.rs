//! One call of Argosy's API on a connection of its own.

use std::future::poll_fn;

use super::response::{Piece, Reader, ResponseError};
use super::{Url, UrlError};
use crate::net::{Peer, Trust, Wire, WireError};

/// The largest answer that is read: a batch of 500 certificates has about one megabyte.
const MAX_BODY: u64 = 32 * 1024 * 1024;

/// A call failed before there was an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("the API's URL is https and no roots are given to verify it (use --ca)")]
    NoTrust,
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Response(#[from] ResponseError),
    #[error("the answer is larger than 32 MiB")]
    TooLarge,
}

/// POSTs `json` and returns the status and the body of the answer.
pub(crate) async fn call(
    url: &Url,
    trust: Option<&Trust>,
    token: &str,
    json: &[u8],
) -> Result<(u16, Vec<u8>), CallError> {
    let tls = match (url.tls, trust) {
        (false, _) => None,
        (true, Some(trust)) => Some((trust.anonymous(), url.server_name()?)),
        (true, None) => return Err(CallError::NoTrust),
    };
    let mut wire = Wire::connect(&Peer { address: url.resolve().await?, tls }).await?;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        url.target,
        url.host_header(),
        json.len()
    );
    wire.send(head.as_bytes())?;
    // In pieces: a batch of requests for certificates is more than a connection may pile up.
    let mut pieces = json.chunks(64 * 1024);
    let mut reader = Reader::default();
    let (mut status, mut body, mut done) = (0, Vec::new(), false);
    while !done {
        while wire.has_room() {
            match pieces.next() {
                Some(piece) => wire.send(piece)?,
                None => break,
            }
        }
        let mut result = Ok(());
        let mut sink = |bytes: &[u8]| {
            result = std::mem::replace(&mut result, Ok(())).and_then(|()| {
                reader.feed::<CallError>(bytes, |piece| {
                    match piece {
                        Piece::Head(head) if head.length > MAX_BODY => return Err(CallError::TooLarge),
                        Piece::Head(head) => status = head.status,
                        Piece::Body(bytes) => body.extend_from_slice(bytes),
                        Piece::End => done = true,
                    }
                    Ok(())
                })
            });
        };
        let read = if pieces.len() == 0 {
            poll_fn(|cx| wire.poll_read(cx, &mut sink)).await.map(|_| ())
        } else {
            poll_fn(|cx| wire.poll_flush(cx)).await
        };
        result?;
        if !done {
            read?;
        }
    }
    Ok((status, body))
}
