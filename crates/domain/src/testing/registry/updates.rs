//! Device updates: conditional writes, exact counts, and the bulk ends.

use std::collections::{BTreeMap, BTreeSet};

use argosy_proto::{DeploymentId, DeviceId};

use super::fixture::{NOW, SIZE, World, begin, hash, key, read, the_update};
use super::list_cases;
use crate::Timestamp;
use crate::model::{Applied, DeploymentState, DeviceUpdate, UpdateEvent, UpdateState};
use crate::ports::{MAX_BULK, Registry};

list_cases!("updates":
    planning_a_chunk_again_changes_nothing,
    a_target_that_runs_the_image_is_planned_as_done,
    a_device_update_is_kept_whole,
    a_stale_write_misses,
    counts_and_bytes_are_exact,
    ten_thousand_updates_in_one_call,
    pending_and_in_flight_updates_are_walked_by_device,
    open_updates_are_those_that_can_still_change,
    cancel_goes_in_chunks_and_names_who_held_a_slot,
    expire_goes_in_chunks,
    a_newer_deployment_supersedes_what_is_pending_in_older_ones,
);

fn at(millis: i64) -> Timestamp {
    Timestamp(NOW.0 + millis)
}

const PROGRESS: UpdateEvent = UpdateEvent::Progress { percent: 40, downloaded_bytes: 1000 };

/// The events that bring a pending update to each state.
fn ways() -> BTreeMap<UpdateState, Vec<UpdateEvent>> {
    use UpdateEvent as E;
    let message = || Some("사유 '\"\\ %".to_owned());
    BTreeMap::from([
        (UpdateState::Pending, vec![]),
        (UpdateState::Dispatched, vec![E::Dispatch]),
        (UpdateState::Acknowledged, vec![E::Dispatch, E::Acknowledged]),
        (UpdateState::Downloading, vec![E::Dispatch, E::Acknowledged, PROGRESS]),
        (UpdateState::Downloaded, vec![E::Dispatch, PROGRESS, E::Downloaded { confirms_boot: true }]),
        (
            UpdateState::Installing,
            vec![E::Dispatch, PROGRESS, E::Downloaded { confirms_boot: true }, E::Installed],
        ),
        (UpdateState::Succeeded, vec![E::Dispatch, E::Booted { image_hash: hash(1), deployed: hash(1) }]),
        (UpdateState::Failed, vec![E::Dispatch, PROGRESS, E::Failed { message: message() }]),
        (UpdateState::TimedOut, vec![E::Dispatch, E::TimedOut { message: None }]),
        (UpdateState::Canceled, vec![E::Cancel { message: "superseded".to_owned() }]),
        (UpdateState::Rejected, vec![E::Dispatch, E::Rejected { message: message() }]),
        (UpdateState::RolledBack, vec![E::Dispatch, E::RolledBack { message: message() }]),
    ])
}

/// Applies events to a stored update, each in its own conditional write.
async fn drive(registry: &dyn Registry, deployment: DeploymentId, device: DeviceId, events: &[UpdateEvent]) {
    for (step, event) in events.iter().enumerate() {
        let mut unit = begin(registry).await;
        let mut update = unit.device_update(deployment, device).await.expect("read").expect("there");
        let read_revision = update.revision;
        let now = at(10 * (1 + i64::try_from(step).expect("small")));
        assert_eq!(update.apply(event, now), Applied::Changed, "{event:?}");
        assert_eq!(unit.save_device_updates(&[(update, read_revision)]).await.expect("save"), 1);
        unit.commit().await.expect("commit");
    }
}

/// A deployment with one device in each state.
async fn one_of_each(registry: &dyn Registry, world: &World) -> (DeploymentId, Vec<(DeviceId, UpdateState)>) {
    let devices = world.devices(registry, UpdateState::ALL.len()).await;
    let id = world.deployment(registry, &devices).await;
    let mut standing = Vec::new();
    for (device, (state, events)) in devices.iter().zip(ways()) {
        drive(registry, id, *device, &events).await;
        assert_eq!(the_update(registry, id, *device).await.state, state);
        standing.push((*device, state));
    }
    (id, standing)
}

async fn planning_a_chunk_again_changes_nothing(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 3).await;
    let id = world.deployment(registry, &devices[..2]).await;
    drive(registry, id, devices[0], &[UpdateEvent::Dispatch]).await;
    let before = the_update(registry, id, devices[0]).await;
    let chunk: Vec<_> =
        devices.iter().map(|d| DeviceUpdate::planned(id, *d, key(&format!("k{d}")), SIZE)).collect();
    let mut unit = begin(registry).await;
    unit.insert_device_updates(&chunk).await.expect("insert");
    unit.insert_device_updates(&chunk).await.expect("insert");
    unit.commit().await.expect("commit");
    assert_eq!(the_update(registry, id, devices[0]).await, before);
    assert_eq!(the_update(registry, id, devices[2]).await, chunk[2]);
    let counts = read(registry).await.update_counts(id).await.expect("read");
    assert_eq!((counts.total(), counts.of(UpdateState::Pending)), (3, 2));
}

