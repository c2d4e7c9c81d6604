//! What the executor writes: planned targets, slots given and taken back, ends. Each in one short transaction, conditional on what
//! was read.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use argosy_domain::Timestamp;
use argosy_domain::model::{
    Applied, Deployment, DeploymentState, DeviceState, DeviceUpdate, OutboxKind, OutboxRow, UpdateEvent,
    UpdateState,
};
use argosy_domain::plan::{Plan, exhausted_event};
use argosy_domain::ports::UnitOfWork;
use argosy_proto::{DeploymentId, DeviceId, DeviceKey, OutboxId};

use super::command_id;
use super::executor::{Next, Track};
use super::shown::{Has, contents};
use crate::error::EngineResult;
use crate::metrics::add;
use crate::{Change, Engine};

/// Targets planned in one transaction: about 20 ms of writing.
const PLAN_CHUNK: u32 = 1_000;
/// How long a pass plans before it looks whom of the planned ones it can serve: a large fleet's first devices do not wait until
/// its last ones are planned.
const PLAN_FOR: Duration = Duration::from_millis(200);
/// Updates written in one transaction of dispatch.
pub(super) const WRITE_CHUNK: usize = 300;
/// Why a waiting update ends when a newer deployment has the same device.
const SUPERSEDED: &str = "superseded by a newer deployment";

impl Engine {
    /// Plans for a while, chunk by chunk; the deployment as it is then. `None`: somebody else changed it.
    pub(super) async fn plan_some(
        &self,
        mut deployment: Deployment,
        track: &mut Track,
    ) -> EngineResult<Option<Deployment>> {
        let began = Instant::now();
        while deployment.state == DeploymentState::Planning && began.elapsed() < PLAN_FOR {
            let Some(after) = self.plan_chunk(deployment).await? else { return Ok(None) };
            deployment = after;
        }
        track.planned_more();
        self.feed.deployment(deployment.id);
        Ok(Some(deployment))
    }

    /// Turns the next targets into device updates; the deployment as it is stored then, `None` if somebody else changed it.
    async fn plan_chunk(&self, mut deployment: Deployment) -> EngineResult<Option<Deployment>> {
        let (id, now) = (deployment.id, self.now());
        let mut work = self.ports.registry.begin("plan").await?;
        let after = DeviceId(deployment.plan_cursor);
        let targets = work.plan_targets(&deployment, after, PLAN_CHUNK).await?;
        let devices: Vec<DeviceId> = targets.iter().map(|t| t.device).collect();
        let images = targets.iter().map(|t| (t.device, t.image_hash)).collect();
        let has = Has::read(&mut *work, &deployment, &devices, images).await?;
        // A device at work on an older deployment will have that one's image or contents next: the newer one has its turn afterwards.
        let at_work = if has.none() {
            BTreeSet::new()
        } else {
            let open = work.open_updates_of(&devices).await?;
            let kind = deployment.spec.payload.kind();
            open.into_iter().filter(|u| u.state.in_flight() && u.kind() == kind).map(|u| u.device).collect()
        };
        // A newer deployment may have been planned while this one still was.
        let newer: BTreeSet<DeviceId> =
            work.planned_by_newer(&deployment, &devices).await?.into_iter().collect();
        let mut had = Vec::new();
        let updates: Vec<DeviceUpdate> = targets
            .iter()
            .map(|target| {
                let update = DeviceUpdate::planned(id, target.device, target.key.clone(), deployment.size);
                let mut update = update.of_contents(contents(&deployment));
                if newer.contains(&target.device) {
                    update.apply(&UpdateEvent::Cancel { message: SUPERSEDED.to_owned() }, now);
                } else if has.it(target.device) && !at_work.contains(&target.device) {
                    update.apply(&UpdateEvent::AlreadyRuns, now);
                    had.push(target.device);
                }
                update
            })
            .collect();
        if let Some(last) = targets.last() {
            work.insert_device_updates(&updates).await?;
            has.save_sent(&mut *work, &deployment, &had, now).await?;
            work.supersede_pending(id, after, last.device, SUPERSEDED, now).await?;
            deployment.plan_cursor = last.device.get();
        }
        if targets.len() < PLAN_CHUNK as usize {
            deployment.planned = true;
            deployment.state = DeploymentState::Running;
        }
        if !work.save_deployment(&deployment).await? {
            return Ok(None);
        }
        work.commit().await?;
        deployment.generation += 1;
        Ok(Some(deployment))
    }

