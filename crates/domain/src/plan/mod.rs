//! The rollout planner: what to do next in one deployment, decided without I/O.
//!
//! The executor reads a [`Snapshot`], calls [`plan`], and writes what the [`Plan`] says in one short transaction, each row conditional
//! on the revision that was read; then it looks again at [`Plan::wake_at`], or earlier when something happens (a message, a device
//! that connects, an operator). A plan that is thrown away, repeated or half done harms nothing: the next snapshot tells the truth.
//!
//! Every limit fails closed: a policy out of bounds dispatches nothing, a slot that is released in this plan is used by the next one at
//! the earliest (its release may still lose against a message), and a token is spent even if the write that spends it misses.

mod bucket;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use argosy_proto::{DeviceId, UpdateKind};

pub use self::bucket::TokenBucket;
use crate::Timestamp;
use crate::model::{
    DeploymentPolicy, DeploymentState, DeviceUpdate, PolicyError, UpdateCounts, UpdateEvent, UpdateState,
};
use crate::ports::MAX_BULK;

/// A pending update that might be dispatched.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The update, as read.
    pub update: &'a DeviceUpdate,
    /// Its device is connected and subscribed now.
    pub online: bool,
    /// Its device holds a slot of another deployment, which runs to its end first.
    pub busy: bool,
}

/// An update that holds a slot.
#[derive(Debug, Clone, Copy)]
pub struct InFlight<'a> {
    /// The update, as read.
    pub update: &'a DeviceUpdate,
    /// Since when its device is offline; `None`: it is online.
    pub offline_since: Option<Timestamp>,
    /// Contents that were downloaded whole: when they count as shown if the device says nothing of it. `None`: it says that it
    /// shows others (or this is no such update), so the lease decides.
    pub settles_at: Option<Timestamp>,
}

/// What the planner is shown of one deployment.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    /// Where the deployment stands.
    pub state: DeploymentState,
    /// All of its targets have become device updates.
    pub planned: bool,
    /// All of its device updates by state: exact.
    pub counts: &'a UpdateCounts,
    /// Pending updates in the order in which they are to be served; may be a part of them.
    pub pending: &'a [Candidate<'a>],
    /// Updates that hold a slot; those that are not shown have no lease checked.
    pub in_flight: &'a [InFlight<'a>],
    /// The deployment's rate limiter, as the last plan left it.
    pub bucket: TokenBucket,
}

/// A slot to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Whose.
    pub device: DeviceId,
    /// Why, for [`UpdateEvent::Release`].
    pub message: &'static str,
}

/// What to do now. The executor applies events to the rows it read and writes them by revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Apply [`UpdateEvent::Dispatch`] and write the request to the outbox. [`MAX_BULK`] at most.
    pub dispatch: Vec<DeviceId>,
    /// Apply [`UpdateEvent::Release`]. [`MAX_BULK`] at most.
    pub release: Vec<Release>,
    /// Downloaded, and silent since about what is shown: apply [`UpdateEvent::Settle`]. [`MAX_BULK`] at most.
    pub settle: Vec<DeviceId>,
    /// Pending without an attempt left: apply [`exhausted_event`]. [`MAX_BULK`] at most.
    pub exhausted: Vec<DeviceId>,
    /// The deployment has expired: end everything that is not final (in chunks), and plan no further targets.
    pub expire: bool,
    /// Every update is final and none will come: the deployment is finished.
    pub finish: bool,
    /// When to look again at the latest; `now` or earlier: at once. `None`: when something happens.
    pub wake_at: Option<Timestamp>,
    /// The rate limiter after this plan; give it to the next one.
    pub bucket: TokenBucket,
    /// Why nothing is dispatched although the deployment runs: its policy is out of bounds.
    pub refused: Option<PolicyError>,
}

/// The message of a slot that had no message on its command for `attempt_timeout_s`.
pub const SILENT: &str = "no message of the device on this update in time";
/// The message of a slot whose device was offline for `offline_grace_s`.
pub const OFFLINE: &str = "the device went offline and did not come back in time";

/// The message of a slot whose device downloaded all contents and keeps reporting that it shows others.
pub const SHOWS_OTHERS: &str = "the device downloaded the contents, but reports that it shows others";

/// What ends a pending update that has no attempt left.
pub fn exhausted_event() -> UpdateEvent {
    UpdateEvent::TimedOut { message: Some("no attempt is left".to_owned()) }
}

