//! Which lane a message takes.

use argosy_domain::Timestamp;
use argosy_domain::model::{Event, Fact, SeriesRow};
use argosy_domain::ports::{DeviceBrief, Door, InboundMessage, Offered, PortError, PortErrorKind};
use argosy_proto::message::StatusSystem;
use argosy_proto::{DeviceId, FirmwareVersion, UpMessage, decode_up, parse_up};

use super::content::shown_by;
use super::registration::may_hold_code;
use super::rows;
use super::transitions::Work;
use crate::Engine;
use crate::metrics::add;

/// The longest topic kept with a dead letter, in characters.
const MAX_TOPIC: usize = 256;

/// Reads a message; the error is the reason for its dead letter.
pub(super) fn decode(message: &InboundMessage) -> Result<UpMessage, String> {
    let (key, topic) = parse_up(&message.topic).map_err(|error| error.to_string())?;
    if key != message.key {
        return Err("the topic is another device's".to_owned());
    }
    let decoded = decode_up(&topic, &message.payload).map_err(|error| error.to_string())?;
    if message.door == Door::Plain && matches!(decoded, UpMessage::CommandResponse(_)) {
        return Err("commands are not spoken over the plain listener".to_owned());
    }
    Ok(decoded)
}

/// Where a message goes.
struct Sorted {
    fact: Option<SeriesRow>,
    work: Option<Work>,
}

impl Engine {
    /// Takes a message; returns when everything that it says is durable.
    pub(super) async fn take(&self, message: InboundMessage, at: Timestamp) -> Result<(), PortError> {
        let known = self.known(&message.key).await?;
        let Sorted { fact, work } = self.sort(known.as_deref(), message, at);
        let facts = self.fact_queue.durable(fact.into_iter().collect());
        match work {
            None => facts.await,
            Some(work) => {
                let (stored, moved) = tokio::join!(facts, self.transitions.durable(work, at));
                stored.and(moved)
            }
        }
    }

    /// The same without waiting for a place: gives the message back if its device is not known here, or a lane is full.
    pub(super) fn take_now(&self, message: InboundMessage, at: Timestamp) -> Offered {
        let Some(known) = self.briefs.get(&message.key) else { return Offered::Later(message) };
        let places = self.fact_queue.place().zip(self.transitions.place());
        let Some((facts, transitions)) = places else { return Offered::Later(message) };
        let Sorted { fact, work } = self.sort(Some(&known), message, at);
        let stored = fact.map(|row| facts.take(vec![row]));
        let moved = work.map(|work| transitions.take(work, at));
        Offered::Taken(Box::pin(async move {
            for wait in [stored, moved].into_iter().flatten() {
                wait.await.map_err(|_| PortError::new("ingest", PortErrorKind::Unavailable))??;
            }
            Ok(())
        }))
    }

    fn sort(&self, known: Option<&DeviceBrief>, message: InboundMessage, at: Timestamp) -> Sorted {
        let Some(known) = known else {
            let reason = "the device is not registered".to_owned();
            return Sorted { fact: Some(self.dead_letter(DeviceId(0), &message, reason, at)), work: None };
        };
        let device = known.id;
        self.heard.seen(device, at);
        let decoded = match decode(&message) {
            Ok(decoded) => decoded,
            Err(reason) => {
                return Sorted { fact: Some(self.dead_letter(device, &message, reason, at)), work: None };
            }
        };
        match decoded {
            UpMessage::StatusSystem(status) if self.is_news(known, &status, at) => {
                let fact = rows::fact_of(device, UpMessage::StatusSystem(status.clone()), at);
                let work = Work::Message(message, Box::new(UpMessage::StatusSystem(status)));
                Sorted { fact, work: Some(work) }
            }
            UpMessage::UpdateAck(_)
            | UpMessage::Progress(_)
            | UpMessage::Result(_)
            | UpMessage::Regist(_)
            | UpMessage::CertRequest(_)
            | UpMessage::Hello(_) => {
                Sorted { fact: None, work: Some(Work::Message(message, Box::new(decoded))) }
            }
            UpMessage::StatusSystem(_)
            | UpMessage::StatusErrorLog(_)
            | UpMessage::SalesData(_)
            | UpMessage::Test(_)
            | UpMessage::CancelAck(_)
            | UpMessage::CommandResponse(_)
            | UpMessage::Data { .. } => {
                if let UpMessage::Test(test) = &decoded {
                    tracing::info!(device = %message.key, text = test.message, "test message of {}", message.key);
                }
                Sorted { fact: rows::fact_of(device, decoded, at), work: None }
            }
        }
    }

    /// Whether a status says something that the registry does not have yet.
    fn is_news(&self, known: &DeviceBrief, status: &StatusSystem, at: Timestamp) -> bool {
        let version = status.firmware_version.as_ref().map(FirmwareVersion::as_str);
        version.is_some_and(|version| known.firmware_version.as_deref() != Some(version))
            || shown_by(status).is_some_and(|files| !self.shown.says_again(known.id, &files, at))
    }

    /// The row of a message that is not understood; it is counted and, once a minute and device, logged.
    pub(super) fn dead_letter(
        &self,
        device: DeviceId,
        message: &InboundMessage,
        reason: String,
        at: Timestamp,
    ) -> SeriesRow {
        add(&self.metrics.dead_letters_total, 1);
        let topic: String = message.topic.chars().take(MAX_TOPIC).collect();
        let key = &message.key;
        if self.facts.may_log(key, at) {
            tracing::warn!(device = %key, topic, reason, "device {key} sent a message that is not understood: {reason}");
        }
        // A payload that may hold a code or a certificate request is not kept.
        let secret =
            may_hold_code(&message.topic, &message.payload) || message.topic.ends_with("/cert/request");
        let kept = if secret { 0 } else { message.payload.len().min(self.config.ingest.dead_letter_bytes) };
        let payload = message.payload.slice(..kept).to_vec();
        let event = Event::DeadLetter { key: key.clone(), topic, reason, payload };
        SeriesRow { device, at, device_time: None, fact: Fact::Event(event) }
    }
}
