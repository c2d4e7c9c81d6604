//! Reading responses: a head, then as many bytes as it says. Chunked bodies are not for devices: a ranged response has a length.

/// The longest head that is read.
const MAX_HEAD: usize = 16 * 1024;

/// What was wrong with a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResponseError {
    #[error("the response's head is longer than 16 KiB")]
    HeadTooLong,
    #[error("the response's head is malformed")]
    Head,
    #[error("the response does not say how long its body is")]
    NoLength,
    #[error("bytes that belong to no response")]
    Unasked,
}

/// The head of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) length: u64,
    /// First byte of the range, if the response has one.
    pub(crate) range_start: Option<u64>,
    /// No further response will come on this connection.
    pub(crate) close: bool,
}

/// Parses what comes before the empty line.
pub(crate) fn parse_head(head: &[u8]) -> Result<Head, ResponseError> {
    let text = std::str::from_utf8(head).map_err(|_| ResponseError::Head)?;
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let rest = status_line.strip_prefix("HTTP/1.").ok_or(ResponseError::Head)?;
    let mut close = rest.starts_with('0');
    let status = rest.get(2..5).and_then(|s| s.parse().ok()).ok_or(ResponseError::Head)?;
    let mut length = None;
    let mut range_start = None;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { return Err(ResponseError::Head) };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse().map_err(|_| ResponseError::Head)?);
        } else if name.eq_ignore_ascii_case("content-range") {
            let start = value.strip_prefix("bytes ").and_then(|v| v.split('-').next());
            range_start = start.and_then(|s| s.parse().ok());
        } else if name.eq_ignore_ascii_case("connection") {
            close = value.eq_ignore_ascii_case("close") || close && !value.eq_ignore_ascii_case("keep-alive");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(ResponseError::NoLength);
        }
    }
    let bodiless = matches!(status, 204 | 304);
    let length = if bodiless { 0 } else { length.ok_or(ResponseError::NoLength)? };
    Ok(Head { status, length, range_start, close })
}

/// What a piece of a connection's bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Head(Head),
    Body(&'a [u8]),
    /// The response is complete.
    End,
}

/// Takes a connection's bytes apart.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    head: Vec<u8>,
    /// Bytes of the body still to come.
    left: Option<u64>,
}

impl Reader {
    /// Whether no response is half received.
    pub(crate) fn is_between(&self) -> bool {
        self.left.is_none() && self.head.is_empty()
    }

    /// Hands the parts of `bytes` to `sink`, which stops it by an error.
    pub(crate) fn feed<E: From<ResponseError>>(
        &mut self,
        mut bytes: &[u8],
        mut sink: impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            match &mut self.left {
                Some(0) => {
                    self.left = None;
                    sink(Piece::End)?;
                }
                Some(_) if bytes.is_empty() => return Ok(()),
                Some(left) => {
                    let take = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    let (body, rest) = bytes.split_at(take);
                    *left -= take as u64;
                    bytes = rest;
                    sink(Piece::Body(body))?;
                }
                None if bytes.is_empty() => return Ok(()),
                None => {
                    // The empty line may begin in what came before.
                    let looked_at = self.head.len().saturating_sub(3);
                    let before = self.head.len();
                    self.head.extend_from_slice(
                        &bytes[..bytes.len().min(MAX_HEAD + 4 - before.min(MAX_HEAD + 4))],
                    );
                    let end = self.head[looked_at..].windows(4).position(|w| w == b"\r\n\r\n");
                    let Some(end) = end.map(|at| looked_at + at) else {
                        if self.head.len() > MAX_HEAD {
                            return Err(ResponseError::HeadTooLong.into());
                        }
                        return Ok(());
                    };
                    let head = parse_head(&self.head[..end])?;
                    bytes = &bytes[end + 4 - before..];
                    self.head = Vec::new();
                    self.left = Some(head.length);
                    sink(Piece::Head(head))?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heads_and_bodies(pieces: &[&[u8]]) -> Result<(Vec<Head>, Vec<Vec<u8>>), ResponseError> {
        let (mut heads, mut bodies, mut ends) = (Vec::new(), Vec::new(), 0);
        let mut reader = Reader::default();
        for piece in pieces {
            reader.feed::<ResponseError>(piece, |piece| {
                match piece {
                    Piece::Head(head) => {
                        heads.push(head);
                        bodies.push(Vec::new());
                    }
                    Piece::Body(bytes) => bodies.last_mut().unwrap().extend_from_slice(bytes),
                    Piece::End => ends += 1,
                }
                Ok(())
            })?;
        }
        assert_eq!(ends, heads.len());
        Ok((heads, bodies))
    }

    proptest! {
        #[test]
        fn responses_are_found_again_however_the_bytes_are_cut(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..5),
            cut in 1_usize..200,
        ) {
            let mut bytes = Vec::new();
            for body in &bodies {
                let head = format!("HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\ncontent-range: bytes 5-9/100\r\n\r\n", body.len());
                bytes.extend_from_slice(head.as_bytes());
                bytes.extend_from_slice(body);
            }
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            let (heads, found) = heads_and_bodies(&pieces).unwrap();
            prop_assert_eq!(found, bodies);
            prop_assert!(heads.iter().all(|h| h.status == 206 && h.range_start == Some(5) && !h.close));
        }

        #[test]
        fn noise_is_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 1_usize..20) {
            let mut reader = Reader::default();
            for piece in bytes.chunks(cut) {
                if reader.feed::<ResponseError>(piece, |_| Ok(())).is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn heads_say_status_length_and_the_end_of_a_connection() {
        let head = parse_head(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3").unwrap();
        assert_eq!((head.status, head.length, head.close), (200, 3, true));
        let head = parse_head(b"HTTP/1.0 403 Forbidden\r\ncontent-length: 0").unwrap();
        assert_eq!((head.status, head.close), (403, true));
        for (bytes, error) in [
            (&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"[..], ResponseError::NoLength),
            (b"HTTP/1.1 200 OK", ResponseError::NoLength),
            (b"HTTP/1.1 2", ResponseError::Head),
            (b"SSH-2.0", ResponseError::Head),
            (b"HTTP/1.1 200 OK\r\nContent-Length: -1", ResponseError::Head),
        ] {
            assert_eq!(parse_head(bytes), Err(error));
        }
    }

    #[test]
    fn an_endless_head_is_refused() {
        let mut reader = Reader::default();
        let mut result = Ok(());
        for _ in 0..40 {
            result = reader.feed::<ResponseError>(&[b'a'; 1024], |_| Ok(()));
            if result.is_err() {
                break;
            }
        }
        assert_eq!(result, Err(ResponseError::HeadTooLong));
    }
}
