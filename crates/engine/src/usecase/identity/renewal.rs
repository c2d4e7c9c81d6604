//! Renewal, so that no order of losses shuts a board out. A board overwrites its private key *before* it asks: from then on its
//! old certificate is all that it can show, and the new key all that it can prove.
//!
//! * The answer to a valid request is stored, and only then published; and published again on this and every later connection until
//!   the new certificate has been seen in use. Until then the old one stays good.
//! * The same public key again gets the same answer: no second certificate, whatever is lost or repeated.
//! * Another key: newest wins. What was given before stays good until the newest was seen. A device can have
//!   [`MAX_RENEWALS`] of them; of more, the oldest are forgotten.
//! * A board that restarts in between comes in with its old certificate and its new key ([`RenewalKeys`]), and is given the answer.
//! * Once the new one is in use, older ones are good for the grace period, and refused after it.

use std::sync::Arc;
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::model::{
    Admission, CertificateName, CertificateState, Device, DeviceState, MAX_RENEWALS, Renewal,
};
use argosy_domain::ports::{
    Door, InboundMessage, IssueError, IssuedCertificate, PortError, PortErrorKind, PortResult,
    PresentedCertificate, RenewalKeys,
};
use argosy_proto::message::{CertAck, CertRequest, CertStatus};
use argosy_proto::{DeviceId, DeviceKey, DownMessage, UpMessage, UpTopic, decode_up, parse_up};
use serde_json::json;

use crate::Engine;
use crate::dispatch::chain;
use crate::error::{EngineError, EngineResult};
use crate::metrics::add;
use crate::usecase::devices::allow_row;
use crate::usecase::{Actor, audit};

/// An answer that could not be written to its device within this time is sent again anyway.
const EXPIRES_S: u32 = 600;
/// How often an answer is sent again on one connection.
const AGAIN: Duration = Duration::from_secs(10 * 60);
/// A request is tried so often if the registry does not answer: its sender may never ask again.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

impl RenewalKeys for Engine {
    fn keys_of(&self, certificate: &CertificateName) -> Vec<Vec<u8>> {
        self.renewals.keys_of(certificate)
    }
}

impl Engine {
    /// Loads what is unfinished. Before any listener opens.
    pub(crate) async fn load_renewals(&self) -> PortResult<()> {
        let mut after = DeviceId(0);
        loop {
            let found = self.ports.registry.read().await?.renewals(after, 1000).await?;
            let Some(last) = found.last() else { break };
            after = last.device;
            for of_one in found.chunk_by(|a, b| a.device == b.device) {
                self.renewals.set(&of_one[0].key, of_one);
            }
        }
        let devices = self.renewals.len();
        if devices > 0 {
            tracing::info!(devices, "{devices} devices have not been seen with their new certificates yet");
        }
        Ok(())
    }

    /// A request for a new certificate, judged by itself and stored when this returns; `None` if the message is not one, or not a good
    /// one: then it goes the way of all others.
    pub(crate) async fn renewal(&self, message: &InboundMessage) -> Option<Result<(), PortError>> {
        let (Door::Mtls, Some(certificate)) = (message.door, &message.certificate) else { return None };
        let (key, topic) = parse_up(&message.topic).ok()?;
        if topic != UpTopic::CertRequest || key != message.key {
            return None;
        }
        let Ok(UpMessage::CertRequest(request)) = decode_up(&topic, &message.payload) else { return None };
        let mut tries = 0;
        loop {
            tries += 1;
            match self.on_cert_request(&key, certificate, &request).await {
                Err(error) if error.is_transient() && tries < TRIES => {
                    tokio::time::sleep(PAUSE * tries).await;
                }
                Err(error) => {
                    tracing::error!(device = %key, error = %chain(&error), "a renewal of {key} could not be stored; it is not acknowledged");
                    return Some(Err(error));
                }
                Ok(()) => return Some(Ok(())),
            }
        }
    }

