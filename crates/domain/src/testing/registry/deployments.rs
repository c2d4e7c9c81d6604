//! Deployments themselves.

use argosy_proto::{DeploymentId, DeviceId, FirmwareId};

use super::fixture::{NOBODY, NOW, SIZE, World, begin, deployment, hash, read, refers};
use super::list_cases;
use crate::Timestamp;
use crate::model::{
    DeploymentPolicy, DeploymentState, DeviceFilter, DeviceState, NewDeployment, UpdateBytes, UpdateCounts,
};
use crate::page::PageRequest;
use crate::ports::{DeploymentFilter, Registry};

list_cases!("deployments":
    what_is_not_there_is_none_or_empty,
    a_deployment_begins_in_planning,
    a_deployment_needs_its_firmware,
    what_it_was_made_with_comes_back,
    a_stale_save_misses,
    of_two_that_read_the_same_one_saves,
    active_deployments_come_oldest_first,
);

async fn what_is_not_there_is_none_or_empty(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let nobody = DeploymentId(NOBODY);
    let page = PageRequest::first(10);
    assert_eq!(unit.deployment(nobody).await.expect("read"), None);
    assert_eq!(unit.deployments(&DeploymentFilter::default(), &page).await.expect("read").items, []);
    assert_eq!(unit.active_deployments().await.expect("read"), []);
    assert_eq!(unit.update_counts(nobody).await.expect("read").total(), 0);
    assert_eq!(unit.update_bytes(nobody).await.expect("read"), UpdateBytes::default());
    assert_eq!(unit.device_update(nobody, DeviceId(NOBODY)).await.expect("read"), None);
    assert_eq!(unit.device_updates_by_id(&[(nobody, DeviceId(NOBODY))]).await.expect("read"), []);
    assert_eq!(unit.device_updates_by_id(&[]).await.expect("read"), []);
    assert_eq!(unit.device_updates(nobody, &Default::default(), &page).await.expect("read").items, []);
    assert_eq!(unit.pending_updates(nobody, DeviceId(0), 10).await.expect("read"), []);
    assert_eq!(unit.in_flight_updates(nobody, DeviceId(0), 10).await.expect("read"), []);
    assert_eq!(unit.open_updates_of(&[DeviceId(NOBODY)]).await.expect("read"), []);
    assert_eq!(unit.open_updates_of(&[]).await.expect("read"), []);
    assert_eq!(unit.updates_of_device(DeviceId(NOBODY), &page).await.expect("read").items, []);
    assert_eq!(unit.cancel_updates(nobody, "x", NOW, 10).await.expect("write").canceled, 0);
    assert_eq!(unit.expire_updates(nobody, "x", NOW, 10).await.expect("write"), 0);
    let superseded = unit.supersede_pending(nobody, DeviceId(0), DeviceId(NOBODY), "x", NOW).await;
    assert_eq!(superseded.expect("write"), 0);
    unit.insert_device_updates(&[]).await.expect("write");
    assert_eq!(unit.save_device_updates(&[]).await.expect("write"), 0);
    unit.commit().await.expect("commit");
}

async fn a_deployment_begins_in_planning(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let id = world.deployment(registry, &[]).await;
    let stored = read(registry).await.deployment(id).await.expect("read").expect("there");
    assert_eq!(
        (stored.id, stored.state, stored.planned, stored.plan_cursor),
        (id, DeploymentState::Planning, false, 0)
    );
    assert_eq!((stored.image(), stored.size, stored.version.as_str()), (Some(hash(1)), SIZE, "1.0.0"));
    let file = stored.files.first().expect("a file");
    assert_eq!((stored.files.len(), file.artifact, file.size), (1, world.artifact, SIZE));
    assert_eq!((stored.product, file.name.as_str()), (world.product, "boiler-1.0.0.bin"));
    assert_eq!((stored.created_at, stored.started_at, stored.finished_at), (NOW, None, None));
    let counts = read(registry).await.update_counts(id).await.expect("read");
    assert_eq!(counts.total(), UpdateCounts::default().total());
}

async fn a_deployment_needs_its_firmware(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    let new = deployment(FirmwareId(NOBODY), DeviceFilter::default(), world.user);
    refers(unit.insert_deployment(&new, NOW).await, "deployment.firmware");
}

