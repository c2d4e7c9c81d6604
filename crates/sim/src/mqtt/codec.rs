//! MQTT 3.1.1 as a device speaks it: what a client sends, written; what a server sends, read. QoS 0 and 1 only.
//!
//! The simulator has its own codec because it counts every byte and every buffer of ten thousand devices, and must be able
//! to misbehave as old boards do.

use thiserror::Error;

/// The largest packet that is read: the protocol's largest payload, with its topic.
pub(crate) const MAX_PACKET: usize = 300 * 1024;

/// The peer's bytes are not MQTT 3.1.1 as a server speaks it to this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum CodecError {
    #[error("a packet's length is malformed")]
    Length,
    #[error("a packet is larger than this client reads")]
    TooLarge,
    #[error("a packet ends before its fields do, or after them")]
    Fields,
    #[error("a packet of a kind that no server sends here, or with wrong flags")]
    Kind,
    #[error("a topic is not UTF-8")]
    Topic,
}

/// A message, either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publish {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    /// Present with QoS 1.
    pub(crate) packet_id: Option<u16>,
    /// Sent before, perhaps.
    pub(crate) dup: bool,
}

/// What a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    /// The answer to CONNECT; 0 is yes.
    ConnAck {
        session_present: bool,
        code: u8,
    },
    Publish(Publish),
    PubAck {
        packet_id: u16,
    },
    /// The answer to SUBSCRIBE: a granted QoS for each filter, or 0x80.
    SubAck {
        packet_id: u16,
        codes: Vec<u8>,
    },
    PingResp,
}

/// Puts packets together from the pieces that a connection delivers.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// Takes the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete packet.
    pub(crate) fn next(&mut self) -> Result<Option<Packet>, CodecError> {
        let Some((length, header)) = frame(&self.buffer)? else { return Ok(None) };
        if self.buffer.len() < header + length {
            return Ok(None);
        }
        let packet = read(self.buffer[0], &self.buffer[header..header + length])?;
        if self.buffer.len() == header + length {
            // Nothing left: an idle device keeps no buffer.
            self.buffer = Vec::new();
        } else {
            self.buffer.drain(..header + length);
        }
        Ok(Some(packet))
    }
}

/// The remaining length of the packet at the front, and where it begins.
fn frame(bytes: &[u8]) -> Result<Option<(usize, usize)>, CodecError> {
    let mut length = 0_usize;
    for (place, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return if length > MAX_PACKET {
                Err(CodecError::TooLarge)
            } else {
                Ok(Some((length, place + 2)))
            };
        }
    }
    if bytes.len() > 4 { Err(CodecError::Length) } else { Ok(None) }
}

fn read(first: u8, body: &[u8]) -> Result<Packet, CodecError> {
    let flags = first & 0x0F;
    match (first >> 4, flags) {
        (2, 0) => match body {
            [acknowledge @ 0..=1, code] => {
                Ok(Packet::ConnAck { session_present: *acknowledge == 1, code: *code })
            }
            _ => Err(CodecError::Fields),
        },
        (3, _) => read_publish(flags, body).map(Packet::Publish),
        (4, 0) => match body {
            [high, low] => Ok(Packet::PubAck { packet_id: u16::from_be_bytes([*high, *low]) }),
            _ => Err(CodecError::Fields),
        },
        (9, 0) => match body {
            [high, low, codes @ ..] if !codes.is_empty() => {
                Ok(Packet::SubAck { packet_id: u16::from_be_bytes([*high, *low]), codes: codes.to_vec() })
            }
            _ => Err(CodecError::Fields),
        },
        (13, 0) if body.is_empty() => Ok(Packet::PingResp),
        (13, 0) => Err(CodecError::Fields),
        _ => Err(CodecError::Kind),
    }
}

fn read_publish(flags: u8, body: &[u8]) -> Result<Publish, CodecError> {
    let (length, rest) = body.split_first_chunk::<2>().ok_or(CodecError::Fields)?;
    let (topic, rest) =
        rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(CodecError::Fields)?;
    let topic = std::str::from_utf8(topic).map_err(|_| CodecError::Topic)?;
    let (packet_id, payload) = match flags >> 1 & 3 {
        0 => (None, rest),
        1 => {
            let (id, payload) = rest.split_first_chunk::<2>().ok_or(CodecError::Fields)?;
            (Some(u16::from_be_bytes(*id)), payload)
        }
        _ => return Err(CodecError::Kind),
    };
    Ok(Publish { topic: topic.to_owned(), payload: payload.to_vec(), packet_id, dup: flags & 8 != 0 })
}

/// CONNECT. A clean session; no will, no password.
pub(crate) fn connect(client_id: &str, clean_session: bool, keep_alive_s: u16) -> Vec<u8> {
    let mut body = Vec::with_capacity(12 + client_id.len());
    put_text(&mut body, "MQTT");
    body.extend([4, u8::from(clean_session) << 1]);
    body.extend(keep_alive_s.to_be_bytes());
    put_text(&mut body, client_id);
    packet(0x10, &body)
}

/// SUBSCRIBE to every filter with QoS 1.
pub(crate) fn subscribe<'a>(packet_id: u16, filters: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    for filter in filters {
        put_text(&mut body, filter);
        body.push(1);
    }
    packet(0x82, &body)
}