async fn a_target_that_runs_the_image_is_planned_as_done(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 1).await;
    let id = world.deployment(registry, &[]).await;
    let mut done = DeviceUpdate::planned(id, devices[0], key("k"), SIZE);
    done.apply(&UpdateEvent::AlreadyRuns, at(5));
    let mut unit = begin(registry).await;
    unit.insert_device_updates(std::slice::from_ref(&done)).await.expect("insert");
    unit.commit().await.expect("commit");
    assert_eq!(the_update(registry, id, devices[0]).await, done);
}

async fn a_device_update_is_kept_whole(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 1).await;
    let id = world.deployment(registry, &devices).await;
    let mut update = the_update(registry, id, devices[0]).await;
    assert_eq!(update, DeviceUpdate::planned(id, devices[0], key(&format!("k{}", devices[0])), SIZE));
    let events = [
        UpdateEvent::Dispatch,
        UpdateEvent::Acknowledged,
        PROGRESS,
        UpdateEvent::Release { max_attempts: 3, message: "quiet" },
        UpdateEvent::Dispatch,
        PROGRESS,
        UpdateEvent::Failed { message: Some("디스크 'full' \"\\ 🔥".to_owned()) },
    ];
    for (step, event) in events.iter().enumerate() {
        let before = update.revision;
        update.apply(event, at(i64::try_from(step).expect("small")));
        let mut unit = begin(registry).await;
        assert_eq!(unit.save_device_updates(&[(update.clone(), before)]).await.expect("save"), 1);
        assert_eq!(unit.device_update(id, devices[0]).await.expect("read"), Some(update.clone()));
        unit.commit().await.expect("commit");
        assert_eq!(the_update(registry, id, devices[0]).await, update, "{event:?}");
    }
    let found = read(registry).await.device_updates_by_id(&[(id, devices[0])]).await.expect("read");
    assert_eq!(found, [update]);
}

async fn a_stale_write_misses(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 3).await;
    let id = world.deployment(registry, &devices).await;
    let mut stale = the_update(registry, id, devices[0]).await;
    drive(registry, id, devices[0], &[UpdateEvent::Dispatch, UpdateEvent::Acknowledged]).await;
    let stored = the_update(registry, id, devices[0]).await;

    let mut fresh = the_update(registry, id, devices[1]).await;
    let mut unknown = fresh.clone();
    unknown.device = DeviceId(super::fixture::NOBODY);
    let revisions = (stale.revision, fresh.revision);
    stale.apply(&UpdateEvent::Dispatch, at(99));
    fresh.apply(&UpdateEvent::Dispatch, at(99));
    let mut unit = begin(registry).await;
    let writes = [(stale, revisions.0), (fresh.clone(), revisions.1), (unknown, 0)];
    assert_eq!(unit.save_device_updates(&writes).await.expect("save"), 1, "only the fresh one matches");
    unit.commit().await.expect("commit");
    assert_eq!(the_update(registry, id, devices[0]).await, stored);
    assert_eq!(the_update(registry, id, devices[1]).await, fresh);
    assert_eq!(the_update(registry, id, devices[2]).await.revision, 0);
}

async fn counts_and_bytes_are_exact(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let (id, standing) = one_of_each(registry, &world).await;
    let other = world.deployment(registry, &[standing[0].0]).await;
    let counts = read(registry).await.update_counts(id).await.expect("read");
    for state in UpdateState::ALL {
        assert_eq!(counts.of(*state), 1, "{state}");
    }
    assert_eq!((counts.total(), counts.in_flight(), counts.finished()), (12, 5, 6));
    let bytes = read(registry).await.update_bytes(id).await.expect("read");
    // Whole: downloaded, installing, succeeded. In part: downloading, failed.
    assert_eq!((bytes.downloaded, bytes.total), (3 * SIZE + 2 * 1000, 12 * SIZE));
    let counts = read(registry).await.update_counts(other).await.expect("read");
    assert_eq!((counts.total(), counts.of(UpdateState::Pending)), (1, 1), "of its own deployment alone");
}