async fn what_it_was_made_with_comes_back(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 2).await;
    let specs = [
        deployment(world.firmware, DeviceFilter::default(), world.user),
        NewDeployment {
            name: "100%_'\"\\ 🔥 자판기".to_owned(),
            policy: DeploymentPolicy {
                max_in_flight: 100_000,
                rate_per_s: 1,
                attempt_timeout_s: 86_400,
                offline_grace_s: 3_600,
                max_attempts: 20,
                expires_at: None,
            },
            ..deployment(
                world.firmware,
                DeviceFilter {
                    product: Some(world.product),
                    groups: vec![world.group],
                    regions: vec![world.region],
                    devices,
                    state: Some(DeviceState::Active),
                    online: Some(false),
                    contents_mismatch: Some(true),
                    firmware_version: Some("0.9 '%_\\".to_owned()),
                    search: Some("자판기 %_'\\".to_owned()),
                },
                world.user,
            )
        },
    ];
    for spec in specs {
        let mut unit = begin(registry).await;
        let id = unit.insert_deployment(&spec, NOW).await.expect("insert");
        unit.commit().await.expect("commit");
        let stored = read(registry).await.deployment(id).await.expect("read").expect("there");
        assert_eq!(stored.spec, spec);
    }
}

async fn a_stale_save_misses(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let id = world.deployment(registry, &[]).await;
    let stale = read(registry).await.deployment(id).await.expect("read").expect("there");
    let mut changed = stale.clone();
    changed.state = DeploymentState::Running;
    changed.planned = true;
    changed.plan_cursor = 77;
    changed.started_at = Some(Timestamp(NOW.0 + 5));
    let mut unit = begin(registry).await;
    assert!(unit.save_deployment(&changed).await.expect("save"));
    unit.commit().await.expect("commit");
    let stored = read(registry).await.deployment(id).await.expect("read").expect("there");
    changed.generation = stale.generation + 1;
    assert_eq!(stored, changed, "the generation rose by one");

    let mut unit = begin(registry).await;
    assert!(!unit.save_deployment(&stale).await.expect("save"), "it was read before the other save");
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.deployment(id).await.expect("read"), Some(stored.clone()));

    let mut ended = stored;
    ended.state = DeploymentState::Finished;
    ended.finished_at = Some(Timestamp(NOW.0 + 9));
    ended.spec.name = "another name".to_owned();
    let mut unit = begin(registry).await;
    assert!(unit.save_deployment(&ended).await.expect("save"));
    ended.id = DeploymentId(NOBODY);
    assert!(!unit.save_deployment(&ended).await.expect("nobody's"));
    unit.commit().await.expect("commit");
    let stored = read(registry).await.deployment(id).await.expect("read").expect("there");
    assert_eq!((stored.state, stored.finished_at), (DeploymentState::Finished, Some(Timestamp(NOW.0 + 9))));
    assert_eq!(stored.spec.name, "2026 봄 업데이트", "what it was made with does not change");
}

async fn of_two_that_read_the_same_one_saves(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let id = world.deployment(registry, &[]).await;
    let mut unit = begin(registry).await;
    let mut read_once = unit.deployment(id).await.expect("read").expect("there");
    read_once.state = DeploymentState::Paused;
    assert!(unit.save_deployment(&read_once).await.expect("save"));
    assert!(!unit.save_deployment(&read_once).await.expect("save"), "even within one unit of work");
    unit.commit().await.expect("commit");
}

async fn active_deployments_come_oldest_first(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut ids = Vec::new();
    for state in DeploymentState::ALL {
        let id = world.deployment(registry, &[]).await;
        let mut unit = begin(registry).await;
        let mut stored = unit.deployment(id).await.expect("read").expect("there");
        stored.state = *state;
        assert!(unit.save_deployment(&stored).await.expect("save"));
        unit.commit().await.expect("commit");
        if !state.is_final() {
            ids.push(id);
        }
    }
    let active = read(registry).await.active_deployments().await.expect("read");
    assert_eq!(active.iter().map(|d| d.id).collect::<Vec<_>>(), ids);
}
