//! The short way of a publish: from the stream to the engine, past the broker's session.
//!
//! The session takes one publish at a time, and each costs it several hooks, locks and a write of its own. Here several of a connection
//! are under way at once, and their acknowledgements share a write. What needs an answer with a reason, or waits for something else
//! than its being durable, goes the session's way (`hooks`).

use std::sync::Arc;

use argosy_domain::ports::{InboundMessage, Offered, PortError, PortErrorKind, Rights};
use argosy_proto::{Access, belongs_to, parse_up};
use rmqtt::codec::types::{Publish, QoS};
use rmqtt::net::{Answer, Connection, Taken};
use tokio::time::Instant;

use super::core::Core;
use super::links::Link;
use super::throttle::Verdict;
use crate::metrics::add;

impl Core {
    /// Takes a publish; `None`: it is for the session.
    pub(super) fn intake(self: &Arc<Self>, connection: &Arc<Connection>, publish: &Publish) -> Option<Taken> {
        if publish.qos == QoS::ExactlyOnce || connection.is_cut() {
            return None;
        }
        let link = self.links.get(connection.number())?;
        let identity = link.identity()?;
        // Refusals are the session's business.
        if link.rights() != Rights::Full
            || publish.payload.len() > self.limits.max_payload
            || !belongs_to(&identity.key, Access::Publish, &publish.topic)
        {
            return None;
        }
        let kind = parse_up(&publish.topic).ok().map(|(_, kind)| kind);
        self.metrics.message(kind.as_ref(), publish.payload.len());
        let message = InboundMessage {
            key: identity.key.clone(),
            topic: publish.topic.to_string(),
            payload: publish.payload.clone(),
            qos: u8::from(publish.qos != QoS::AtMostOnce),
            door: link.door,
            certificate: identity.certificate.clone(),
        };
        let asked = publish.qos != QoS::AtMostOnce;
        let verdict = link.throttle.lock().charge(Instant::now(), &self.limits.rate);
        let wait = match verdict {
            Verdict::Pass => match self.events().offer(message) {
                Offered::Taken(durable) => {
                    let core = Arc::clone(self);
                    let answer = Box::pin(async move {
                        let done = tokio::time::timeout(core.limits.ingest_timeout, durable).await;
                        core.answer(&link, asked, done)
                    });
                    return Some(Taken { answer, alone: false });
                }
                Offered::Later(message) => Ok((None, message)),
            },
            Verdict::Wait(wait) => Ok((Some(wait), message)),
            Verdict::TooMuch => Err(()),
        };
        let core = Arc::clone(self);
        // In its turn: nothing is read from the device until it is done.
        let answer = Box::pin(async move {
            let Ok((wait, message)) = wait else {
                add(&core.metrics.throttle_closed, 1);
                if core.log_budget() {
                    let device = link.identity().map(|i| i.key.as_str());
                    tracing::warn!(device, "disconnected: it stays over its rate limit");
                }
                return Answer::Cut;
            };
            if let Some(wait) = wait {
                add(&core.metrics.throttled, 1);
                tokio::select! {
                    () = link.connection.cut_called() => return Answer::Cut,
                    () = tokio::time::sleep(wait) => {}
                }
            }
            // Nothing is read meanwhile, which would tell that the connection is cut.
            let done = tokio::select! {
                biased;
                () = link.connection.cut_called() => return Answer::Cut,
                done = tokio::time::timeout(core.limits.ingest_timeout, core.events().message(message)) => done,
            };
            core.answer(&link, asked, done)
        });
        Some(Taken { answer, alone: true })
    }

    /// What the device gets for a message, if it has asked for an acknowledgement.
    fn answer(
        &self,
        link: &Link,
        asked: bool,
        done: Result<Result<(), PortError>, tokio::time::error::Elapsed>,
    ) -> Answer {
        let full = matches!(&done, Ok(Err(error)) if error.kind == PortErrorKind::Full);
        let failure: Box<dyn std::error::Error + Send + Sync> = match done {
            Ok(Ok(())) => return Answer::Acknowledge,
            Ok(Err(error)) => Box::new(error),
            Err(elapsed) => Box::new(elapsed),
        };
        add(&self.metrics.ingest_failed, 1);
        if self.log_budget() {
            let device = link.identity().map(|i| i.key.as_str());
            tracing::warn!(device, error = &*failure, "message not taken");
        }
        // Nothing waits for the acknowledgement of a QoS 0 message: closing the connection would win nothing.
        if !asked {
            return Answer::Silence;
        }
        // No space for facts: the device keeps them, and stays connected, since it can still be updated; but not for ever, or it
        // would never send them again.
        if full && link.silent_for(Instant::now()) < self.limits.ingest_timeout {
            return Answer::Silence;
        }
        Answer::Cut
    }
}
