//! Server-sent events, as far as this API uses them: `event`, `data`, comments.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::args::{Exit, Failure};

/// Bytes of one event at most.
const MAX_EVENT: usize = 16 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name.
    pub name: String,
    /// Its data; lines joined.
    pub data: String,
}

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Events {
    body: Incoming,
    parser: Parser,
}

impl Events {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, parser: Parser::default() }
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            if let Some(event) = self.parser.take()? {
                return Ok(Some(event));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.parser.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => {
                    return Err(Failure::new(Exit::Unreachable, format!("the events broke off: {error}")));
                }
            }
        }
    }
}

/// What came and is no event yet.
#[derive(Debug, Default)]
struct Parser {
    buffer: Vec<u8>,
}

impl Parser {
    /// The next complete event; comments alone are none.
    fn take(&mut self) -> Result<Option<Event>, Failure> {
        while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
            if let Some(event) = parse(&String::from_utf8_lossy(&block)) {
                return Ok(Some(event));
            }
        }
        if self.buffer.len() > MAX_EVENT {
            return Err(Failure::new(Exit::Failed, "the server sends an event without end"));
        }
        Ok(None)
    }
}

fn parse(block: &str) -> Option<Event> {
    let (mut name, mut data) = ("message".to_owned(), Vec::new());
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = value.to_owned(),
            "data" => data.push(value),
            _ => {}
        }
    }
    (!data.is_empty()).then(|| Event { name, data: data.join("\n") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_however_the_bytes_are_cut() {
        let stream = b": beat\n\nevent: deployment\ndata: {\"a\":1}\n\ndata: x\ndata: y\n\nevent: half";
        for size in 1..stream.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for piece in stream.chunks(size) {
                parser.buffer.extend_from_slice(piece);
                while let Some(event) = parser.take().unwrap() {
                    events.push((event.name, event.data));
                }
            }
            let expected = [("deployment", "{\"a\":1}"), ("message", "x\ny")];
            let expected = expected.map(|(name, data)| (name.to_owned(), data.to_owned()));
            assert_eq!(events, expected, "pieces of {size}");
        }
    }
}
