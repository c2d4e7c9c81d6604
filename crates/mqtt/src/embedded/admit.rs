//! Who may connect: from CONNECT to the engine's answer.

use std::sync::Arc;

use argosy_domain::ports::{Admitted, ClientIdentity, Door, PresentedCertificate, Refusal};
use argosy_proto::{Access, DeviceKey, belongs_to};
use rmqtt::codec::types::{MQTT_LEVEL_5, MQTT_LEVEL_31};
use rmqtt::net::TlsPeer;
use rmqtt::types::{ConnectInfo, LastWill};

use super::core::Core;
use super::links::{Identity, Link};
use crate::metrics::{Refused, add};

/// The longest client id that is looked at, in bytes.
const MAX_CLIENT_ID: usize = 256;

/// What the device is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may come in.
    Granted,
    /// It is not authorised: trying again does not help.
    Denied,
    /// The connection is closed without an answer: trying again may help.
    Later,
}

/// Why not, for log and counters.
struct NotAdmitted {
    refused: Refused,
    why: String,
    /// The engine has refused it, and has said so in the log.
    by_engine: bool,
}

impl NotAdmitted {
    fn new(refused: Refused, why: impl ToString) -> Self {
        Self { refused, why: why.to_string(), by_engine: false }
    }
}

impl From<Refusal> for NotAdmitted {
    fn from(refusal: Refusal) -> Self {
        Self::new(Refused::from(&refusal), refusal)
    }
}

impl Core {
    /// Decides on a CONNECT. If it is granted, the connection is the device's from here on, and an older one is over.
    pub(super) async fn admit(&self, link: &Arc<Link>, info: &ConnectInfo) -> Admission {
        let client_id = link.connection.client_id().map(|id| id.to_string()).unwrap_or_default();
        let Err(not) = self.check(link, info, &client_id).await else { return Admission::Granted };
        self.metrics.refused(not.refused);
        if !not.by_engine && self.log_budget() {
            let shown: String = client_id.chars().take(64).collect();
            tracing::info!(
                client = shown,
                peer = %link.connection.remote_addr(),
                door = ?link.door,
                reason = not.refused.label(),
                "device refused: {}", not.why
            );
        }
        match not.refused {
            Refused::Unavailable | Refused::Stopping => {
                link.connection.cut();
                Admission::Later
            }
            _ => Admission::Denied,
        }
    }

    async fn check(&self, link: &Arc<Link>, info: &ConnectInfo, client_id: &str) -> Result<(), NotAdmitted> {
        if self.stopping.is_cancelled() {
            return Err(NotAdmitted::new(Refused::Stopping, "the server is stopping"));
        }
        if client_id.len() > MAX_CLIENT_ID {
            return Err(NotAdmitted::new(Refused::WrongClientId, "the client id is too long"));
        }
        let tls = link.connection.take_tls();
        if tls.is_some() {
            add(&self.metrics.handshakes, 1);
        }
        let client = ClientIdentity {
            client_id: client_id.to_owned(),
            certificate: self.certificate(link.door, tls.as_ref())?,
            door: link.door,
            address: link.connection.remote_addr(),
        };
        if link.door == Door::Plain {
            self.check_plain(client_id)?;
        }

        let kicks = self.links.kicks();
        let admitted = self.ask(client.clone()).await?;
        let key = &admitted.key;
        check_will(key, info, self.limits.max_payload)?;
        link.set_rights(admitted.rights);
        link.set_identity(Identity {
            key: key.clone(),
            client_id: client.client_id.clone(),
            tls_version: tls.map(|tls| tls.version.to_owned()),
            certificate: client.certificate.clone().map(Arc::new),
            mqtt_version: match info.proto_ver() {
                MQTT_LEVEL_31 => "3.1",
                MQTT_LEVEL_5 => "5",
                _ => "3.1.1",
            },
            connected_at: self.clock.now(),
        });
        let overtaken =
            |_| NotAdmitted::new(Refused::Unavailable, "a newer connection of the device is there");
        let replaced = self.links.take(key, link).map_err(overtaken)?;

        // A device that was suspended or revoked between the registry's answer and now has been kicked before this connection
        // could be found. From `take` on it can be; so ask once more.
        if self.links.kicks() != kicks {
            let again = self.ask(client).await;
            if again.as_ref().ok() != Some(&admitted) {
                self.links.release(link);
                return Err(again.err().unwrap_or_else(|| Refusal::UnknownDevice.into()));
            }
        }
        if let Some(old) = replaced {
            add(&self.metrics.taken_over, 1);
            old.connection.cut();
            self.end(&old).await;
        }
        Ok(())
    }

    fn certificate(
        &self,
        door: Door,
        tls: Option<&TlsPeer>,
    ) -> Result<Option<PresentedCertificate>, NotAdmitted> {
        if door == Door::Plain {
            return Ok(None);
        }
        let leaf = tls.and_then(|tls| tls.certificates.first());
        let leaf =
            leaf.ok_or_else(|| NotAdmitted::new(Refused::BadCertificate, "no certificate was presented"))?;
        (self.bindings().reader)(leaf).map(Some).map_err(|e| NotAdmitted::new(Refused::BadCertificate, e))
    }

    fn check_plain(&self, client_id: &str) -> Result<(), NotAdmitted> {
        let wrong = |_| Refusal::WrongClientId { client_id: client_id.chars().take(64).collect() };
        let key = DeviceKey::new(client_id).map_err(wrong)?;
        if self.bindings().plain.allows(&key) { Ok(()) } else { Err(Refusal::NotAllowedPlain.into()) }
    }

    async fn ask(&self, client: ClientIdentity) -> Result<Admitted, NotAdmitted> {
        let answer =
            tokio::time::timeout(self.limits.authenticate_timeout, self.events().authenticate(client)).await;
        match answer {
            Ok(Ok(admitted)) => Ok(admitted),
            Ok(Err(refusal)) => Err(NotAdmitted { by_engine: true, ..refusal.into() }),
            Err(_) => Err(NotAdmitted::new(Refused::Unavailable, "the registry did not answer in time")),
        }
    }
}

/// The broker publishes a will without asking whether its sender may: that is decided here.
fn check_will(key: &DeviceKey, info: &ConnectInfo, max_payload: usize) -> Result<(), NotAdmitted> {
    let (topic, payload) = match info.last_will() {
        None => return Ok(()),
        Some(LastWill::V3(will)) => (&will.topic, &will.message),
        Some(LastWill::V5(will)) => (&will.topic, &will.message),
    };
    if !belongs_to(key, Access::Publish, topic) {
        return Err(NotAdmitted::new(Refused::Will, "its will is for a topic that is not its own"));
    }
    if payload.len() > max_payload {
        return Err(NotAdmitted::new(Refused::Will, "its will is too large"));
    }
    Ok(())
}
