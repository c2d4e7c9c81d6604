//! The hold of a restored server: it accepts and records, dispatches nothing and issues nothing, until an operator has looked at
//! what it would send and resumes it. Two servers that both believe to be the one would send everything twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use argosy_domain::Timestamp;
use argosy_domain::model::{DeferredMessage, Deployment, Hold, UpdateCounts, UpdateState};
use argosy_domain::ports::{Door, InboundMessage, PortResult, PresentedCertificate};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Actor, audit};
use crate::Engine;
use crate::error::{EngineError, EngineResult};
use crate::metrics::add;

/// Messages judged at a time once the server has resumed.
const CHUNK: u32 = 100;

/// Whether the server is held, in memory: asked by every task on every turn.
#[derive(Debug, Default)]
pub(crate) struct HoldFlag(AtomicBool);

/// How a message came that waits for the end of the hold.
#[derive(Debug, Serialize, Deserialize)]
struct Context {
    plain: bool,
    qos: u8,
    certificate: Option<Certificate>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Certificate {
    common_name: String,
    issuer: String,
    serial: String,
    not_before: Timestamp,
    not_after: Timestamp,
    imported: bool,
}

/// What a held server would do if it were resumed.
#[derive(Debug, Clone)]
pub struct HeldWork {
    /// The hold.
    pub hold: Hold,
    /// Deployments that are not at their end, oldest first, with their device updates by state.
    pub deployments: Vec<(Deployment, UpdateCounts)>,
    /// Requests and cancels that stand in the outbox.
    pub outbox: u64,
    /// Requests for certificates that came while the server was held.
    pub deferred: u64,
}

impl Engine {
    /// Whether the server is held.
    pub fn is_held(&self) -> bool {
        self.hold.0.load(Ordering::SeqCst)
    }

    /// Reads at start whether the server is held. It cannot start without knowing.
    pub(crate) async fn load_hold(&self) -> EngineResult<()> {
        let hold = self.ports.registry.read().await?.hold().await?;
        self.hold.0.store(hold.is_some(), Ordering::SeqCst);
        if let Some(hold) = hold {
            tracing::warn!(
                since = hold.since.as_millis(),
                reason = hold.reason,
                "HELD: this server records and sends nothing ({}); look at `argosy status`, then `argosy resume`",
                hold.reason
            );
        }
        Ok(())
    }

    /// Refuses what a held server does not do.
    ///
    /// # Errors
    /// `held`.
    pub(crate) fn not_held(&self) -> EngineResult<()> {
        if self.is_held() {
            let message = "the server was restored and is held: it issues nothing until `argosy resume`";
            return Err(EngineError::conflict("held", message));
        }
        Ok(())
    }

    /// What would be sent; `None`: the server is not held.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn held_work(&self) -> EngineResult<Option<HeldWork>> {
        let mut read = self.ports.registry.read().await?;
        let Some(hold) = read.hold().await? else { return Ok(None) };
        let mut deployments = Vec::new();
        for deployment in read.active_deployments().await? {
            let mut counts = read.update_counts(deployment.id).await?;
            if !deployment.planned {
                // Its targets are worked out only when the server goes on: they would be sent it all the same.
                let targets = read.count_devices(&deployment.spec.target).await?;
                let known = counts.total();
                *counts.0.entry(UpdateState::Pending).or_default() += targets.saturating_sub(known);
            }
            deployments.push((deployment, counts));
        }
        let (outbox, deferred) = (read.outbox_count().await?, read.deferred_count().await?);
        Ok(Some(HeldWork { hold, deployments, outbox, deferred }))
    }

    /// Ends the hold: from now on everything is sent and issued.
    ///
    /// # Errors
    /// [`EngineError::Forbidden`] unless an administrator asks; `not_held`.
    pub async fn resume_server(self: &Arc<Self>, actor: &Actor) -> EngineResult<()> {
        actor.may_administer()?;
        let now = self.now();
        let mut work = self.ports.registry.begin("resume").await?;
        let Some(hold) = work.hold().await? else {
            return Err(EngineError::conflict("not_held", "the server is not held"));
        };
        work.clear_hold().await?;
        let detail = json!({ "since": hold.since, "reason": hold.reason });
        audit(&mut *work, actor, "server.resume", "server".to_owned(), detail, now).await?;
        work.commit().await?;
        self.hold.0.store(false, Ordering::SeqCst);
        tracing::warn!(
            actor = actor.name,
            "RESUMED by {}: everything that is outstanding is sent now",
            actor.name
        );
        self.wake();
        self.ring_sender();
        if let Err(error) = self.judge_deferred().await {
            // Housekeeping goes on with it.
            tracing::warn!(error = %crate::dispatch::chain(&error), "messages that came while the server was held are judged later");
        }
        Ok(())
    }

    /// Keeps a request for a certificate of a held server: a board may have overwritten its key before it asked, so it must not be
    /// refused, and its connection must not be cut.
    pub(crate) async fn defer(&self, message: &InboundMessage) -> PortResult<()> {
        let certificate = message.certificate.as_ref().map(|c| Certificate {
            common_name: c.common_name.clone(),
            issuer: c.issuer.clone(),
            serial: c.serial.clone(),
            not_before: c.not_before,
            not_after: c.not_after,
            imported: c.imported,
        });
        let context = Context { plain: message.door == Door::Plain, qos: message.qos, certificate };
        let deferred = DeferredMessage {
            id: 0,
            key: message.key.clone(),
            topic: message.topic.clone(),
            payload: message.payload.to_vec(),
            context: json!(context).to_string(),
            received_at: self.now(),
        };
        let mut work = self.ports.registry.begin("hold").await?;
        work.insert_deferred(&deferred).await?;
        work.commit().await?;
        add(&self.metrics.deferred_total, 1);
        tracing::info!(device = %message.key, "the request of {} for a certificate waits for `argosy resume`", message.key);
        Ok(())
    }

    /// Judges what was kept while the server was held, in the order in which it came.
    pub(crate) async fn judge_deferred(&self) -> EngineResult<()> {
        use argosy_domain::ports::DeviceEvents as _;
        loop {
            let found = self.ports.registry.read().await?.deferred(0, CHUNK).await?;
            if found.is_empty() || self.is_held() {
                return Ok(());
            }
            for deferred in found {
                if let Ok(context) = serde_json::from_str::<Context>(&deferred.context) {
                    let certificate = context.certificate.map(|c| PresentedCertificate {
                        common_name: c.common_name,
                        issuer: c.issuer,
                        serial: c.serial,
                        not_before: c.not_before,
                        not_after: c.not_after,
                        imported: c.imported,
                    });
                    let message = InboundMessage {
                        key: deferred.key.clone(),
                        topic: deferred.topic,
                        payload: deferred.payload.into(),
                        qos: context.qos,
                        door: if context.plain { Door::Plain } else { Door::Mtls },
                        certificate: certificate.map(Arc::new),
                    };
                    self.message(message).await?;
                }
                let mut work = self.ports.registry.begin("hold").await?;
                work.delete_deferred(deferred.id).await?;
                work.commit().await?;
            }
        }
    }
}