async fn ten_thousand_updates_in_one_call(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, MAX_BULK).await;
    let id = world.deployment(registry, &devices).await;
    let ids: Vec<_> = devices.iter().map(|d| (id, *d)).collect();
    let mut unit = begin(registry).await;
    let updates = unit.device_updates_by_id(&ids).await.expect("read");
    assert_eq!(updates.len(), MAX_BULK);
    let writes: Vec<_> = updates
        .into_iter()
        .map(|mut update| {
            let revision = update.revision;
            update.apply(&UpdateEvent::Dispatch, NOW);
            (update, revision)
        })
        .collect();
    assert_eq!(unit.save_device_updates(&writes).await.expect("save"), MAX_BULK as u64);
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let counts = session.update_counts(id).await.expect("read");
    assert_eq!((counts.total(), counts.of(UpdateState::Dispatched)), (MAX_BULK as u64, MAX_BULK as u64));
    let open = session.open_updates_of(&devices).await.expect("read");
    assert_eq!(open.len(), MAX_BULK);
    drop(session);
    let mut unit = begin(registry).await;
    let chunk = unit.cancel_updates(id, "stop", at(1), u32::MAX >> 1).await.expect("cancel");
    assert_eq!((chunk.canceled, chunk.in_flight.len()), (MAX_BULK as u64, MAX_BULK));
    unit.commit().await.expect("commit");
}

async fn pending_and_in_flight_updates_are_walked_by_device(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 7).await;
    let id = world.deployment(registry, &devices).await;
    let other = world.deployment(registry, &devices).await;
    drive(registry, other, devices[0], &[UpdateEvent::Dispatch]).await;
    for device in [devices[1], devices[3], devices[5]] {
        drive(registry, id, device, &[UpdateEvent::Dispatch]).await;
    }
    drive(registry, id, devices[6], &[UpdateEvent::AlreadyRuns]).await;
    let mut session = read(registry).await;
    let ids = |updates: Vec<DeviceUpdate>| -> Vec<DeviceId> {
        updates
            .into_iter()
            .map(|u| {
                assert_eq!(u.deployment, id);
                u.device
            })
            .collect()
    };
    let first = DeviceId(0);
    let pending = session.pending_updates(id, first, 100).await.expect("read");
    assert_eq!(ids(pending), [devices[0], devices[2], devices[4]]);
    let pending = session.pending_updates(id, devices[0], 1).await.expect("read");
    assert_eq!(ids(pending), [devices[2]]);
    let pending = session.pending_updates(id, devices[4], 1).await.expect("read");
    assert_eq!(ids(pending), []);
    let in_flight = session.in_flight_updates(id, first, 2).await.expect("read");
    assert_eq!(ids(in_flight), [devices[1], devices[3]]);
    let in_flight = session.in_flight_updates(id, devices[3], 100).await.expect("read");
    assert_eq!(ids(in_flight), [devices[5]]);
}

async fn open_updates_are_those_that_can_still_change(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let (first, standing) = one_of_each(registry, &world).await;
    let devices: Vec<_> = standing.iter().map(|(device, _)| *device).collect();
    let second = world.deployment(registry, &devices[..2]).await;
    let ended = world.deployment(registry, &devices).await;
    let mut unit = begin(registry).await;
    let mut deployment = unit.deployment(ended).await.expect("read").expect("there");
    deployment.state = DeploymentState::Canceled;
    assert!(unit.save_deployment(&deployment).await.expect("save"));
    unit.commit().await.expect("commit");

    let mut expected: Vec<_> =
        standing.iter().filter(|(_, state)| !state.is_final()).map(|(device, _)| (*device, first)).collect();
    expected.extend(devices[..2].iter().map(|d| (*d, second)));
    expected.sort_unstable();
    let mut backwards = devices.clone();
    backwards.reverse();
    let open = read(registry).await.open_updates_of(&backwards).await.expect("read");
    assert_eq!(open.iter().map(|u| (u.device, u.deployment)).collect::<Vec<_>>(), expected);
    let open = read(registry).await.open_updates_of(&devices[..1]).await.expect("read");
    assert!(open.iter().all(|u| u.device == devices[0]), "of these devices alone");
}

