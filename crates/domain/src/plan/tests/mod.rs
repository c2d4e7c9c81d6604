//! What the planner decides, case by case.

mod simulation;

use argosy_proto::{DeploymentId, DeviceKey};

use super::*;
use crate::model::{Applied, MAX_UPDATE_MESSAGE};

const START: Timestamp = Timestamp(1_767_225_600_000);

fn pending(device: i64) -> DeviceUpdate {
    DeviceUpdate::planned(
        DeploymentId(1),
        DeviceId(device),
        DeviceKey::new(format!("d{device}")).unwrap(),
        100,
    )
}

fn in_flight(device: i64, at: Timestamp) -> DeviceUpdate {
    let mut update = pending(device);
    assert_eq!(update.apply(&UpdateEvent::Dispatch, at), Applied::Changed);
    update
}

fn counts(updates: &[DeviceUpdate]) -> UpdateCounts {
    let mut counts = UpdateCounts::default();
    for update in updates {
        *counts.0.entry(update.state).or_insert(0) += 1;
    }
    counts
}

/// A snapshot of updates that are all online and idle, with a full bucket.
fn plan_of(
    policy: &DeploymentPolicy,
    state: DeploymentState,
    updates: &[DeviceUpdate],
    now: Timestamp,
) -> Plan {
    let pending: Vec<_> = updates
        .iter()
        .filter(|u| u.state == UpdateState::Pending)
        .map(|update| Candidate { update, online: true, busy: false })
        .collect();
    let in_flight: Vec<_> = updates
        .iter()
        .filter(|u| u.state.in_flight())
        .map(|update| InFlight { update, offline_since: None, settles_at: None })
        .collect();
    let snapshot = Snapshot {
        state,
        planned: true,
        counts: &counts(updates),
        pending: &pending,
        in_flight: &in_flight,
        bucket: TokenBucket::empty(now - Duration::from_secs(3600)),
    };
    plan(policy, &snapshot, now)
}

fn ids(devices: impl IntoIterator<Item = i64>) -> Vec<DeviceId> {
    devices.into_iter().map(DeviceId).collect()
}

#[test]
fn it_dispatches_in_order_within_slots_and_tokens() {
    let updates: Vec<_> = (1..=50).map(pending).collect();
    let policy = DeploymentPolicy { max_in_flight: 7, ..Default::default() };
    let plan = plan_of(&policy, DeploymentState::Running, &updates, START);
    assert_eq!(plan.dispatch, ids(1..=7));
    assert_eq!((plan.finish, plan.expire), (false, false));

    let policy = DeploymentPolicy { rate_per_s: 20, ..Default::default() };
    let plan = plan_of(&policy, DeploymentState::Planning, &updates, START);
    assert_eq!(plan.dispatch, ids(1..=4), "a fifth of a second's worth at once");
    assert_eq!(plan.wake_at, Some(START + Duration::from_millis(100)), "and the next two a tenth later");

    let plan = plan_of(&DeploymentPolicy::default(), DeploymentState::Running, &updates, START);
    assert_eq!(plan.dispatch.len(), 50);
    assert_eq!(plan.wake_at, Some(START + Duration::from_secs(600)), "to watch the leases");
}

#[test]
fn it_waits_for_what_it_waits_for() {
    let policy = DeploymentPolicy { max_in_flight: 2, ..Default::default() };
    let updates = [in_flight(1, START), in_flight(2, START), pending(3)];
    let now = START + Duration::from_secs(10);
    let plan = plan_of(&policy, DeploymentState::Running, &updates, now);
    assert_eq!((&plan.dispatch, &plan.release), (&vec![], &vec![]));
    assert_eq!(plan.wake_at, Some(START + Duration::from_secs(600)), "a full house: a lease or an event");
    let plan = plan_of(&policy, DeploymentState::Running, &[], now);
    assert!(plan.finish, "nothing to do is done");
}

