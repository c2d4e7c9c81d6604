//! The executor: shows each deployment to the pure planner and writes what the plan says, in short transactions.
//!
//! Everything it keeps in memory is a hint (where the walk over pending updates stands, when leases were last looked at). A restart
//! begins without hints and ends at the same counts, since every write is conditional on what was read: the deployment's generation
//! and the update's revision. Pause and cancel commit a new generation, so a plan made before them writes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::model::{Deployment, DeploymentState, DeviceUpdate, UpdateState};
use argosy_domain::plan::{Candidate, InFlight, Plan, Snapshot, TokenBucket, plan};
use argosy_domain::ports::{PortResult, ReadSession};
use argosy_proto::{DeploymentId, DeviceId};

use super::chain;
use crate::error::EngineResult;
use crate::usecase::CANCELED;
use crate::{Engine, Shutdown};

/// Pending updates read at a time while looking for devices that are online.
const WALK_PAGE: u32 = 2_000;
/// Pages of a pass; the next pass goes on.
const WALK_PAGES: usize = 10;
/// Devices that have just connected, looked at in one pass.
const READY_CHUNK: usize = 2_000;
/// The walk begins anew at the latest then, in case a hint was wrong.
const WALK_AGAIN: Duration = Duration::from_secs(30);
/// Passes are at least so far apart: a burst of messages becomes one pass.
const BREATHER: Duration = Duration::from_millis(10);
/// Hints about one deployment.
#[derive(Debug)]
pub(super) struct Track {
    cursor: DeviceId,
    walk_again_at: Option<Timestamp>,
    leases_at: Timestamp,
    bucket: TokenBucket,
}

impl Track {
    const fn new(now: Timestamp) -> Self {
        Self { cursor: DeviceId(0), walk_again_at: None, leases_at: now, bucket: TokenBucket::empty(now) }
    }

    /// Behind where the walk stands there is more to see.
    pub(super) const fn planned_more(&mut self) {
        self.walk_again_at = None;
    }

    pub(super) fn walk_from_start(&mut self) {
        self.cursor = DeviceId(0);
        self.walk_again_at = None;
    }
}

#[derive(Debug, Default)]
struct Hints {
    tracks: HashMap<DeploymentId, Track>,
}

/// What one pass over a deployment leaves to do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    AtOnce,
    At(Option<Timestamp>),
}

/// The dispatch task.
pub(crate) async fn run(engine: Arc<Engine>, shutdown: Shutdown) {
    let mut hints = Hints::default();
    if let Err(error) = engine.take_up_cancels().await {
        tracing::warn!(error = %chain(&error), "canceled deployments could not be taken up; the next cancel will");
    }
    loop {
        if engine.is_held() {
            tokio::select! {
                () = engine.wake_dispatch.notified() => continue,
                () = shutdown.soft() => return,
            }
        }
        let pause = match engine.dispatch_pass(&mut hints).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "dispatch could not go on; trying again in half a second");
                Duration::from_millis(500)
            }
        };
        tokio::select! {
            () = async { tokio::time::sleep(BREATHER).await; engine.wake_dispatch.notified().await } => {}
            () = tokio::time::sleep(pause.max(BREATHER)) => {}
            () = shutdown.soft() => return,
        }
    }
}

impl Engine {
    /// A server that died in the middle of a cancel goes on with it.
    async fn take_up_cancels(&self) -> EngineResult<()> {
        use argosy_domain::page::PageRequest;
        use argosy_domain::ports::{DeploymentFilter, UpdateFilter};
        let filter = DeploymentFilter { states: vec![DeploymentState::Canceled], search: None };
        let page = self.ports.registry.read().await?.deployments(&filter, &PageRequest::first(1000)).await?;
        for deployment in page.items.iter().filter(|d| d.finished_at.is_none()) {
            // The operator's reason stands with what was canceled before.
            let mut read = self.ports.registry.read().await?;
            let canceled = UpdateFilter { states: vec![UpdateState::Canceled], search: None };
            let first =
                read.device_updates(deployment.id, &canceled, &PageRequest::first(1)).await?.items.pop();
            drop(read);
            let reason = first.and_then(|u| u.message).unwrap_or_else(|| CANCELED.to_owned());
            self.finish_cancel(deployment.id, &reason).await?;
        }
        Ok(())
    }