    /// Writes a plan. What no longer holds when it is written is left out, and the next pass sees the truth.
    pub(super) async fn carry_out(
        &self,
        deployment: Deployment,
        decided: &Plan,
        pending: &[DeviceUpdate],
        held: &[DeviceUpdate],
        track: &mut Track,
    ) -> EngineResult<Next> {
        let id = deployment.id;
        if let Some(error) = &decided.refused {
            tracing::error!(deployment = %id, %error, "deployment {id} dispatches nothing: {error}");
        }
        if decided.expire {
            let mut work = self.ports.registry.begin("expire").await?;
            let ended = work.expire_updates(id, "the deployment expired", self.now(), PLAN_CHUNK).await?;
            work.commit().await?;
            self.feed.deployment(id);
            if ended > 0 {
                return Ok(Next::AtOnce);
            }
        }
        if decided.finish {
            return self.finish(deployment).await;
        }
        let mut deployment = deployment;
        for chunk in decided.dispatch.chunks(WRITE_CHUNK) {
            let Some(after) = self.dispatch_chunk(deployment, chunk, pending).await? else {
                return Ok(Next::AtOnce);
            };
            deployment = after;
        }
        let by_device: HashMap<DeviceId, &DeviceUpdate> =
            pending.iter().chain(held).map(|u| (u.device, u)).collect();
        let released: Vec<(&DeviceUpdate, UpdateEvent)> = decided
            .release
            .iter()
            .filter_map(|release| {
                let update = *by_device.get(&release.device)?;
                let event = UpdateEvent::Release {
                    max_attempts: deployment.spec.policy.max_attempts,
                    message: release.message,
                };
                Some((update, event))
            })
            .chain(
                decided
                    .exhausted
                    .iter()
                    .filter_map(|device| Some((*by_device.get(device)?, exhausted_event()))),
            )
            .collect();
        let settled: Vec<&DeviceUpdate> =
            decided.settle.iter().filter_map(|device| by_device.get(device).copied()).collect();
        if !settled.is_empty() {
            self.settle(&deployment, &settled).await?;
            track.walk_from_start();
        }
        if !released.is_empty() {
            self.write_events(id, &released).await?;
            add(&self.metrics.leases_released_total, released.len() as u64);
            track.walk_from_start();
            return Ok(Next::AtOnce);
        }
        if !settled.is_empty() {
            return Ok(Next::AtOnce);
        }
        Ok(Next::At(decided.wake_at))
    }

    pub(super) async fn finish(&self, mut deployment: Deployment) -> EngineResult<Next> {
        deployment.state = DeploymentState::Finished;
        deployment.planned = true;
        deployment.finished_at = Some(self.now());
        let mut work = self.ports.registry.begin("dispatch").await?;
        let counts = work.update_counts(deployment.id).await?;
        if counts.finished() != counts.total() || !work.save_deployment(&deployment).await? {
            return Ok(Next::AtOnce);
        }
        work.commit().await?;
        tracing::info!(deployment = %deployment.id, "deployment {} is finished", deployment.id);
        self.feed.deployment(deployment.id);
        Ok(Next::At(None))
    }

