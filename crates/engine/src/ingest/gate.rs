//! The gate: who may connect, and the engine's ear on the device plane.

use argosy_domain::model::DeviceState;
use argosy_domain::ports::{
    Admitted, ClientIdentity, ConnectionNumber, DeviceEvents, Door, InboundMessage, Offered, PortError,
    Refusal, Rights,
};
use argosy_proto::DeviceKey;
use async_trait::async_trait;

use super::registration::asks_for_certificate;
use super::transitions::Work;
use crate::Engine;
use crate::metrics::add;

#[async_trait]
impl DeviceEvents for Engine {
    async fn authenticate(&self, client: ClientIdentity) -> Result<Admitted, Refusal> {
        let door = client.door;
        let admitted = match (door, &client.certificate) {
            (Door::Mtls, Some(certificate)) => self.by_certificate(&client.client_id, certificate).await,
            (Door::Mtls, None) => Err(Refusal::UnknownCertificate),
            (Door::Plain, _) => self.by_plain_key(&client.client_id).await,
        };
        match &admitted {
            Ok(admitted) => self.presence.admitted(&admitted.key, door, admitted.rights),
            Err(refusal) => {
                add(&self.metrics.connections_refused_total, 1);
                let client_id: String = client.client_id.chars().take(64).collect();
                tracing::info!(client_id, address = %client.address, reason = %refusal, "refused client {client_id}: {refusal}");
            }
        }
        admitted
    }

    async fn connected(&self, key: &DeviceKey, connection: ConnectionNumber) {
        let now = self.now();
        if self.presence.connected(key, connection, now) {
            self.transitions.later(Work::Connected(key.clone()), now).await;
            self.resend_renewal(key).await;
        }
    }

    async fn disconnected(&self, key: &DeviceKey, connection: ConnectionNumber) {
        let now = self.now();
        if self.presence.disconnected(key, connection, now) {
            self.transitions.later(Work::Disconnected(key.clone()), now).await;
        }
    }

    async fn message(&self, message: InboundMessage) -> Result<(), PortError> {
        add(&self.metrics.messages_total, 1);
        if let Some(judged) = self.registration(&message).await {
            return judged;
        }
        if self.is_held() && asks_for_certificate(&message) {
            return self.defer(&message).await;
        }
        if let Some(judged) = self.renewal(&message).await {
            return judged;
        }
        self.take(message, self.now()).await
    }

    fn offer(&self, message: InboundMessage) -> Offered {
        // Each judged by itself, in its own time.
        if message.topic.ends_with("/regist") || message.topic.ends_with("/cert/request") {
            return Offered::Later(message);
        }
        let offered = self.take_now(message, self.now());
        if matches!(offered, Offered::Taken(_)) {
            add(&self.metrics.messages_total, 1);
        }
        offered
    }
}

impl Engine {
    /// The plain listener has checked its list of keys; here: known, not suspended, and never given a certificate, so that nobody takes
    /// over by plain text the name of a device that proves itself.
    async fn by_plain_key(&self, client_id: &str) -> Result<Admitted, Refusal> {
        let key = DeviceKey::new(client_id)
            .map_err(|_| Refusal::WrongClientId { client_id: client_id.chars().take(64).collect() })?;
        let mut read = self.ports.registry.read().await.map_err(|_| Refusal::Unavailable)?;
        let device = read
            .device_by_key(&key)
            .await
            .map_err(|_| Refusal::Unavailable)?
            .ok_or(Refusal::UnknownDevice)?;
        let rights = match device.spec.state {
            DeviceState::Active => Rights::Full,
            DeviceState::Suspended => return Err(Refusal::Suspended),
            DeviceState::Unregistered => Rights::RegistrationAndRenewal,
        };
        if read.has_certificate(device.id).await.map_err(|_| Refusal::Unavailable)? {
            return Err(Refusal::NotAllowedPlain);
        }
        Ok(Admitted { key, rights })
    }
}