/// Decides what to do next. Pure: the same arguments give the same plan.
pub fn plan(policy: &DeploymentPolicy, snapshot: &Snapshot<'_>, now: Timestamp) -> Plan {
    let mut plan = Plan {
        dispatch: Vec::new(),
        release: Vec::new(),
        settle: Vec::new(),
        exhausted: Vec::new(),
        expire: false,
        finish: false,
        wake_at: None,
        bucket: snapshot.bucket.refilled(policy.rate_per_s, now),
        refused: None,
    };
    if snapshot.state.is_final() {
        return plan;
    }
    let expired = policy.expires_at.is_some_and(|at| at <= now);
    let all_final = snapshot.counts.finished() == snapshot.counts.total();
    if all_final && (snapshot.planned || expired) {
        plan.finish = true;
        plan.expire = expired && !snapshot.planned;
        return plan;
    }
    if expired {
        plan.expire = true;
        plan.wake_at = Some(now);
        return plan;
    }
    plan.wake(policy.expires_at);
    if let Err(error) = policy.check() {
        plan.refused = Some(error);
        return plan;
    }
    let held = plan.leases(policy, snapshot.in_flight, now);
    if matches!(snapshot.state, DeploymentState::Planning | DeploymentState::Running) {
        plan.requests(policy, snapshot, &held, now);
    }
    plan
}

/// Contents that were downloaded whole.
fn all_there(update: &DeviceUpdate) -> bool {
    update.state == UpdateState::Downloaded && update.kind() == UpdateKind::Advertisement
}

impl Plan {
    fn wake(&mut self, at: Option<Timestamp>) {
        self.wake_at = match (self.wake_at, at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// Releases what has run out, wakes for what will; gives the devices that hold a slot.
    fn leases(
        &mut self,
        policy: &DeploymentPolicy,
        in_flight: &[InFlight<'_>],
        now: Timestamp,
    ) -> BTreeSet<DeviceId> {
        let silence = Duration::from_secs(policy.attempt_timeout_s.into());
        let grace = Duration::from_secs(policy.offline_grace_s.into());
        let mut held = BTreeSet::new();
        for InFlight { update, offline_since, settles_at } in in_flight {
            if !update.state.in_flight() || !held.insert(update.device) {
                continue;
            }
            // Every slot was given with a time; one without is damage, and is taken back.
            let silent_at = update.last_event_at.or(update.dispatched_at).map_or(now, |at| at + silence);
            if let Some(at) = settles_at.filter(|_| all_there(update)) {
                // Neither silence nor absence takes the slot back: time alone ends it.
                if at > now {
                    self.wake(Some(at));
                } else if self.settle.len() < MAX_BULK {
                    self.settle.push(update.device);
                    self.wake(Some(now));
                }
                continue;
            }
            let gone_at = offline_since.map(|since| since + grace);
            let message = if silent_at <= now {
                if all_there(update) { SHOWS_OTHERS } else { SILENT }
            } else if gone_at.is_some_and(|at| at <= now) {
                OFFLINE
            } else {
                self.wake(Some(silent_at));
                self.wake(gone_at);
                continue;
            };
            self.wake(Some(now));
            if self.release.len() < MAX_BULK {
                self.release.push(Release { device: update.device, message });
            }
        }
        held
    }

    fn requests(
        &mut self,
        policy: &DeploymentPolicy,
        snapshot: &Snapshot<'_>,
        held: &BTreeSet<DeviceId>,
        now: Timestamp,
    ) {
        let taken = snapshot.counts.in_flight().max(held.len() as u64);
        let slots = u64::from(policy.max_in_flight).saturating_sub(taken);
        let budget = slots.min(self.bucket.whole()).min(MAX_BULK as u64);
        let mut seen = BTreeSet::new();
        let mut waiting = 0_u64;
        for Candidate { update, online, busy } in snapshot.pending {
            let device = update.device;
            if update.state != UpdateState::Pending || held.contains(&device) || !seen.insert(device) {
                continue;
            }
            if update.attempt >= policy.max_attempts {
                if self.exhausted.len() < MAX_BULK {
                    self.exhausted.push(device);
                }
                self.wake(Some(now));
            } else if !online || *busy {
                // It is looked at again when it connects, or when its other update ends.
            } else if (self.dispatch.len() as u64) < budget {
                self.dispatch.push(device);
            } else {
                waiting += 1;
            }
        }
        let dispatched = self.dispatch.len() as u64;
        self.bucket = self.bucket.taken(dispatched);
        if dispatched > 0 {
            self.wake(Some(now + Duration::from_secs(policy.attempt_timeout_s.into())));
        }
        let wanted = waiting.min(slots - dispatched);
        if wanted > 0 {
            self.wake(Some(self.bucket.ready_at(wanted, policy.rate_per_s)));
        }
    }
}