async fn cancel_goes_in_chunks_and_names_who_held_a_slot(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let (id, standing) = one_of_each(registry, &world).await;
    let other = world.deployment(registry, &[standing[0].0]).await;
    let mut before = BTreeMap::new();
    for (device, _) in &standing {
        before.insert(*device, the_update(registry, id, *device).await);
    }
    let mut canceled = 0;
    let mut told = Vec::new();
    loop {
        let mut unit = begin(registry).await;
        let chunk = unit.cancel_updates(id, "운영자가 취소", at(500), 4).await.expect("cancel");
        unit.commit().await.expect("commit");
        assert!(chunk.canceled <= 4);
        if chunk.canceled == 0 {
            assert!(chunk.in_flight.is_empty());
            break;
        }
        canceled += chunk.canceled;
        told.extend(chunk.in_flight);
    }
    let open: BTreeSet<_> = standing.iter().filter(|(_, s)| !s.is_final()).map(|(d, _)| *d).collect();
    assert_eq!(canceled, open.len() as u64);
    told.sort_by_key(|u| u.device);
    let expected: Vec<_> = before.values().filter(|u| u.state.in_flight()).cloned().collect();
    assert_eq!(told, expected, "those that held a slot, as they were before");
    for (device, was) in &before {
        let is = the_update(registry, id, *device).await;
        if open.contains(device) {
            assert_eq!(is.state, UpdateState::Canceled);
            assert_eq!((is.message.as_deref(), is.finished_at), (Some("운영자가 취소"), Some(at(500))));
            assert!(is.revision > was.revision, "a stale writer must miss");
            assert_eq!((is.attempt, is.downloaded_bytes), (was.attempt, was.downloaded_bytes));
        } else {
            assert_eq!(is, *was, "a final state is never left");
        }
    }
    assert_eq!(the_update(registry, other, standing[0].0).await.state, UpdateState::Pending);
}

async fn expire_goes_in_chunks(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let (id, standing) = one_of_each(registry, &world).await;
    let other = world.deployment(registry, &[standing[0].0]).await;
    let finished = the_update(registry, id, standing[6].0).await;
    assert!(finished.state.is_final());
    let mut chunks = Vec::new();
    while chunks.last() != Some(&0) {
        let mut unit = begin(registry).await;
        chunks.push(unit.expire_updates(id, "the deployment expired", at(500), 4).await.expect("expire"));
        unit.commit().await.expect("commit");
    }
    assert_eq!(chunks, [4, 2, 0]);
    let counts = read(registry).await.update_counts(id).await.expect("read");
    assert_eq!((counts.total(), counts.finished(), counts.of(UpdateState::TimedOut)), (12, 12, 7));
    let ended = the_update(registry, id, standing[0].0).await;
    assert_eq!((ended.state, ended.finished_at), (UpdateState::TimedOut, Some(at(500))));
    assert_eq!(ended.message.as_deref(), Some("the deployment expired"));
    assert!(ended.revision > 0);
    assert_eq!(the_update(registry, id, standing[6].0).await, finished);
    assert_eq!(the_update(registry, other, standing[0].0).await.state, UpdateState::Pending);
}

async fn a_newer_deployment_supersedes_what_is_pending_in_older_ones(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 6).await;
    let oldest = world.deployment(registry, &devices).await;
    let older = world.deployment(registry, &devices).await;
    let newer = world.deployment(registry, &devices[..5]).await;
    let newest = world.deployment(registry, &devices).await;
    // Device 1 is on its way in one of the older ones; device 2 was, and waits for its second attempt.
    drive(registry, older, devices[1], &[UpdateEvent::Dispatch]).await;
    let again = [UpdateEvent::Dispatch, UpdateEvent::Release { max_attempts: 3, message: "quiet" }];
    drive(registry, older, devices[2], &again).await;
    let mut unit = begin(registry).await;
    let count = unit.supersede_pending(newer, devices[0], devices[3], "superseded", at(500)).await;
    assert_eq!(count.expect("supersede"), 5, "devices 1 to 3 in two deployments, but the one on its way");
    let count = unit.supersede_pending(newer, devices[0], devices[3], "superseded", at(600)).await;
    assert_eq!(count.expect("supersede"), 0, "a chunk that is repeated does nothing");
    unit.commit().await.expect("commit");
    for (number, device) in devices.iter().enumerate() {
        let within = (1..=3).contains(&number);
        for id in [oldest, older] {
            let is = the_update(registry, id, *device).await;
            let expected = match (within, id == older && number == 1) {
                (_, true) => UpdateState::Dispatched,
                (true, _) => UpdateState::Canceled,
                (false, _) => UpdateState::Pending,
            };
            assert_eq!(is.state, expected, "device {number} in {id}");
            if is.state == UpdateState::Canceled {
                assert_eq!((is.message.as_deref(), is.finished_at), (Some("superseded"), Some(at(500))));
                assert!(is.revision > 0);
            }
        }
        assert_eq!(the_update(registry, newest, *device).await.state, UpdateState::Pending);
    }
    // Device 5 is not planned in the newer one: it keeps its older updates even within the range.
    let mut unit = begin(registry).await;
    let count = unit.supersede_pending(newer, devices[3], devices[5], "superseded", at(700)).await;
    assert_eq!(count.expect("supersede"), 2);
    unit.commit().await.expect("commit");
    assert_eq!(the_update(registry, oldest, devices[5]).await.state, UpdateState::Pending);
    assert_eq!(the_update(registry, newer, devices[4]).await.state, UpdateState::Pending);
}