#[test]
fn a_silent_slot_and_an_absent_device_are_released() {
    let policy = DeploymentPolicy::default();
    let updates = [in_flight(1, START), in_flight(2, START), in_flight(3, START), in_flight(4, START)];
    let seconds = |s| START + Duration::from_secs(s);
    let shown = [
        InFlight { update: &updates[0], offline_since: None, settles_at: None },
        InFlight { update: &updates[1], offline_since: Some(seconds(10)), settles_at: None },
        InFlight { update: &updates[2], offline_since: Some(seconds(20)), settles_at: None },
        InFlight { update: &updates[3], offline_since: Some(seconds(9_000)), settles_at: None },
    ];
    let at = |now| {
        let snapshot = Snapshot {
            state: DeploymentState::Paused,
            planned: true,
            counts: &counts(&updates),
            pending: &[],
            in_flight: &shown,
            bucket: TokenBucket::empty(START),
        };
        plan(&policy, &snapshot, now)
    };
    assert_eq!(at(seconds(69)).release, []);
    assert_eq!(at(seconds(69)).wake_at, Some(seconds(70)));
    let offline = |device| Release { device: DeviceId(device), message: OFFLINE };
    assert_eq!(at(seconds(70)).release, [offline(2)], "paused or not");
    assert_eq!(at(seconds(80)).release, [offline(2), offline(3)]);
    assert_eq!(at(seconds(80)).wake_at, Some(seconds(80)), "the slots are free: look again at once");
    let released = at(seconds(600)).release;
    assert!(released.iter().all(|r| r.message == SILENT) && released.len() == 4);
    assert!(SILENT.len().max(OFFLINE.len()) < MAX_UPDATE_MESSAGE);
}

#[test]
fn contents_that_are_all_there_end_by_time_and_not_by_silence_or_absence() {
    let policy = DeploymentPolicy { attempt_timeout_s: 10, ..Default::default() };
    let seconds = |s| START + Duration::from_secs(s);
    let downloaded = |device| {
        let mut update = in_flight(device, START).of_contents(1);
        assert_eq!(update.apply(&UpdateEvent::FileDone, START), Applied::Changed);
        update
    };
    let updates = [downloaded(1), downloaded(2), downloaded(3), in_flight(4, START).of_contents(1)];
    let settles_at = Some(seconds(180));
    let shown = [
        InFlight { update: &updates[0], offline_since: None, settles_at },
        InFlight { update: &updates[1], offline_since: Some(START), settles_at },
        InFlight { update: &updates[2], offline_since: None, settles_at: None },
        InFlight { update: &updates[3], offline_since: None, settles_at },
    ];
    let at = |now| {
        let snapshot = Snapshot {
            state: DeploymentState::Running,
            planned: true,
            counts: &counts(&updates),
            pending: &[],
            in_flight: &shown,
            bucket: TokenBucket::empty(START),
        };
        plan(&policy, &snapshot, now)
    };
    let release = |device, message| Release { device: DeviceId(device), message };
    assert_eq!((at(seconds(9)).release, at(seconds(9)).settle), (vec![], vec![]));
    let plan = at(seconds(179));
    assert_eq!(plan.release, [release(3, SHOWS_OTHERS), release(4, SILENT)]);
    assert_eq!((plan.settle, at(seconds(180)).settle), (vec![], vec![DeviceId(1), DeviceId(2)]));
}

#[test]
fn a_slot_is_used_again_only_after_its_release_was_written() {
    let policy = DeploymentPolicy { max_in_flight: 1, ..Default::default() };
    let updates = [in_flight(1, START), pending(2)];
    let plan = plan_of(&policy, DeploymentState::Running, &updates, START + Duration::from_secs(600));
    assert_eq!((plan.release.len(), plan.dispatch.len()), (1, 0));
}

#[test]
fn who_is_offline_busy_repeated_or_not_pending_is_left_alone() {
    let updates = [pending(1), pending(2), in_flight(3, START), pending(4), pending(5)];
    let candidate = |index: usize, online, busy| Candidate { update: &updates[index], online, busy };
    let pending = [
        candidate(0, false, false),
        candidate(1, true, true),
        candidate(2, true, false),
        candidate(3, true, false),
        candidate(3, true, false),
        candidate(4, true, false),
    ];
    let mut lost = updates[4].clone();
    lost.apply(&UpdateEvent::Dispatch, START);
    let in_flight = [InFlight { update: &lost, offline_since: None, settles_at: None }];
    let snapshot = Snapshot {
        state: DeploymentState::Running,
        planned: true,
        counts: &counts(&updates),
        pending: &pending,
        in_flight: &in_flight,
        bucket: TokenBucket::empty(START - Duration::from_secs(9)),
    };
    assert_eq!(plan(&DeploymentPolicy::default(), &snapshot, START).dispatch, ids([4]));
}