    async fn on_cert_request(
        &self,
        key: &DeviceKey,
        shown: &PresentedCertificate,
        request: &CertRequest,
    ) -> PortResult<()> {
        let found = self.ports.registry.read().await?.device_by_key(key).await?;
        let Some(device) = found else {
            self.refuse(key, "UNKNOWN_DEVICE", "the device is not known any more".to_owned()).await;
            return Ok(());
        };
        if device.spec.state == DeviceState::Suspended {
            self.refuse(key, "SUSPENDED", "the device is suspended".to_owned()).await;
            return Ok(());
        }
        let public_key = match self.ports.authority.public_key_of(request.csr.as_bytes()) {
            Ok(public_key) => public_key,
            Err(error) => return self.cannot(key, error).await,
        };
        // Only what is not there yet is signed: what repeats itself costs a look into memory.
        let known = self.renewals.of(key).iter().any(|p| p.public_key == public_key);
        let issued = match known {
            true => None,
            false => match self.sign(key, request).await {
                Ok(issued) => Some(issued),
                Err(error) => return self.cannot(key, error).await,
            },
        };
        if let Some(renewal) = self.store(&device, shown, &public_key, issued).await? {
            self.answer(&renewal).await;
            return Ok(());
        }
        // The index knew one that the registry does not have any more, or that was revoked: a new one after all.
        match self.sign(key, request).await {
            Ok(issued) => {
                if let Some(renewal) = self.store(&device, shown, &public_key, Some(issued)).await? {
                    self.answer(&renewal).await;
                }
                Ok(())
            }
            Err(error) => self.cannot(key, error).await,
        }
    }

    /// Off the async workers, and few at a time: a fleet that renews at once must not hold up everything else.
    async fn sign(&self, key: &DeviceKey, request: &CertRequest) -> Result<IssuedCertificate, IssueError> {
        let failed = |error: String| {
            IssueError::Failed(
                PortError::new("issue a certificate", PortErrorKind::Internal).with_source(error),
            )
        };
        let _permit = self.signing.acquire().await.map_err(|e| failed(e.to_string()))?;
        let (authority, key, csr, now) =
            (Arc::clone(&self.ports.authority), key.clone(), request.csr.clone(), self.now());
        tokio::task::spawn_blocking(move || authority.issue_device(&key, csr.as_bytes(), now))
            .await
            .map_err(|e| failed(e.to_string()))?
    }

    /// The stored answer for this public key: the one that is there, or `issued` from now on. `None`: there is none, and nothing was
    /// issued.
    async fn store(
        &self,
        device: &Device,
        shown: &PresentedCertificate,
        public_key: &[u8],
        issued: Option<IssuedCertificate>,
    ) -> PortResult<Option<Renewal>> {
        let mut work = self.ports.registry.begin("renewal").await?;
        let mut all = work.renewals_of(device.id).await?;
        // Later than every other of the device, whatever the clock does: newest wins.
        let latest = all.first().map_or(Timestamp(0), |r| r.requested_at + Duration::from_millis(1));
        // And made after every other: what is made before one that is seen in use retires.
        let made = all.iter().map(|r| r.created_at + Duration::from_millis(1)).max();
        let now = self.now();
        let created_at = made.map_or(now, |made| made.max(now));
        let asked =
            |renewal: Renewal| Renewal { requested_at: now.max(latest), asked_with: shown.name(), ..renewal };
        let mut kept = None;
        if let Some(at) = all.iter().position(|r| r.public_key == public_key) {
            let there = all.remove(at);
            let name = &there.issued;
            let listed = work.certificates(device.id).await?;
            let good = listed.iter().find(|c| c.serial == name.serial && c.issuer == name.issuer);
            if good.is_some_and(|c| c.state == CertificateState::Active && c.not_after > now) {
                kept = Some(asked(there));
            } else {
                // Revoked, or as old as the one that it was to replace.
                work.delete_renewal(name).await?;
            }
        }
        let renewal = match (kept, issued) {
            (Some(renewal), _) => renewal,
            (None, None) => {
                work.commit().await?;
                self.renewals.set(&device.spec.key, &all);
                return Ok(None);
            }
            (None, Some(issued)) => {
                work.insert_certificates(&[allow_row(device.id, &issued, created_at)]).await?;
                let detail = json!({ "serial": issued.serial, "asked_with": shown.serial });
                let (actor, subject) =
                    (device_actor(&device.spec.key), format!("device:{}", device.spec.key));
                audit(&mut *work, &actor, "certificate.renew", subject, detail, now).await?;
                asked(Renewal {
                    device: device.id,
                    key: device.spec.key.clone(),
                    public_key: public_key.to_vec(),
                    asked_with: shown.name(),
                    issued: issued.name(),
                    certificate_pem: issued.certificate_pem,
                    chain_pem: issued.chain_pem,
                    created_at,
                    requested_at: now,
                })
            }
        };
        work.save_renewal(&renewal).await?;
        all.insert(0, renewal.clone());
        for forgotten in all.drain(MAX_RENEWALS.min(all.len())..) {
            work.delete_renewal(&forgotten.issued).await?;
            work.delete_certificate(&forgotten.issued).await?;
        }
        work.commit().await?;
        self.renewals.set(&device.spec.key, &all);
        add(&self.metrics.renewals_total, 1);
        Ok(Some(renewal))
    }

