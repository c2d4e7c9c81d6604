//! What the device plane counts.

use std::sync::atomic::{AtomicU64, Ordering};

use argosy_domain::ports::Refusal;
use argosy_proto::UpTopic;

/// Why a connection was refused after its CONNECT, or before it could send one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// As many connections as are allowed are open.
    TooManyConnections,
    /// The server is stopping.
    Stopping,
    /// The presented certificate cannot be read as an identity.
    BadCertificate,
    /// The client id is not that of the certificate.
    WrongClientId,
    /// The certificate is not on the allow-list.
    UnknownCertificate,
    /// The certificate is revoked.
    Revoked,
    /// The certificate has ended.
    Expired,
    /// A newer certificate took its place.
    Superseded,
    /// The device is suspended.
    Suspended,
    /// The plain listener does not take the device.
    NotAllowedPlain,
    /// The device is not registered.
    UnknownDevice,
    /// The registry could not be asked.
    Unavailable,
    /// The will is for a topic that is not the device's, or too large.
    Will,
}

impl Refused {
    const ALL: [Self; 13] = [
        Self::TooManyConnections,
        Self::Stopping,
        Self::BadCertificate,
        Self::WrongClientId,
        Self::UnknownCertificate,
        Self::Revoked,
        Self::Expired,
        Self::Superseded,
        Self::Suspended,
        Self::NotAllowedPlain,
        Self::UnknownDevice,
        Self::Unavailable,
        Self::Will,
    ];

    /// The reason as a metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooManyConnections => "too_many_connections",
            Self::Stopping => "stopping",
            Self::BadCertificate => "bad_certificate",
            Self::WrongClientId => "wrong_client_id",
            Self::UnknownCertificate => "unknown_certificate",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
            Self::Suspended => "suspended",
            Self::NotAllowedPlain => "not_allowed_plain",
            Self::UnknownDevice => "unknown_device",
            Self::Unavailable => "unavailable",
            Self::Will => "will",
        }
    }
}

impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::WrongClientId { .. } => Self::WrongClientId,
            Refusal::UnknownCertificate => Self::UnknownCertificate,
            Refusal::Revoked => Self::Revoked,
            Refusal::Expired => Self::Expired,
            Refusal::Superseded => Self::Superseded,
            Refusal::Suspended => Self::Suspended,
            Refusal::NotAllowedPlain => Self::NotAllowedPlain,
            Refusal::UnknownDevice => Self::UnknownDevice,
            Refusal::Unavailable => Self::Unavailable,
        }
    }
}

/// One number, ready for an exposition format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Name of the metric; ends in `_total` if it only rises.
    pub name: &'static str,
    /// Label and its value.
    pub label: Option<(&'static str, &'static str)>,
    /// The value now.
    pub value: u64,
}

/// Kinds of upward topics, as labels. The last one stands for a topic that the protocol does not know.
const KINDS: [&str; 14] = [
    "update/request/ack",
    "update/progress",
    "update/result",
    "update/cancel/ack",
    "status/system",
    "status/error_log",
    "sales/data",
    "regist",
    "cert/request",
    "test",
    "hello",
    "data",
    "command/response",
    "unknown",
];

/// The device plane's counters. Relaxed atomics: each is right by itself, not as a set.
#[derive(Debug, Default)]
pub struct LinkMetrics {
    /// Open sockets, those still in their handshake included.
    pub open: AtomicU64,
    /// Devices connected and ready.
    pub connected: AtomicU64,
    /// Sockets accepted.
    pub accepted: AtomicU64,
    /// TLS handshakes that were completed by who then said CONNECT.
    pub handshakes: AtomicU64,
    /// TLS handshakes that failed, the peer's or ours.
    pub tls_failed: AtomicU64,
    /// Connections closed because TLS handshake or CONNECT did not come in time.
    pub handshake_timeouts: AtomicU64,
    /// Connections that said something else than CONNECT, or left.
    pub connect_failed: AtomicU64,
    refused: [AtomicU64; Refused::ALL.len()],
    messages: [AtomicU64; KINDS.len()],
    /// Bytes of payload in the messages taken.
    pub payload_bytes_in: AtomicU64,
    /// Messages handed to connected devices.
    pub published: AtomicU64,
    /// Messages to devices that were not connected.
    pub offline: AtomicU64,
    /// Messages refused because the device acknowledges none of those it has.
    pub backlogged: AtomicU64,
    /// Publishes to a topic that is not the device's own.
    pub publish_refused: AtomicU64,
    /// Publishes dropped because the session lacks the right: its device is not registered, or its certificate has ended.
    pub publish_restricted: AtomicU64,
    /// Subscriptions to a filter that is not below the device's own root.
    pub subscribe_refused: AtomicU64,
    /// Messages that could not be made durable; their devices send them again.
    pub ingest_failed: AtomicU64,
    /// Packets delayed by a device's rate limit.
    pub throttled: AtomicU64,
    /// Connections closed because a device stayed over its rate limit.
    pub throttle_closed: AtomicU64,
    /// Connections cut on request.
    pub kicked: AtomicU64,
    /// Connections that a newer one of the same device replaced.
    pub taken_over: AtomicU64,
    /// Wills taken as messages.
    pub wills: AtomicU64,
    /// Bytes received, as on the wire.
    pub bytes_in: AtomicU64,
    /// Bytes sent, as on the wire.
    pub bytes_out: AtomicU64,
}

