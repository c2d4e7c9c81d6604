//! What devices publish: encoded once, and written over before each sending.

use argosy_proto::DeviceKey;

use crate::mqtt::codec::{self, Publish};

/// What to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A full `status/system`, with measures that wander as those of a device do.
    Status,
    /// A row `{"n":…}` on `data/{stream}` with a number of its own, counted up for each device.
    Numbers,
}

/// The stream of [`Said::Numbers`].
const STREAM: &str = "numbered";

/// Where digits stand that change, and how many.
#[derive(Debug, Clone, Copy)]
struct Field {
    at: usize,
    digits: usize,
}

/// One encoded PUBLISH with QoS 1, ready to be written over.
#[derive(Debug)]
pub(super) struct Template {
    packet: Vec<u8>,
    packet_id: usize,
    fields: Vec<Field>,
    payload_bytes: usize,
}

/// From this field on a status has the digits of the device's time.
const TIME: usize = 8;

/// A marker in the text of a template: `#` for each digit.
const MARK: u8 = b'#';

impl Template {
    pub(super) fn new(said: Said, key: &DeviceKey) -> Self {
        let (topic, text) = match said {
            // The measures have two digits and one after the point, so that the length never changes.
            Said::Status => (
                format!("v1/{key}/status/system"),
                concat!(
                    r##"{"firmware_version":"1.4.2","advertisements":[{"id":101},{"id":102},{"id":103}],"##,
                    r##""system":{"cpu_usage":{"core_0":1#.#,"core_1":2#.#},"memory_usage":3#.#,"storage_usage":61.5,"##,
                    r##""uptime":1#######},"network":{"connection_type":"wifi","signal_strength":-5#,"##,
                    r##""local_ip":"192.168.0.17","gateway_ip":"192.168.0.1"},"timestamp":"2025-07-03T1#:3#:4#Z"}"##
                )
                .to_owned(),
            ),
            Said::Numbers => (format!("v1/{key}/data/{STREAM}"), r##"{"n":1############}"##.to_owned()),
        };
        let mut fields = Vec::new();
        let payload = text.into_bytes();
        let payload_bytes = payload.len();
        let mut packet = codec::publish(&Publish { topic, payload, packet_id: Some(1), dup: false });
        let start = packet.len() - payload_bytes;
        let mut at = start;
        while at < packet.len() {
            let digits = packet[at..].iter().take_while(|byte| **byte == MARK).count();
            if digits > 0 {
                packet[at..at + digits].fill(b'0');
                fields.push(Field { at, digits });
            }
            at += digits.max(1);
        }
        Self { packet, packet_id: start - 2, fields, payload_bytes }
    }

    /// Bytes of the payload.
    pub(super) fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// Writes one publish behind `out`.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, packet_id: u16, said: Said, number: u64, noise: u64) {
        self.packet[self.packet_id..self.packet_id + 2].copy_from_slice(&packet_id.to_be_bytes());
        for (place, field) in self.fields.iter().enumerate() {
            let value = match said {
                Said::Numbers => number,
                // Uptime and the device's time count up, measures wander.
                Said::Status if field.digits > 2 => number * 10,
                Said::Status if place >= TIME => number / [100, 10, 1][(place - TIME).min(2)],
                Said::Status => noise >> (place * 5),
            };
            digits(&mut self.packet[field.at..field.at + field.digits], value);
        }
        out.extend_from_slice(&self.packet);
    }
}

fn digits(place: &mut [u8], mut value: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// What [`Said::Numbers`] adds to a number: its leading digit, which keeps the length the same.
pub(super) const BASE: u64 = 1_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use argosy_proto::{UpMessage, decode_up, parse_up};

    fn sent(said: Said, number: u64) -> (Vec<u8>, UpMessage) {
        let key = DeviceKey::new("load-1").unwrap();
        let mut template = Template::new(said, &key);
        let mut out = Vec::new();
        template.write(&mut out, 258, said, number, 0x0123_4567_89AB_CDEF ^ number);
        let body = &out[if out[1] & 0x80 == 0 { 2 } else { 3 }..];
        let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let topic = std::str::from_utf8(&body[2..2 + length]).unwrap();
        assert_eq!(body[2 + length..4 + length], [1, 2], "the packet id");
        let payload = &body[4 + length..];
        assert_eq!(payload.len(), template.payload_bytes());
        let (from, topic) = parse_up(topic).unwrap();
        assert_eq!(from, key);
        let message = decode_up(&topic, payload).unwrap();
        (out, message)
    }

    #[test]
    fn a_status_is_whole_and_changes() {
        let (first, message) = sent(Said::Status, 7);
        let UpMessage::StatusSystem(status) = message else { panic!("{message:?}") };
        let system = status.system.unwrap();
        assert_eq!(system.uptime, Some(10_000_070));
        let cpu = system.cpu_usage.unwrap();
        assert!(cpu.core_0.is_some() && cpu.core_1.is_some() && system.memory_usage.is_some());
        assert_eq!(status.advertisements.unwrap().len(), 3);
        assert!(status.network.unwrap().signal_strength.is_some() && status.timestamp.is_some());
        assert_ne!(first, sent(Said::Status, 8).0);
    }

    #[test]
    fn a_number_comes_out_as_it_went_in() {
        let (_, message) = sent(Said::Numbers, 123_456);
        assert!(format!("{message:?}").contains(&(BASE + 123_456).to_string()), "{message:?}");
    }
}
