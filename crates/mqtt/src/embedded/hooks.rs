//! The broker's hooks: what a device may do, and what it says.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use argosy_domain::ports::{InboundMessage, Rights};
use argosy_proto::{Access, belongs_to, parse_up};
use async_trait::async_trait;
use rmqtt::codec::types::QoS;
use rmqtt::codec::v5::{PublishAckReason, SubscribeAckReason};
use rmqtt::hook::{Handler, HookResult, Parameter, Register, ReturnType, Type};
use rmqtt::session::Session;
use rmqtt::types::{
    AuthResult, FromType, Id, Publish, PublishAclResult, PublishResult, Subscribe, SubscribeAclResult,
};
use tokio::time::Instant;

use super::admit::Admission;
use super::core::Core;
use super::links::{Identity, Link, Live};
use super::throttle::Verdict;
use crate::metrics::add;

/// The hooks in use.
const TYPES: [Type; 9] = [
    Type::ClientAuthenticate,
    Type::ClientConnected,
    Type::ClientDisconnected,
    Type::ClientKeepalive,
    Type::ClientSubscribeCheckAcl,
    Type::MessagePublishCheckAcl,
    Type::MessagePublish,
    Type::MessageAcked,
    Type::MessageDropped,
];

pub(super) async fn register(core: &Arc<Core>, register: &dyn Register) {
    for hook in TYPES {
        register.add(hook, Box::new(Hooks { core: core.clone() })).await;
    }
    register.start().await;
}

struct Hooks {
    core: Arc<Core>,
}

/// Why a message is not taken, and what the device gets for it.
enum NotTaken {
    /// The connection ends; the device sends again what was not acknowledged.
    Disconnect,
    /// Refused with a reason, if its protocol has one; else the connection ends.
    Refuse(PublishAckReason),
    /// Of the device's own, but beyond what its session may do. Refused with a reason, if its protocol has one; else it is
    /// acknowledged and dropped: an old board that is not registered yet sends its status all the same, and cut off for it
    /// it could never be registered.
    Beyond,
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait elides the parameter's lifetime, and an implementation must do as it does"
)]
#[async_trait]
impl Handler for Hooks {
    async fn hook(&self, parameter: &Parameter, acc: Option<HookResult>) -> ReturnType {
        match parameter {
            Parameter::ClientAuthenticate(info) => {
                let admission = match self.link(info.id()) {
                    Some(link) => self.core.admit(&link, info).await,
                    None => Admission::Later,
                };
                let result = match admission {
                    Admission::Granted => AuthResult::Allow(false, None),
                    Admission::Denied | Admission::Later => AuthResult::NotAuthorized,
                };
                return (false, Some(HookResult::AuthResult(result)));
            }
            Parameter::MessagePublishCheckAcl(session, publish) => {
                let result = self.published(&session.id, publish).await;
                return (false, Some(HookResult::PublishAclResult(result)));
            }
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                let result = self.subscribes(&session.id, subscribe).await;
                return (false, Some(HookResult::SubscribeAclResult(result)));
            }
            Parameter::MessagePublish(_, from, publish) if matches!(from.typ(), FromType::LastWill) => {
                self.will(&from.id, publish).await;
            }
            Parameter::ClientConnected(session) => self.connected(session).await,
            Parameter::ClientDisconnected(session, reason) => {
                if let Some(link) = self.link(&session.id) {
                    tracing::debug!(
                        device = link.identity().map(|i| i.key.as_str()),
                        ?reason,
                        "disconnected"
                    );
                    self.core.end(&link).await;
                }
            }
            Parameter::ClientKeepalive(session, true) => {
                if let Some(link) = self.link(&session.id)
                    && self.throttle(&link).await.is_err()
                {
                    link.connection.cut();
                }
            }
            Parameter::MessageAcked(session, ..) => self.settled(&session.id),
            Parameter::MessageDropped(Some(to), ..) => self.settled(to),
            _ => {}
        }
        (true, acc)
    }
}

impl Hooks {
    /// The broker's client id is the connection's number.
    fn link(&self, id: &Id) -> Option<Arc<Link>> {
        self.core.links.by_client_id(&id.client_id)
    }

    /// The session is in the broker's table: from now on the device can be reached, which is what its subscription to its own
    /// downward topics comes to. CONNACK goes out after this.
    async fn connected(&self, session: &Session) {
        let Some(link) = self.link(&session.id) else { return };
        let tx = self.core.bindings().broker.extends.shared().await.entry(session.id.clone()).tx();
        if let Some(tx) = tx {
            link.set_live(Live { tx, session: session.clone() });
        }
        if !self.core.begin(&link).await {
            // Taken over, kicked or gone in the meantime.
            link.connection.cut();
        }
    }

    async fn published(&self, id: &Id, publish: &Publish) -> PublishAclResult {
        let Some(link) = self.link(id) else { return PublishAclResult::rejected(true, None) };
        let Some(identity) = link.identity() else { return PublishAclResult::rejected(true, None) };
        let Err(not) = self.take(&link, identity, publish).await else { return PublishAclResult::allow() };
        // MQTT 3 has no way to refuse a message but to close the connection, and an unauthorised one must not look taken.
        let (reason, disconnect) = match not {
            NotTaken::Disconnect => (PublishAckReason::UnspecifiedError, true),
            NotTaken::Refuse(reason) => (reason, identity.mqtt_version != "5"),
            NotTaken::Beyond => (PublishAckReason::NotAuthorized, false),
        };
        PublishAclResult(PublishResult::reason_code(reason, None, disconnect))
    }