/// Adds `n`.
pub(crate) fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}

/// Takes one off a gauge.
pub(crate) fn down(gauge: &AtomicU64) {
    gauge.fetch_sub(1, Ordering::Relaxed);
}

impl LinkMetrics {
    pub(crate) fn refused(&self, why: Refused) {
        add(&self.refused[why as usize], 1);
    }

    /// How often connections were refused for `why`.
    pub fn refusals(&self, why: Refused) -> u64 {
        self.refused[why as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn message(&self, topic: Option<&UpTopic>, payload: usize) {
        let kind = topic.map_or("unknown", UpTopic::kind);
        let at = KINDS.iter().position(|k| *k == kind).unwrap_or(KINDS.len() - 1);
        add(&self.messages[at], 1);
        add(&self.payload_bytes_in, payload);
    }

    /// Every number now.
    pub fn samples(&self) -> Vec<Sample> {
        let plain = [
            ("argosy_mqtt_open_connections", &self.open),
            ("argosy_mqtt_connected_devices", &self.connected),
            ("argosy_mqtt_accepted_total", &self.accepted),
            ("argosy_mqtt_handshakes_total", &self.handshakes),
            ("argosy_mqtt_tls_failed_total", &self.tls_failed),
            ("argosy_mqtt_handshake_timeouts_total", &self.handshake_timeouts),
            ("argosy_mqtt_connect_failed_total", &self.connect_failed),
            ("argosy_mqtt_payload_bytes_in_total", &self.payload_bytes_in),
            ("argosy_mqtt_published_total", &self.published),
            ("argosy_mqtt_publish_offline_total", &self.offline),
            ("argosy_mqtt_publish_backlogged_total", &self.backlogged),
            ("argosy_mqtt_publish_refused_total", &self.publish_refused),
            ("argosy_mqtt_publish_restricted_total", &self.publish_restricted),
            ("argosy_mqtt_subscribe_refused_total", &self.subscribe_refused),
            ("argosy_mqtt_ingest_failed_total", &self.ingest_failed),
            ("argosy_mqtt_throttled_total", &self.throttled),
            ("argosy_mqtt_throttle_closed_total", &self.throttle_closed),
            ("argosy_mqtt_kicked_total", &self.kicked),
            ("argosy_mqtt_taken_over_total", &self.taken_over),
            ("argosy_mqtt_wills_total", &self.wills),
            ("argosy_mqtt_bytes_in_total", &self.bytes_in),
            ("argosy_mqtt_bytes_out_total", &self.bytes_out),
        ];
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let plain = plain.into_iter().map(|(name, c)| Sample { name, label: None, value: read(c) });
        let refused = Refused::ALL.into_iter().map(|why| Sample {
            name: "argosy_mqtt_refused_total",
            label: Some(("reason", why.label())),
            value: self.refusals(why),
        });
        let messages = KINDS.into_iter().zip(&self.messages).map(|(kind, c)| Sample {
            name: "argosy_mqtt_messages_total",
            label: Some(("kind", kind)),
            value: read(c),
        });
        plain.chain(refused).chain(messages).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_own_place() {
        let metrics = LinkMetrics::default();
        for (at, why) in Refused::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, at);
            metrics.refused(why);
            assert_eq!(metrics.refusals(why), 1);
        }
    }

    #[test]
    fn messages_are_counted_by_kind() {
        let metrics = LinkMetrics::default();
        metrics.message(Some(&UpTopic::Hello), 10);
        metrics.message(None, 5);
        let value = |kind| {
            let samples = metrics.samples();
            samples.iter().find(|s| s.label == Some(("kind", kind))).expect("kind").value
        };
        assert_eq!((value("hello"), value("unknown"), value("test")), (1, 1, 0));
        assert_eq!(metrics.payload_bytes_in.load(Ordering::Relaxed), 15);
    }
}
