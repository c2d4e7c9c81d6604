//! The port [`DeviceLink`] over the live connections.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use argosy_domain::ports::{Delivery, DeviceLink, Door, LiveSession, PortError, PortErrorKind};
use argosy_proto::{DeviceKey, DownTopic, down_filters, parse_down};
use async_trait::async_trait;
use bytes::Bytes;
use rmqtt::codec::types::{Publish as CodecPublish, QoS};
use rmqtt::codec::v5::PublishProperties;
use rmqtt::types::{ClientId, From, Id, Message, Publish};

use super::EmbeddedBroker;
use super::links::{Link, Live};
use crate::metrics::add;

#[async_trait]
impl DeviceLink for EmbeddedBroker {
    async fn publish(
        &self,
        key: &DeviceKey,
        topic: String,
        payload: Bytes,
        expires_in_s: u32,
    ) -> Result<Delivery, PortError> {
        // What is sent from here passes no hook of the broker: a wrong topic must not reach a device.
        let down = match parse_down(&topic) {
            Ok((of, down)) if of == *key => down,
            _ => {
                return Err(PortError::new(
                    "publish to a topic that is not the device's",
                    PortErrorKind::Internal,
                ));
            }
        };
        let metrics = &self.core.metrics;
        let link = self.core.links.of(key);
        let Some((link, live)) = link.as_ref().and_then(|link| Some((link, link.live()?))) else {
            add(&metrics.offline, 1);
            return Ok(Delivery::Offline);
        };
        if link.door == Door::Plain && matches!(down, DownTopic::CommandRequest | DownTopic::CertAck) {
            let operation = "publish a command or certificate over the plain listener";
            return Err(PortError::new(operation, PortErrorKind::Reference));
        }
        if !link.rights().may_receive(&down) {
            // As if it were not there: what is meant for a registered device waits until it is one.
            add(&metrics.offline, 1);
            return Ok(Delivery::Offline);
        }
        if link.unacknowledged.fetch_add(1, Ordering::AcqRel) >= self.core.limits.max_unacknowledged {
            link.unacknowledged.fetch_sub(1, Ordering::AcqRel);
            add(&metrics.backlogged, 1);
            let operation = "publish to a device that acknowledges nothing";
            return Err(PortError::new(operation, PortErrorKind::Unavailable));
        }
        if self.hand_over(live, topic, payload, expires_in_s) {
            add(&metrics.published, 1);
            Ok(Delivery::Sent)
        } else {
            add(&metrics.offline, 1);
            Ok(Delivery::Offline)
        }
    }

    fn is_connected(&self, key: &DeviceKey) -> bool {
        self.core.links.of(key).is_some_and(|link| link.live().is_some())
    }

    async fn kick(&self, key: &DeviceKey) -> bool {
        self.core.links.count_kick();
        let Some(link) = self.core.links.of(key) else { return false };
        link.bar();
        link.connection.cut();
        add(&self.core.metrics.kicked, 1);
        true
    }

    async fn kick_certificate(&self, key: &DeviceKey, serial: &str) -> bool {
        // Counted whether it is there or not: one that is just being admitted asks the registry once more.
        self.core.links.count_kick();
        let Some(link) = self.core.links.of(key) else { return false };
        let certificate = link.identity().and_then(|identity| identity.certificate.as_ref());
        if certificate.is_none_or(|certificate| certificate.serial != serial) {
            return false;
        }
        link.bar();
        link.connection.cut();
        add(&self.core.metrics.kicked, 1);
        true
    }

    fn raise_rights(&self, key: &DeviceKey) -> bool {
        self.core.links.of(key).is_some_and(|link| link.raise_rights())
    }

    async fn sessions(&self, after: Option<&DeviceKey>, search: &str, limit: usize) -> Vec<LiveSession> {
        let mut sessions = Vec::new();
        for link in self.core.links.after(after, search, limit) {
            sessions.extend(describe(&link).await);
        }
        sessions
    }

    async fn session(&self, key: &DeviceKey) -> Option<LiveSession> {
        describe(&self.core.links.of(key)?).await
    }
}

impl EmbeddedBroker {
    /// Puts a message into the session's channel; `false` if the session has ended. The channel is unbounded by itself: what
    /// bounds it is the count of unacknowledged messages.
    fn hand_over(&self, live: &Live, topic: String, payload: Bytes, expires_in_s: u32) -> bool {
        let publish = CodecPublish {
            dup: false,
            retain: false,
            qos: QoS::AtLeastOnce,
            topic: topic.into(),
            packet_id: None,
            payload,
            properties: Some(PublishProperties {
                message_expiry_interval: Some(NonZeroU32::new(expires_in_s).unwrap_or(NonZeroU32::MIN)),
                ..PublishProperties::default()
            }),
        };
        // The broker measures the expiry by its own clock.
        let publish = Publish::from(publish).create_time(rmqtt::utils::timestamp_millis());
        let broker = &self.core.bindings().broker;
        let from = From::from_system(Id::from(broker.node.id(), ClientId::from_static("argosy")));
        live.tx.unbounded_send(Message::Forward(from, publish)).is_ok()
    }
}

/// `None` if the connection is over.
async fn describe(link: &Arc<Link>) -> Option<LiveSession> {
    let (identity, live) = (link.identity()?, link.live()?);
    let mut subscriptions = down_filters(&identity.key);
    if let Ok(own) = live.session.subscriptions().await {
        subscriptions.extend(own.to_topic_filters().await.iter().map(ToString::to_string));
    }
    subscriptions.sort_unstable();
    subscriptions.dedup();
    Some(LiveSession {
        key: identity.key.clone(),
        client_id: identity.client_id.clone(),
        address: link.connection.remote_addr(),
        door: link.door,
        tls_version: identity.tls_version.clone(),
        certificate_serial: identity.certificate.as_ref().map(|c| c.serial.clone()),
        rights: link.rights(),
        mqtt_version: identity.mqtt_version.to_owned(),
        subscriptions,
        connected_at: identity.connected_at,
    })
}