    async fn take(&self, link: &Link, identity: &Identity, publish: &Publish) -> Result<(), NotTaken> {
        if link.connection.is_cut() {
            return Err(NotTaken::Disconnect);
        }
        let (core, key) = (&self.core, &identity.key);
        let too_large = publish.payload.len() > core.limits.max_payload;
        if too_large || !belongs_to(key, Access::Publish, &publish.topic) {
            add(&core.metrics.publish_refused, 1);
            if core.log_budget() {
                let topic: String = publish.topic.chars().take(128).collect();
                tracing::warn!(device = %key, topic, bytes = publish.payload.len(), "publish refused");
            }
            let reason =
                if too_large { PublishAckReason::QuotaExceeded } else { PublishAckReason::NotAuthorized };
            return Err(NotTaken::Refuse(reason));
        }
        self.throttle(link).await?;
        let rights = link.rights();
        if rights != Rights::Full
            && !rights.may_send(parse_up(&publish.topic).ok().map(|(_, up)| up).as_ref())
        {
            add(&core.metrics.publish_restricted, 1);
            return Err(NotTaken::Beyond);
        }
        tokio::select! {
            biased;
            () = link.connection.cut_called() => Err(NotTaken::Disconnect),
            taken = self.ingest(link, identity, publish) => match taken {
                Ok(()) => Ok(()),
                // Nothing waits for the acknowledgement of a QoS 0 message: closing the connection would win nothing.
                Err(()) if publish.qos == QoS::AtMostOnce => Ok(()),
                Err(()) => Err(NotTaken::Disconnect),
            },
        }
    }

    /// Returns when the message is durable.
    async fn ingest(&self, link: &Link, identity: &Identity, publish: &Publish) -> Result<(), ()> {
        let (core, key) = (&self.core, &identity.key);
        let kind = parse_up(&publish.topic).ok().map(|(_, kind)| kind);
        core.metrics.message(kind.as_ref(), publish.payload.len());
        let message = InboundMessage {
            key: key.clone(),
            topic: publish.topic.to_string(),
            payload: publish.payload.clone(),
            // QoS 2 gets its handshake, with the promise of QoS 1: a session ends with its connection, so a repetition after
            // a reconnect is possible, as it is with QoS 1.
            qos: u8::from(publish.qos != QoS::AtMostOnce),
            door: link.door,
            certificate: identity.certificate.clone(),
        };
        let stored = tokio::time::timeout(core.limits.ingest_timeout, core.events().message(message)).await;
        let failure: Box<dyn std::error::Error + Send + Sync> = match stored {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => Box::new(error),
            Err(elapsed) => Box::new(elapsed),
        };
        add(&core.metrics.ingest_failed, 1);
        if core.log_budget() {
            tracing::warn!(device = %key, topic = %publish.topic, error = &*failure, "message not taken");
        }
        Err(())
    }

    async fn subscribes(&self, id: &Id, subscribe: &Subscribe) -> SubscribeAclResult {
        let denied = || SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized);
        let Some(link) = self.link(id) else { return denied() };
        let Some(identity) = link.identity() else { return denied() };
        if self.throttle(&link).await.is_err() {
            link.connection.cut();
            return denied();
        }
        if !belongs_to(&identity.key, Access::Subscribe, &subscribe.topic_filter) {
            add(&self.core.metrics.subscribe_refused, 1);
            if self.core.log_budget() {
                let filter: String = subscribe.topic_filter.chars().take(128).collect();
                tracing::warn!(device = %identity.key, filter, "subscription refused");
            }
            return denied();
        }
        SubscribeAclResult::new_success(subscribe.opts.qos().less_value(QoS::AtLeastOnce), None)
    }

    /// A will is a message of the device, no more: its topic was checked at CONNECT.
    async fn will(&self, id: &Id, publish: &Publish) {
        let Some(link) = self.link(id) else { return };
        let Some(identity) = link.identity() else { return };
        let up = parse_up(&publish.topic).ok().map(|(_, up)| up);
        let allowed = link.rights().may_send(up.as_ref());
        if link.is_barred() || !allowed || !belongs_to(&identity.key, Access::Publish, &publish.topic) {
            return;
        }
        add(&self.core.metrics.wills, 1);
        // Lost if it fails: there is nobody left to send it again, and the failure has been logged and counted.
        let _ = self.ingest(&link, identity, publish).await;
    }

    /// Charges the device for a packet: slows it down if it is over its rate, and gives up on it if it stays there.
    async fn throttle(&self, link: &Link) -> Result<(), NotTaken> {
        let verdict = link.throttle.lock().charge(Instant::now(), &self.core.limits.rate);
        match verdict {
            Verdict::Pass => Ok(()),
            Verdict::Wait(wait) => {
                add(&self.core.metrics.throttled, 1);
                tokio::select! {
                    () = link.connection.cut_called() => Err(NotTaken::Disconnect),
                    () = tokio::time::sleep(wait) => Ok(()),
                }
            }
            Verdict::TooMuch => {
                add(&self.core.metrics.throttle_closed, 1);
                if self.core.log_budget() {
                    let device = link.identity().map(|i| i.key.as_str());
                    tracing::warn!(device, "disconnected: it stays over its rate limit");
                }
                Err(NotTaken::Disconnect)
            }
        }
    }

    /// A message to the device was acknowledged or dropped.
    fn settled(&self, id: &Id) {
        if let Some(link) = self.link(id) {
            let less = |n: usize| n.checked_sub(1);
            let _ = link.unacknowledged.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        }
    }
}