    async fn cannot(&self, key: &DeviceKey, error: IssueError) -> PortResult<()> {
        match error {
            IssueError::BadRequest(why) => self.refuse(key, "BAD_CSR", why).await,
            // Sent again at once it would fail again at once; the device keeps its old certificate and asks later.
            IssueError::Failed(error) => {
                tracing::error!(device = %key, error = %chain(&error), "no certificate can be issued to {key}");
                let message = "no certificate can be issued at the moment; send the request again later";
                self.refuse(key, "UNAVAILABLE", message.to_owned()).await;
            }
        }
        Ok(())
    }

    async fn refuse(&self, key: &DeviceKey, code: &str, message: String) {
        add(&self.metrics.renewals_refused_total, 1);
        tracing::warn!(device = %key, code, "renewal of {key} refused: {message}");
        let ack = CertAck {
            status: CertStatus::Refused(code.to_owned()),
            root_ca: None,
            client_ca: None,
            message: Some(message),
        };
        self.publish_ack(key, ack).await;
    }

    async fn answer(&self, renewal: &Renewal) {
        let ack = CertAck {
            status: CertStatus::Ok,
            root_ca: Some(self.ports.authority.all_roots_pem()),
            client_ca: Some(renewal.certificate_pem.clone() + &renewal.chain_pem),
            message: None,
        };
        if self.publish_ack(&renewal.key, ack).await {
            self.renewals.sent(&renewal.key, &renewal.issued, self.now());
        }
    }

    /// Whether it was handed to a connection. If not, it is sent with the next one.
    async fn publish_ack(&self, key: &DeviceKey, ack: CertAck) -> bool {
        let Some(link) = self.link() else { return false };
        let ack = DownMessage::CertAck(ack);
        let Ok(payload) = ack.encode() else { return false };
        match link.publish(key, ack.topic().topic(key), payload.into(), EXPIRES_S).await {
            Ok(delivery) => delivery == argosy_domain::ports::Delivery::Sent,
            Err(error) => {
                tracing::debug!(device = %key, %error, "the answer to the renewal of {key} was not sent");
                false
            }
        }
    }