    /// Gives slots to these devices; `None`: the deployment changed since it was planned, nothing was written.
    pub(super) async fn dispatch_chunk(
        &self,
        mut deployment: Deployment,
        devices: &[DeviceId],
        pending: &[DeviceUpdate],
    ) -> EngineResult<Option<Deployment>> {
        let (id, now) = (deployment.id, self.now());
        let mut work = self.ports.registry.begin("dispatch").await?;
        match work.deployment(id).await? {
            Some(stored) if stored.generation == deployment.generation => {}
            _ => return Ok(None),
        }
        let ids: Vec<(DeploymentId, DeviceId)> = devices.iter().map(|d| (id, *d)).collect();
        let rows = work.device_updates_by_id(&ids).await?;
        let open = work.open_updates_of(devices).await?;
        let chosen: BTreeSet<DeviceId> = devices.iter().copied().collect();
        let keys: Vec<DeviceKey> =
            pending.iter().filter(|u| chosen.contains(&u.device)).map(|u| u.key.clone()).collect();
        let briefs: HashMap<DeviceId, _> =
            work.device_briefs(&keys).await?.into_iter().map(|b| (b.id, b)).collect();
        let images = briefs.values().map(|b| (b.id, b.image_hash)).collect();
        let has = Has::read(&mut *work, &deployment, devices, images).await?;
        let kind = deployment.spec.payload.kind();
        let mut had = Vec::new();
        let mut others: HashMap<DeviceId, Vec<&DeviceUpdate>> = HashMap::new();
        for update in open.iter().filter(|u| u.deployment != id) {
            others.entry(update.device).or_default().push(update);
        }
        let (mut saves, mut outbox) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for mut update in rows {
            let read = update.revision;
            let brief = briefs.get(&update.device);
            if update.state != UpdateState::Pending || brief.is_none_or(|b| b.state != DeviceState::Active) {
                continue;
            }
            let rivals = others.get(&update.device).map(Vec::as_slice).unwrap_or_default();
            // Firmware and contents do not supersede each other, but a device does one thing at a time.
            let event = if rivals.iter().any(|r| r.deployment > id && r.kind() == kind) {
                UpdateEvent::Cancel { message: SUPERSEDED.to_owned() }
            } else if rivals.iter().any(|r| r.state.in_flight()) {
                continue;
            } else if has.it(update.device) {
                UpdateEvent::AlreadyRuns
            } else {
                UpdateEvent::Dispatch
            };
            if update.apply(&event, now) == Applied::Ignored {
                continue;
            }
            match event {
                UpdateEvent::Dispatch => outbox.push(request_row(&update, now)),
                UpdateEvent::AlreadyRuns => had.push(update.device),
                _ => {}
            }
            saves.push((update, read));
        }
        if saves.is_empty() {
            return Ok(Some(deployment));
        }
        let saved = work.save_device_updates(&saves).await?;
        if saved != saves.len() as u64 {
            // Somebody wrote in between, which one unit of work at a time rules out; rather nothing than half.
            return Ok(None);
        }
        work.insert_outbox(&outbox).await?;
        has.save_sent(&mut *work, &deployment, &had, now).await?;
        if deployment.started_at.is_none() && !outbox.is_empty() {
            deployment.started_at = Some(now);
            if !work.save_deployment(&deployment).await? {
                return Ok(None);
            }
            deployment.generation += 1;
        }
        work.commit().await?;
        add(&self.metrics.updates_dispatched_total, outbox.len() as u64);
        self.ring_sender();
        self.feed.tell(Change::Deployment { id, devices: saves.iter().map(|(u, _)| u.device).collect() });
        Ok(Some(deployment))
    }

    /// Applies events to rows that must still be as they were read.
    pub(super) async fn write_events(
        &self,
        id: DeploymentId,
        events: &[(&DeviceUpdate, UpdateEvent)],
    ) -> EngineResult<()> {
        for chunk in events.chunks(WRITE_CHUNK) {
            let now = self.now();
            let saves: Vec<(DeviceUpdate, i64)> = chunk
                .iter()
                .filter_map(|(update, event)| {
                    let mut changed = (*update).clone();
                    (changed.apply(event, now) == Applied::Changed).then_some((changed, update.revision))
                })
                .collect();
            let mut work = self.ports.registry.begin("leases").await?;
            // Rows that moved meanwhile do not match, and keep their slot.
            work.save_device_updates(&saves).await?;
            work.commit().await?;
            self.feed.tell(Change::Deployment { id, devices: saves.iter().map(|(u, _)| u.device).collect() });
        }
        Ok(())
    }

    /// Writes the requests of updates that were dispatched and not answered to the outbox again: same command, same attempt.
    pub(super) async fn send_again(&self, updates: &[DeviceUpdate]) -> EngineResult<()> {
        if updates.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let rows: Vec<OutboxRow> = updates.iter().map(|u| request_row(u, now)).collect();
        let mut work: Box<dyn UnitOfWork> = self.ports.registry.begin("dispatch").await?;
        work.insert_outbox(&rows).await?;
        work.commit().await?;
        self.ring_sender();
        Ok(())
    }
}

fn request_row(update: &DeviceUpdate, now: Timestamp) -> OutboxRow {
    OutboxRow {
        id: OutboxId(0),
        device: update.device,
        key: update.key.clone(),
        kind: OutboxKind::Update,
        deployment: update.deployment,
        command_id: command_id(update),
        created_at: now,
    }
}