    /// One pass over every deployment that is not final; how long nothing needs to be looked at.
    async fn dispatch_pass(&self, hints: &mut Hints) -> EngineResult<Duration> {
        let mut read = self.ports.registry.read().await?;
        let deployments = read.active_deployments().await?;
        let ready = if deployments.is_empty() { Vec::new() } else { self.ready.take(READY_CHUNK) };
        let open = if ready.is_empty() { Vec::new() } else { read.open_updates_of(&ready).await? };
        drop(read);
        let mut by_deployment: BTreeMap<DeploymentId, Vec<DeviceUpdate>> = BTreeMap::new();
        let mut again = Vec::new();
        for update in open {
            match update.state {
                UpdateState::Pending => by_deployment.entry(update.deployment).or_default().push(update),
                // It connected and has not answered the request: it may never have got it.
                UpdateState::Dispatched if self.presence.is_online(&update.key) => again.push(update),
                _ => {}
            }
        }
        self.send_again(&again).await?;
        hints.tracks.retain(|id, _| deployments.iter().any(|d| d.id == *id));
        let mut pause = WALK_AGAIN;
        // Newest first: of two deployments for one device the newer wins.
        for deployment in deployments.into_iter().rev() {
            let track = hints.tracks.entry(deployment.id).or_insert_with(|| Track::new(self.now()));
            let fresh = by_deployment.remove(&deployment.id).unwrap_or_default();
            match self.deployment_pass(deployment, track, fresh).await? {
                Next::AtOnce => pause = Duration::ZERO,
                Next::At(Some(at)) => pause = pause.min(at.since(self.now())),
                Next::At(None) => {}
            }
        }
        if !self.ready.is_empty() {
            pause = Duration::ZERO;
        }
        Ok(pause)
    }

    async fn deployment_pass(
        &self,
        mut deployment: Deployment,
        track: &mut Track,
        fresh: Vec<DeviceUpdate>,
    ) -> EngineResult<Next> {
        let id = deployment.id;
        let expired = deployment.spec.policy.expires_at.is_some_and(|at| at <= self.now());
        if deployment.state == DeploymentState::Planning && !expired {
            let Some(after) = self.plan_some(deployment, track).await? else { return Ok(Next::AtOnce) };
            deployment = after;
        }
        let planning = deployment.state == DeploymentState::Planning;
        if deployment.state == DeploymentState::Paused {
            track.walk_from_start();
        }
        let now = self.now();
        let mut read = self.ports.registry.read().await?;
        let counts = read.update_counts(id).await?;
        let slots = u64::from(deployment.spec.policy.max_in_flight).saturating_sub(counts.in_flight());
        let dispatching = (planning || deployment.state == DeploymentState::Running) && slots > 0;
        let ready_keys: Vec<DeviceId> = fresh.iter().map(|u| u.device).collect();
        let (pending, walked) = if dispatching {
            let rate = deployment.spec.policy.rate_per_s;
            let wanted = usize::try_from(slots.min(TokenBucket::burst(rate))).unwrap_or(usize::MAX);
            self.candidates(&mut *read, id, track, fresh, wanted, now).await?
        } else {
            (fresh, Walked { upto: track.cursor, reached_end: true })
        };
        let lease_check = counts.in_flight() > 0 && track.leases_at <= now;
        let held = if lease_check { self.all_in_flight(&mut *read, id).await? } else { Vec::new() };
        let online: Vec<DeviceId> =
            pending.iter().filter(|u| self.presence.is_online(&u.key)).map(|u| u.device).collect();
        let busy: BTreeSet<DeviceId> = if online.is_empty() {
            BTreeSet::new()
        } else {
            let others = read.open_updates_of(&online).await?;
            others
                .into_iter()
                .filter(|u| u.deployment != id && u.state.in_flight())
                .map(|u| u.device)
                .collect()
        };
        drop(read);
        let candidates: Vec<Candidate<'_>> = pending
            .iter()
            .map(|update| Candidate {
                update,
                online: self.presence.is_online(&update.key),
                busy: busy.contains(&update.device),
            })
            .collect();
        let shown = deployment.shown_set();
        let in_flight: Vec<InFlight<'_>> = held
            .iter()
            .map(|update| InFlight {
                update,
                offline_since: self.presence.offline_since(&update.key),
                settles_at: self.settles_at(update, shown.as_ref()),
            })
            .collect();
        let snapshot = Snapshot {
            state: deployment.state,
            planned: deployment.planned,
            counts: &counts,
            pending: &candidates,
            in_flight: &in_flight,
            bucket: track.bucket,
        };
        let decided = plan(&deployment.spec.policy, &snapshot, now);
        track.bucket = decided.bucket;
        if lease_check {
            track.leases_at = now + lease_interval(&deployment);
        }
        if dispatching {
            move_cursor(track, &pending, &candidates, &decided, walked, planning, now);
        }
        let served: BTreeSet<DeviceId> = decided.dispatch.iter().copied().collect();
        let undone = ready_keys.iter().any(|d| !served.contains(d));
        if dispatching && undone && decided.dispatch.len() < online.len() {
            // Connected, but out of slots or rate: the walk comes to them again.
            track.walk_again_at = track.walk_again_at.map(|at| at.min(now + Duration::from_secs(1)));
        }
        let next = self.carry_out(deployment, &decided, &pending, &held, track).await?;
        let lease_wake = (counts.in_flight() > 0 || !decided.dispatch.is_empty()).then_some(track.leases_at);
        Ok(match next {
            Next::At(_) if planning => Next::AtOnce,
            Next::At(at) => Next::At([at, lease_wake, track.walk_again_at].into_iter().flatten().min()),
            Next::AtOnce => Next::AtOnce,
        })
    }

