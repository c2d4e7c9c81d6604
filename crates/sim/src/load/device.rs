//! One device: fill the window, hear acknowledgements, fill it again.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::{Duration, Instant};

use argosy_proto::DeviceKey;

use super::payload::{Said, Template};
use super::{LoadError, Shared, describe, open};
use crate::mqtt::codec::{Decoder, Packet, subscribe as subscribe_packet};
use crate::net::{Peer, Wire};

/// A device's life, to the end of the load.
pub(super) async fn live(shared: &Shared, key: DeviceKey, peer: &Peer) {
    let mut device = Device {
        template: Template::new(shared.config.said, &key),
        next: 0,
        // A cheap generator of noise is enough; each device has its own.
        noise: key
            .as_str()
            .bytes()
            .fold(0x9E37_79B9_7F4A_7C15, |n, b| (n ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3)),
        acked: Ranges::default(),
        known: false,
    };
    shared.tally.payload(device.template.payload_bytes());
    loop {
        let why = tokio::select! {
            why = device.session(shared, &key, peer) => why,
            () = shared.stop.wait() => break,
        };
        if !shared.config.persistent {
            shared.failed.lock().get_or_insert(LoadError::Device { key: key.clone(), why });
            break;
        }
        shared.tally.reconnected();
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
            () = shared.stop.wait() => break,
        }
    }
    if shared.config.said == Said::Numbers {
        shared.tally.numbers(key.as_str(), device.acked.0);
    }
}

struct Device {
    template: Template,
    next: u64,
    noise: u64,
    acked: Ranges,
    known: bool,
}

/// A publish on its way.
struct Sent {
    packet_id: u16,
    number: u64,
    at: Instant,
}

impl Device {
    /// One connection; returns why it ended.
    async fn session(&mut self, shared: &Shared, key: &DeviceKey, peer: &Peer) -> String {
        let mut wire = match open(shared, key, peer).await {
            Ok(wire) => wire,
            Err(why) => return why,
        };
        if !std::mem::replace(&mut self.known, true) {
            shared.tally.one_connected();
        }
        shared.tally.wait_for_all().await;
        match self.publish(shared, &mut wire).await {
            Ok(()) => String::new(),
            Err(why) => why,
        }
    }

    async fn publish(&mut self, shared: &Shared, wire: &mut Wire) -> Result<(), String> {
        let window = usize::from(shared.config.window.max(1));
        let (mut on_their_way, mut packet_id) = (VecDeque::with_capacity(window), 0_u16);
        let (mut out, mut decoder) = (Vec::new(), Decoder::default());
        let begin = Instant::now();
        let mut said = 0_u64;
        loop {
            let due = shared.config.rate.map(|rate| (begin.elapsed().as_secs_f64() * rate) as u64);
            if on_their_way.len() <= window / 2 {
                let at = Instant::now();
                while on_their_way.len() < window && due.is_none_or(|due| said < due) {
                    packet_id = packet_id.checked_add(1).unwrap_or(1);
                    let number = self.next;
                    self.next += 1;
                    self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(number | 1);
                    self.template.write(&mut out, packet_id, shared.config.said, number, self.noise);
                    on_their_way.push_back(Sent { packet_id, number, at });
                    said += 1;
                }
                if !out.is_empty() {
                    wire.send(&out).map_err(|error| describe(&error))?;
                    out.clear();
                }
            }
            if on_their_way.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
            let read = poll_fn(|cx| wire.poll_read(cx, &mut |bytes| decoder.feed(bytes))).await;
            read.map_err(|error| describe(&error))?;
            let mut acked = 0;
            while let Some(packet) = decoder.next().map_err(|error| error.to_string())? {
                let Packet::PubAck { packet_id } = packet else { continue };
                let place = on_their_way.iter().position(|sent: &Sent| sent.packet_id == packet_id);
                let Some(sent) = place.and_then(|place| on_their_way.remove(place)) else {
                    return Err(format!("an acknowledgement of {packet_id}, which was not sent"));
                };
                if acked == 0 {
                    shared.tally.took(sent.at.elapsed());
                }
                if shared.config.said == Said::Numbers {
                    self.acked.add(sent.number);
                }
                acked += 1;
            }
            shared.tally.acked(acked);
        }
    }
}

/// Numbers, as ranges from and to.
#[derive(Debug, Default)]
struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Numbers come in rising order most of the time.
    fn add(&mut self, number: u64) {
        match self.0.last_mut() {
            Some((_, to)) if *to + 1 == number => *to = number,
            _ => self.0.push((number, number)),
        }
    }
}

/// A device that is passed everything, and throws it away.
pub(super) async fn subscribe(shared: &Shared, key: &DeviceKey, peer: &Peer) {
    let run = async {
        let mut wire = open(shared, key, peer).await?;
        wire.send(&subscribe_packet(1, ["v1/#"])).map_err(|error| describe(&error))?;
        let mut bytes = 0_u64;
        loop {
            let read = poll_fn(|cx| wire.poll_read(cx, &mut |piece| bytes += piece.len() as u64)).await;
            read.map_err(|error| describe(&error))?;
            shared.tally.delivered(bytes);
        }
    };
    let ended: Result<std::convert::Infallible, String> = tokio::select! {
        ended = run => ended,
        () = shared.stop.wait() => return,
    };
    let Err(why) = ended;
    shared.failed.lock().get_or_insert(LoadError::Device { key: key.clone(), why });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_as_ranges() {
        let mut ranges = Ranges::default();
        for number in [0, 1, 2, 5, 6, 9] {
            ranges.add(number);
        }
        assert_eq!(ranges.0, [(0, 2), (5, 6), (9, 9)]);
    }
}