    /// A device has connected: it gets the answer that it may have lost.
    pub(crate) async fn resend_renewal(&self, key: &DeviceKey) {
        if !self.renewals.has(key) {
            return;
        }
        match self.newest_renewal(key).await {
            Ok(Some(renewal)) => self.answer(&renewal).await,
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(device = %key, error = %chain(&error), "the answer to the renewal of {key} could not be read; it is sent later");
            }
        }
    }

    async fn newest_renewal(&self, key: &DeviceKey) -> PortResult<Option<Renewal>> {
        let Some(pending) = self.renewals.of(key).pop() else { return Ok(None) };
        Ok(self.ports.registry.read().await?.renewals_of(pending.device).await?.into_iter().next())
    }

    /// Sends answers again that were sent a while ago, on connections that live. Once a minute.
    pub(crate) async fn resend_renewals(&self) {
        let Some(link) = self.link() else { return };
        for key in self.renewals.due(self.now() - AGAIN) {
            if link.is_connected(&key) {
                self.resend_renewal(&key).await;
            }
        }
    }

    /// A certificate came in. If it is one that a renewal waits to see, the renewal is done: older ones retire.
    pub(super) async fn note_in_use(&self, admission: &Admission, certificate: &PresentedCertificate) {
        let name = certificate.name();
        let Some(done) = self.renewals.of(&admission.key).into_iter().find(|p| p.issued == name) else {
            return;
        };
        if let Err(error) =
            self.finish_renewal(admission, &done.issued, done.created_at, done.requested_at).await
        {
            // The next connection tries again; until then everything stays good.
            tracing::warn!(device = %admission.key, error = %chain(&error), "the renewal of {} could not be finished", admission.key);
        }
    }

    async fn finish_renewal(
        &self,
        admission: &Admission,
        issued: &CertificateName,
        created_at: Timestamp,
        requested_at: Timestamp,
    ) -> PortResult<()> {
        let (now, key) = (self.now(), &admission.key);
        let retires_at = now + self.config.identity.superseded_grace;
        let mut work = self.ports.registry.begin("renewal").await?;
        let retired = work.supersede_certificates(admission.device, issued, created_at, retires_at).await?;
        work.delete_renewals(admission.device, requested_at).await?;
        work.delete_renewal(issued).await?;
        let left = work.renewals_of(admission.device).await?;
        let detail = json!({ "serial": issued.serial, "retired": retired });
        audit(&mut *work, &device_actor(key), "certificate.in_use", format!("device:{key}"), detail, now)
            .await?;
        work.commit().await?;
        self.renewals.set(key, &left);
        tracing::info!(device = %key, serial = issued.serial, "device {key} uses its new certificate");
        Ok(())
    }

    /// Lets a device renew with a certificate that has ended, until `until`; `None` takes it back.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Invalid`] for a time that is over, or further away than
    /// [`crate::IdentityRules::longest_allowance`].
    pub async fn allow_expired(
        &self,
        actor: &Actor,
        id: DeviceId,
        serial: &str,
        until: Option<Timestamp>,
    ) -> EngineResult<()> {
        actor.may_change()?;
        let serial = &super::imported::pasted_serial(serial);
        let (device, now) = (self.device(id).await?, self.now());
        if let Some(until) = until {
            let longest = self.config.identity.longest_allowance;
            if until <= now || until > now + longest {
                let days = longest.as_secs() / 86_400;
                let message = format!("the time must lie ahead, and {days} days at most");
                return Err(EngineError::invalid("until", message));
            }
        }
        let mut work = self.ports.registry.begin("identity").await?;
        let listed = work.certificates(id).await?;
        if until.is_some()
            && listed.iter().any(|c| c.serial == *serial && c.state == CertificateState::Revoked)
        {
            let message = "the certificate is revoked, and stays refused; give the device a new one";
            return Err(EngineError::conflict("certificate_revoked", message));
        }
        if !work.allow_expired(id, serial, until).await? {
            return Err(EngineError::not_found("certificate", serial));
        }
        let detail = json!({ "serial": serial, "until": until.map(Timestamp::as_millis) });
        let subject = format!("device:{}", device.spec.key);
        audit(&mut *work, actor, "certificate.allow_expired", subject, detail, now).await?;
        work.commit().await?;
        if until.is_none()
            && let Some(link) = self.link()
            && link
                .session(&device.spec.key)
                .await
                .is_some_and(|s| s.rights == argosy_domain::ports::Rights::RenewalOnly)
        {
            link.kick_certificate(&device.spec.key, serial).await;
        }
        self.feed.device(id);
        Ok(())
    }
}

fn device_actor(key: &DeviceKey) -> Actor {
    Actor { name: format!("device:{key}"), ..Actor::system() }
}
