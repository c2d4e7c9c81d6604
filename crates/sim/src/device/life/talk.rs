//! What a device hears and what it says.

use argosy_agent_core::{CommandId, ContentEvent, Event, Outcome, Report};
use argosy_proto::{DeviceTime, DownMessage, UpMessage, decode_down, parse_down};

use super::{Life, Link};
use crate::counters::Counters;
use crate::device::words::{self, Note};
use crate::mqtt::MqttError;
use crate::mqtt::codec::{self, Packet, Publish};

impl Life<'_> {
    pub(super) fn packet(&mut self, packet: Packet) -> Result<(), MqttError> {
        match packet {
            Packet::Publish(message) => {
                Counters::add(&self.context.counters.received, 1);
                let packet_id = message.packet_id;
                self.message(&message);
                if let Some(id) = packet_id {
                    self.send(&codec::pub_ack(id));
                }
            }
            Packet::PubAck { packet_id } => {
                let note = self.outbox.acknowledged(packet_id);
                self.heard(note);
            }
            Packet::SubAck { codes, .. } => {
                if codes.iter().any(|code| code & 0x80 != 0) {
                    self.context.counters.retry("broker: subscription refused");
                }
            }
            Packet::PingResp => {}
            Packet::ConnAck { .. } => return Err(MqttError::NoConnAck),
        }
        Ok(())
    }

    /// What it means that the server has a message.
    fn heard(&mut self, note: Option<Note>) {
        match note {
            None | Some(Note::Nothing) => {}
            Some(Note::Runs(hash)) => self.ledger.runs(hash),
            Some(Note::Failed { reason, rolled_back }) => self.ledger.failed(&reason, rolled_back),
            Some(Note::Stopped) => self.ledger.abandoned(),
            Some(Note::Content(ended)) => self.ledger.content(ended),
        }
    }

    fn message(&mut self, message: &Publish) {
        let decoded = parse_down(&message.topic)
            .map_err(|_| ())
            .and_then(|(_, topic)| decode_down(topic, &message.payload).map_err(|_| ()));
        let Ok(down) = decoded else {
            self.context.counters.retry("a message from the server is not understood");
            return;
        };
        match down {
            DownMessage::UpdateFirmware(request) => {
                if self.legacy() && (self.agent.busy_with().is_some() || self.content_busy()) {
                    return;
                }
                match words::offer(&request) {
                    Ok(offer) => {
                        self.image = Some(offer.image.hash);
                        self.ledger.requested(offer.image.hash, offer.image.size);
                        self.step(Event::Request(offer));
                    }
                    Err(why) => {
                        let note = Note::Failed { reason: why.clone(), rolled_back: false };
                        self.ledger.requested(request.content.file_info.file_hash, 0);
                        let message = words::rejected(request.command_id, why, self.time());
                        self.publish(&message, note);
                    }
                }
            }
            DownMessage::UpdateCancel(cancel) => {
                if let (false, Ok(command)) = (self.legacy(), CommandId::new(cancel.command_id.as_str())) {
                    if self.content_runs(command) {
                        self.content_step(ContentEvent::Cancel(command));
                    } else {
                        self.step(Event::Cancel(command));
                    }
                }
            }
            DownMessage::HelloAck(ack) => {
                self.ledger.reconnect_jitter_ms = u64::from(ack.reconnect_jitter_s.unwrap_or(0)) * 1_000;
            }
            DownMessage::UpdateAdvertisement(request) => self.content_request(&request),
            DownMessage::RegistAck(ack) => self.registration_answered(&ack),
            DownMessage::CertAck(ack) => self.certificate_answered(&ack),
            DownMessage::CommandRequest(_) => {}
        }
    }

    pub(super) fn time(&self) -> DeviceTime {
        DeviceTime::from_unix_ms(i64::try_from(self.context.now_ms()).unwrap_or(i64::MAX))
    }

    pub(super) fn report(&mut self, report: &Report) {
        if let Report::Result { outcome: Outcome::Success, .. } = report {
            self.ledger.verified();
        }
        let boot = self.agent.boot_report();
        if let Some((message, note)) =
            words::message(report, &boot, self.image, self.context.config.mode, self.time())
        {
            self.publish(&message, note);
        }
    }

    /// Progress and status with QoS 0, if there is a session; everything else is kept until it is acknowledged.
    pub(super) fn publish(&mut self, message: &UpMessage, note: Note) {
        let topic = message.topic().topic(self.key());
        let payload = match message.encode() {
            Ok(payload) => payload,
            Err(error) => {
                tracing::error!(key = %self.key(), %topic, %error, "device {} cannot say {topic}", self.key());
                return;
            }
        };
        Counters::add(&self.context.counters.published, 1);
        if matches!(message, UpMessage::Progress(_) | UpMessage::StatusSystem(_)) {
            let packet = codec::publish(&Publish { topic, payload, packet_id: None, dup: false });
            return self.send(&packet);
        }
        if self.context.config.features.qos0 {
            // Said is all that can be known.
            let packet = codec::publish(&Publish { topic, payload, packet_id: None, dup: false });
            self.send(&packet);
            return self.heard(Some(note));
        }
        let bytes = self.outbox.push(topic, payload, note);
        if let Link::Up(session) = &mut self.link
            && let Err(error) = session.wire.send(bytes)
        {
            self.link_failed(&error.into());
        }
    }
}