#[test]
fn a_pending_update_without_an_attempt_left_is_ended() {
    let policy = DeploymentPolicy { max_attempts: 2, ..Default::default() };
    let mut spent = pending(1);
    for _ in 0..2 {
        spent.apply(&UpdateEvent::Dispatch, START);
        spent.apply(&UpdateEvent::Release { max_attempts: 9, message: "quiet" }, START);
    }
    let plan = plan_of(&policy, DeploymentState::Running, std::slice::from_ref(&spent), START);
    assert_eq!((&plan.dispatch, &plan.exhausted), (&vec![], &ids([1])));
    spent.apply(&exhausted_event(), START);
    assert_eq!(spent.state, UpdateState::TimedOut);
}

#[test]
fn expiry_ends_everything_even_a_paused_deployment() {
    let policy = DeploymentPolicy { expires_at: Some(START), ..Default::default() };
    let updates = [pending(1), in_flight(2, START)];
    for state in [DeploymentState::Planning, DeploymentState::Running, DeploymentState::Paused] {
        let before = plan_of(&policy, state, &updates, START - Duration::from_millis(1));
        assert!(!before.expire);
        assert_eq!(before.wake_at.map(|at| at <= START), Some(true));
        let plan = plan_of(&policy, state, &updates, START);
        assert!(plan.expire && !plan.finish, "{state}");
        assert_eq!((plan.dispatch.len(), plan.release.len()), (0, 0));
        assert_eq!(plan.wake_at, Some(START), "go on until all are final");
    }
}

#[test]
fn it_finishes_when_all_are_final_and_none_will_come() {
    let mut done = pending(1);
    done.apply(&UpdateEvent::AlreadyRuns, START);
    let counts = counts(&[done]);
    let at = |state, planned, expires_at| {
        let snapshot = Snapshot {
            state,
            planned,
            counts: &counts,
            pending: &[],
            in_flight: &[],
            bucket: TokenBucket::empty(START),
        };
        plan(&DeploymentPolicy { expires_at, ..Default::default() }, &snapshot, START)
    };
    assert!(at(DeploymentState::Running, true, None).finish);
    assert!(at(DeploymentState::Paused, true, None).finish);
    assert!(!at(DeploymentState::Planning, false, None).finish, "more targets come");
    let expired = at(DeploymentState::Planning, false, Some(START));
    assert!(expired.finish && expired.expire, "and no further targets are planned");
    for state in [DeploymentState::Finished, DeploymentState::Canceled] {
        let plan = at(state, true, None);
        assert!(!plan.finish && plan.wake_at.is_none());
    }
}

#[test]
fn a_policy_out_of_bounds_dispatches_nothing_but_still_expires() {
    let good = DeploymentPolicy::default();
    for policy in [
        DeploymentPolicy { max_in_flight: 0, ..good.clone() },
        DeploymentPolicy { max_in_flight: u32::MAX, ..good.clone() },
        DeploymentPolicy { rate_per_s: 0, ..good.clone() },
        DeploymentPolicy { rate_per_s: u32::MAX, ..good.clone() },
        DeploymentPolicy { attempt_timeout_s: 0, ..good.clone() },
        DeploymentPolicy { offline_grace_s: 0, ..good.clone() },
        DeploymentPolicy { max_attempts: 0, ..good.clone() },
    ] {
        let plan = plan_of(&policy, DeploymentState::Running, &[pending(1), in_flight(2, START)], START);
        assert!(plan.refused.is_some());
        assert_eq!((plan.dispatch.len(), plan.release.len(), plan.exhausted.len()), (0, 0, 0));
        let expired = DeploymentPolicy { expires_at: Some(START), ..policy };
        assert!(plan_of(&expired, DeploymentState::Running, &[pending(1)], START).expire);
    }
}

#[test]
fn a_clock_that_goes_back_gives_no_token_and_blocks_nothing_for_long() {
    let bucket = TokenBucket::empty(START).refilled(10, START + Duration::from_secs(1));
    assert_eq!(bucket.whole(), 2);
    let back = bucket.taken(2).refilled(10, START - Duration::from_secs(3600));
    assert_eq!(back.whole(), 0);
    assert_eq!(back.refilled(10, START - Duration::from_millis(3_599_900)).whole(), 1);
}