    /// Pending updates of online devices, those that have just connected first, then from where the walk stands.
    async fn candidates(
        &self,
        read: &mut dyn ReadSession,
        id: DeploymentId,
        track: &mut Track,
        fresh: Vec<DeviceUpdate>,
        wanted: usize,
        now: Timestamp,
    ) -> PortResult<(Vec<DeviceUpdate>, Walked)> {
        let mut found: Vec<DeviceUpdate> =
            fresh.into_iter().filter(|u| self.presence.is_online(&u.key)).collect();
        if let Some(at) = track.walk_again_at {
            if at > now {
                return Ok((found, Walked { upto: track.cursor, reached_end: true }));
            }
            track.walk_from_start();
        }
        let mut after = track.cursor;
        for _ in 0..WALK_PAGES {
            let page = read.pending_updates(id, after, WALK_PAGE).await?;
            let full = page.len() == WALK_PAGE as usize;
            if let Some(last) = page.last() {
                after = last.device;
            }
            found.extend(page.into_iter().filter(|u| self.presence.is_online(&u.key)));
            if !full {
                return Ok((found, Walked { upto: after, reached_end: true }));
            }
            if found.len() >= wanted {
                break;
            }
            track.cursor = if found.is_empty() { after } else { track.cursor };
        }
        Ok((found, Walked { upto: after, reached_end: false }))
    }

    async fn all_in_flight(
        &self,
        read: &mut dyn ReadSession,
        id: DeploymentId,
    ) -> PortResult<Vec<DeviceUpdate>> {
        let (mut all, mut after) = (Vec::new(), DeviceId(0));
        loop {
            let page = read.in_flight_updates(id, after, WALK_PAGE).await?;
            let full = page.len() == WALK_PAGE as usize;
            if let Some(last) = page.last() {
                after = last.device;
            }
            all.extend(page);
            if !full {
                return Ok(all);
            }
        }
    }
}

/// How far a pass walked the pending updates.
#[derive(Debug, Clone, Copy)]
struct Walked {
    upto: DeviceId,
    reached_end: bool,
}

/// The walk goes on behind what was served, and rests once it has seen everything.
fn move_cursor(
    track: &mut Track,
    pending: &[DeviceUpdate],
    candidates: &[Candidate<'_>],
    decided: &Plan,
    walked: Walked,
    planning: bool,
    now: Timestamp,
) {
    if track.walk_again_at.is_some_and(|at| at > now) {
        return;
    }
    let servable = candidates.iter().filter(|c| c.online && !c.busy).count();
    if decided.dispatch.len() < servable {
        // Out of slots or rate: whoever was not served is found again from the same place.
        return;
    }
    if walked.reached_end && planning {
        // What is planned next comes behind.
        track.cursor = track.cursor.max(walked.upto);
    } else if walked.reached_end {
        track.walk_again_at = Some(now + WALK_AGAIN);
    } else if let Some(last) = pending.last() {
        track.cursor = track.cursor.max(last.device);
    }
}

/// How often leases are looked at: a tenth of the shorter limit, between one and five seconds.
fn lease_interval(deployment: &Deployment) -> Duration {
    let policy = &deployment.spec.policy;
    Duration::from_secs(u64::from(policy.attempt_timeout_s.min(policy.offline_grace_s) / 10).clamp(1, 5))
}