/// PUBLISH, with QoS 1 if it has a packet id.
pub(crate) fn publish(message: &Publish) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + message.topic.len() + message.payload.len());
    put_text(&mut body, &message.topic);
    if let Some(id) = message.packet_id {
        body.extend(id.to_be_bytes());
    }
    body.extend_from_slice(&message.payload);
    packet(0x30 | u8::from(message.dup) << 3 | u8::from(message.packet_id.is_some()) << 1, &body)
}

/// Marks an encoded PUBLISH with QoS 1 as a repetition.
pub(crate) fn mark_repeated(publish: &mut [u8]) {
    if let Some(first) = publish.first_mut() {
        *first |= 8;
    }
}

/// PUBACK.
pub(crate) fn pub_ack(packet_id: u16) -> [u8; 4] {
    let [high, low] = packet_id.to_be_bytes();
    [0x40, 2, high, low]
}

/// PINGREQ.
pub(crate) const PING: [u8; 2] = [0xC0, 0];

/// DISCONNECT.
pub(crate) const DISCONNECT: [u8; 2] = [0xE0, 0];

fn put_text(body: &mut Vec<u8>, text: &str) {
    // Topics and client ids are far below 64 KiB; a longer one is cut so that the frame stays one.
    let text = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    body.extend((text.len() as u16).to_be_bytes());
    body.extend_from_slice(text);
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(body.len() + 5);
    packet.push(first);
    let mut length = body.len();
    loop {
        let more = length > 0x7F;
        packet.push((length & 0x7F) as u8 | u8::from(more) << 7);
        length >>= 7;
        if !more {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message() -> impl Strategy<Value = Publish> {
        (
            "[a-z0-9/가]{1,40}",
            proptest::collection::vec(any::<u8>(), 0..400),
            any::<Option<u16>>(),
            any::<bool>(),
        )
            .prop_map(|(topic, payload, packet_id, dup)| Publish { topic, payload, packet_id, dup })
    }

    fn server_packet() -> impl Strategy<Value = (Vec<u8>, Packet)> {
        prop_oneof![
            (any::<bool>(), any::<u8>()).prop_map(|(session_present, code)| (
                vec![0x20, 2, u8::from(session_present), code],
                Packet::ConnAck { session_present, code }
            )),
            message().prop_map(|m| (publish(&m), Packet::Publish(m))),
            any::<u16>().prop_map(|packet_id| (pub_ack(packet_id).to_vec(), Packet::PubAck { packet_id })),
            (any::<u16>(), proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0x80)], 1..9))
                .prop_map(|(packet_id, codes)| {
                    let mut body = packet_id.to_be_bytes().to_vec();
                    body.extend(&codes);
                    (packet(0x90, &body), Packet::SubAck { packet_id, codes })
                }),
            Just((vec![0xD0, 0], Packet::PingResp)),
        ]
    }

    proptest! {
        #[test]
        fn packets_are_found_again_however_the_bytes_are_cut(
            packets in proptest::collection::vec(server_packet(), 0..12),
            cut in 1_usize..50,
        ) {
            let bytes: Vec<u8> = packets.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
            let mut decoder = Decoder::default();
            let mut found = Vec::new();
            for piece in bytes.chunks(cut) {
                decoder.feed(piece);
                while let Some(packet) = decoder.next().unwrap() {
                    found.push(packet);
                }
            }
            prop_assert_eq!(found, packets.into_iter().map(|(_, packet)| packet).collect::<Vec<_>>());
        }

        #[test]
        fn noise_is_an_error_or_incomplete_but_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            decoder.feed(&bytes);
            while let Ok(Some(_)) = decoder.next() {}
        }
    }

    #[test]
    fn what_a_client_sends_is_as_the_standard_writes_it() {
        assert_eq!(
            connect("42", true, 60),
            [0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 2, b'4', b'2']
        );
        assert_eq!(subscribe(7, ["a/b"]), [0x82, 8, 0, 7, 0, 3, b'a', b'/', b'b', 1]);
        let mut message = publish(&Publish {
            topic: "a".into(),
            payload: b"xy".to_vec(),
            packet_id: Some(258),
            dup: false,
        });
        assert_eq!(message, [0x32, 7, 0, 1, b'a', 1, 2, b'x', b'y']);
        mark_repeated(&mut message);
        assert_eq!(message[0], 0x3A);
        let long = Publish { topic: "t".into(), payload: vec![0; 300], packet_id: None, dup: false };
        assert_eq!(publish(&long)[..3], [0x30, 0xAF, 0x02]);
    }

    #[test]
    fn a_length_that_is_too_long_or_never_ends_is_refused() {
        for (bytes, error) in [
            (&[0x30, 0xFF, 0xFF, 0xFF, 0xFF][..], CodecError::Length),
            (&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], CodecError::TooLarge),
            (&[0x10, 0], CodecError::Kind),
            (&[0x34, 0], CodecError::Fields),
            (&[0x20, 1, 0], CodecError::Fields),
            (&[0x30, 3, 0, 1, 0xFF], CodecError::Topic),
        ] {
            let mut decoder = Decoder::default();
            decoder.feed(bytes);
            assert_eq!(decoder.next(), Err(error), "{bytes:?}");
        }
    }
}
