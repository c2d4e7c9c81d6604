//! The device plane, both ways: what the engine asks of it, and what it tells the engine.

use std::net::SocketAddr;
use std::sync::Arc;

use argosy_proto::DeviceKey;
use async_trait::async_trait;
use bytes::Bytes;
use futures_core::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Admitted, PortError, Rights};
use crate::Timestamp;
use crate::model::CertificateName;

/// What became of a message to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Handed to the live connection.
    Sent,
    /// The device is not connected: nothing was kept.
    Offline,
}

/// Through which door a device came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The listener with mutual TLS.
    Mtls,
    /// The plain listener, for old devices and development.
    Plain,
}

/// A live connection of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveSession {
    /// Whose.
    pub key: DeviceKey,
    /// MQTT client id.
    pub client_id: String,
    /// Peer address.
    pub address: SocketAddr,
    /// Through which door.
    pub door: Door,
    /// `TLSv1.2`, `TLSv1.3`; `None` on the plain listener.
    pub tls_version: Option<String>,
    /// Serial of the presented certificate.
    pub certificate_serial: Option<String>,
    /// What it may do.
    pub rights: Rights,
    /// `3.1.1` or `5`.
    pub mqtt_version: String,
    /// Topic filters it has.
    pub subscriptions: Vec<String>,
    /// Since when.
    pub connected_at: Timestamp,
}

/// Outward: sends to connected devices and cuts connections. Nothing is ever queued for an absent device.
#[async_trait]
pub trait DeviceLink: Send + Sync + 'static {
    /// Publishes to a connected device at QoS 1, not retained. `expires_in_s` drops it if it could not be written by then.
    async fn publish(
        &self,
        key: &DeviceKey,
        topic: String,
        payload: Bytes,
        expires_in_s: u32,
    ) -> Result<Delivery, PortError>;

    /// Whether the device is connected now.
    fn is_connected(&self, key: &DeviceKey) -> bool;

    /// Cuts the device's connection at once; `false` if there was none.
    async fn kick(&self, key: &DeviceKey) -> bool;

    /// Cuts the device's connection at once if it was made with the certificate of that serial number; `false` if there was none.
    /// A connection with another certificate of the device is left alone.
    async fn kick_certificate(&self, key: &DeviceKey, serial: &str) -> bool;

    /// Gives the device's connection every right, if what it lacked was its registration
    /// ([`Rights::RegistrationAndRenewal`]); `false` if it has no such connection.
    fn raise_rights(&self, key: &DeviceKey) -> bool;

    /// Live connections in the order of their keys, those after `after` whose key holds `search` (any case; all if empty), `limit` at
    /// most.
    async fn sessions(&self, after: Option<&DeviceKey>, search: &str, limit: usize) -> Vec<LiveSession>;

    /// The live connection of one device.
    async fn session(&self, key: &DeviceKey) -> Option<LiveSession>;
}

/// Who knocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// MQTT client id.
    pub client_id: String,
    /// The presented certificate: already verified against our device CA.
    pub certificate: Option<PresentedCertificate>,
    /// Through which door.
    pub door: Door,
    /// Peer address.
    pub address: SocketAddr,
}

/// The facts of a presented certificate that decide who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedCertificate {
    /// The only CN.
    pub common_name: String,
    /// Issuer, as the authority names itself.
    pub issuer: String,
    /// Serial in the canonical form of the allow-list.
    pub serial: String,
    /// Valid from; the TLS layer has checked it.
    pub not_before: Timestamp,
    /// Valid until. The TLS layer lets one through that has ended: the engine decides.
    pub not_after: Timestamp,
    /// Issued by a CA that was imported: its common name is no device key, and its client id is free.
    pub imported: bool,
}

impl PresentedCertificate {
    /// What it is called on the allow-list.
    pub fn name(&self) -> CertificateName {
        CertificateName { issuer: self.issuer.clone(), serial: self.serial.clone() }
    }
}

/// Why a device is refused. The text is for our log, not for the device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The client id is not a device key, or not the certificate's CN.
    #[error("client id {client_id:?} is not the device key of its certificate")]
    WrongClientId {
        /// What was sent (cut).
        client_id: String,
    },
    /// The certificate is not on the allow-list.
    #[error("the certificate is not known")]
    UnknownCertificate,
    /// It was revoked.
    #[error("the certificate is revoked")]
    Revoked,
    /// Its time is over, and nobody has allowed its device to renew it all the same.
    #[error("the certificate has ended; an operator can allow its device to renew it")]
    Expired,
    /// A newer one took its place, and the time in which both were good is over.
    #[error("the certificate was replaced by a newer one")]
    Superseded,
    /// The device is suspended.
    #[error("the device is suspended")]
    Suspended,
    /// The plain listener does not take this key.
    #[error("the plain listener does not take this device")]
    NotAllowedPlain,
    /// The device is not registered.
    #[error("the device is not registered")]
    UnknownDevice,
    /// The registry could not be asked; the device may try again.
    #[error("the registry could not be asked")]
    Unavailable,
}

/// A message of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundMessage {
    /// From whom, by its connection.
    pub key: DeviceKey,
    /// Its topic, as it came; it is below `v1/{key}/`.
    pub topic: String,
    /// Its payload, within the listener's limit.
    pub payload: Bytes,
    /// 0 or 1.
    pub qos: u8,
    /// Through which door.
    pub door: Door,
    /// The certificate of its connection; `None` on the plain listener.
    pub certificate: Option<Arc<PresentedCertificate>>,
}

/// One connection of one device; a later connection of the same device has a higher number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionNumber(pub u64);

/// What became of a message that was [offered](DeviceEvents::offer).
pub enum Offered {
    /// It has its place; resolves when what it says is durable.
    Taken(BoxFuture<'static, Result<(), PortError>>),
    /// It must wait for its place.
    Later(InboundMessage),
}

impl std::fmt::Debug for Offered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Taken(_) => f.write_str("Taken"),
            Self::Later(message) => f.debug_tuple("Later").field(message).finish(),
        }
    }
}

/// Inward: what the device plane tells the engine.
#[async_trait]
pub trait DeviceEvents: Send + Sync + 'static {
    /// May it connect? As whom and for what, or why not.
    async fn authenticate(&self, client: ClientIdentity) -> Result<Admitted, Refusal>;

    /// It is connected and subscribed to its downward topics.
    async fn connected(&self, key: &DeviceKey, connection: ConnectionNumber);

    /// That connection has ended.
    async fn disconnected(&self, key: &DeviceKey, connection: ConnectionNumber);

    /// It sent a message. Returns when what the message says is durable: only then is it acknowledged.
    async fn message(&self, message: InboundMessage) -> Result<(), PortError>;

    /// The same, if the message can take its place in order at once; else it is given back for [`DeviceEvents::message`], and no
    /// later one of the device may overtake it.
    fn offer(&self, message: InboundMessage) -> Offered {
        Offered::Later(message)
    }
}
