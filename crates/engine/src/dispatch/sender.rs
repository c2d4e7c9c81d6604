//! The sender: outbox rows, in order, to the device plane. A row is removed once it was handed over, or has become void; killed in
//! between, it is sent again at the next start (devices know a command by its id and take it once).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use argosy_domain::model::{DeviceUpdate, OutboxKind, OutboxRow, UpdateState};
use argosy_domain::ports::Delivery;
use argosy_proto::message::UpdateCancel;
use argosy_proto::{CommandId, DeploymentId, DeviceId, DeviceTime, DownMessage, OutboxId};
use futures::StreamExt;

use super::{DeploymentFacts, chain, command_id};
use crate::error::EngineResult;
use crate::ingest::dispatched;
use crate::metrics::add;
use crate::{Engine, Shutdown};

/// Rows taken at a time.
const BATCH: u32 = 1_000;
/// Publishes under way at once.
const CONCURRENT: usize = 32;
/// A cancel that could not be written within so many seconds is dropped: the device will hear nothing else of that command anyway.
const CANCEL_EXPIRES_S: u32 = 60;

/// The sender task.
pub(crate) async fn run_sender(engine: Arc<Engine>, shutdown: Shutdown) {
    loop {
        if engine.is_held() {
            tokio::select! {
                () = engine.ready.sender_rung() => continue,
                () = shutdown.soft() => return,
            }
        }
        let pause = match engine.send_outbox().await {
            Ok(0) => Duration::from_secs(5),
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the outbox could not be sent; trying again");
                Duration::from_millis(500)
            }
        };
        if pause.is_zero() && !shutdown.is_stopping() {
            continue;
        }
        tokio::select! {
            () = engine.ready.sender_rung() => {}
            () = tokio::time::sleep(pause) => {}
            () = shutdown.soft() => return,
        }
    }
}

type Updates = HashMap<(DeploymentId, DeviceId), DeviceUpdate>;
type Facts = HashMap<DeploymentId, Arc<DeploymentFacts>>;

impl Engine {
    /// Rings the sender.
    pub(crate) fn ring_sender(&self) {
        self.ready.ring_sender();
    }

    /// Sends what stands in the outbox; returns how many rows were done.
    async fn send_outbox(&self) -> EngineResult<usize> {
        let Some(link) = self.link() else { return Ok(0) };
        let mut read = self.ports.registry.read().await?;
        let rows = read.outbox(OutboxId(0), BATCH).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let ids: Vec<(DeploymentId, DeviceId)> = rows.iter().map(|r| (r.deployment, r.device)).collect();
        let updates: Updates = read
            .device_updates_by_id(&ids)
            .await?
            .into_iter()
            .map(|u| ((u.deployment, u.device), u))
            .collect();
        let mut facts = Facts::new();
        for row in &rows {
            if !facts.contains_key(&row.deployment)
                && let Some(found) = self.facts.of(&mut *read, row.deployment).await?
            {
                facts.insert(row.deployment, found);
            }
        }
        drop(read);
        let sends: Vec<_> = rows
            .iter()
            .map(|row| {
                let message = self.build(row, &updates, &facts);
                async move {
                    let Some((message, expires_in_s)) = message else { return };
                    let payload = match message.encode() {
                        Ok(payload) => payload,
                        Err(error) => {
                            tracing::error!(%error, command = row.command_id, "command {} cannot be written", row.command_id);
                            return;
                        }
                    };
                    let topic = message.topic().topic(&row.key);
                    match link.publish(&row.key, topic, payload.into(), expires_in_s).await {
                        Ok(Delivery::Sent) => {
                            add(&self.metrics.requests_sent_total, 1);
                            if row.kind == OutboxKind::Update {
                                self.fact_queue.offer(dispatched(row.device, row.deployment, self.now()));
                            }
                        }
                        // It is sent again when the device connects: the update's own state asks for that.
                        Ok(Delivery::Offline) => {}
                        Err(error) => tracing::warn!(
                            error = %chain(&error),
                            device = %row.key,
                            command = row.command_id,
                            "command {} was not handed over; its lease decides",
                            row.command_id
                        ),
                    }
                }
            })
            .collect();
        futures::stream::iter(sends).buffer_unordered(CONCURRENT).collect::<Vec<()>>().await;
        let done: Vec<OutboxId> = rows.iter().map(|r| r.id).collect();
        let mut work = self.ports.registry.begin("outbox").await?;
        work.delete_outbox(&done).await?;
        work.commit().await?;
        Ok(done.len())
    }

    /// The message of a row, or `None` if the row is void: the update went on, or ended, since it was written.
    fn build(&self, row: &OutboxRow, updates: &Updates, facts: &Facts) -> Option<(DownMessage, u32)> {
        let now = self.now();
        let timestamp = DeviceTime::from_unix_ms(now.as_millis());
        let named = CommandId::new(row.command_id.clone()).ok()?;
        if row.kind == OutboxKind::Cancel {
            let reason = updates.get(&(row.deployment, row.device)).and_then(|u| u.message.clone());
            let cancel = UpdateCancel { command_id: named, reason: reason.unwrap_or_default(), timestamp };
            return Some((DownMessage::UpdateCancel(cancel), CANCEL_EXPIRES_S));
        }
        let update = updates.get(&(row.deployment, row.device))?;
        let current = command_id(update);
        if update.state != UpdateState::Dispatched || current != row.command_id {
            return None;
        }
        self.request(&row.key, row.deployment, named, facts.get(&row.deployment)?)
    }
}
