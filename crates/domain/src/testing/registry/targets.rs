//! Which devices a deployment's stored selection fixes.

use std::collections::BTreeSet;

use argosy_proto::{DeviceId, GroupId, RegionId};

use super::fixture::{NOBODY, NOW, World, begin, deployment, device, hash, product, read};
use super::list_cases;
use crate::Timestamp;
use crate::model::{DeviceFilter, DevicePatch, DeviceState, DeviceTouch};
use crate::ports::{MAX_BULK, Registry};

list_cases!("targets":
    targets_are_the_active_devices_of_the_product,
    targets_are_those_of_the_stored_selection,
    targets_come_in_chunks_by_id,
    a_selection_of_thousands_of_devices,
);

async fn targets(registry: &dyn Registry, world: &World, target: DeviceFilter) -> Vec<DeviceId> {
    let mut unit = begin(registry).await;
    let new = deployment(world.firmware, target, world.user);
    let id = unit.insert_deployment(&new, NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let stored = session.deployment(id).await.expect("read").expect("there");
    let limit = u32::try_from(MAX_BULK).expect("small");
    let rows = session.plan_targets(&stored, DeviceId(0), limit).await.expect("read");
    rows.into_iter().map(|t| t.device).collect()
}

async fn targets_are_the_active_devices_of_the_product(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 4).await;
    let mut unit = begin(registry).await;
    let other = unit.insert_product(&product("second"), NOW).await.expect("insert");
    unit.insert_devices(&[device("other", other)], NOW).await.expect("insert");
    for (id, state) in [(ids[1], DeviceState::Suspended), (ids[2], DeviceState::Unregistered)] {
        let patch = DevicePatch { state: Some(state), ..Default::default() };
        assert!(unit.patch_device(id, &patch, NOW).await.expect("patch"));
    }
    let runs = DeviceTouch { image_hash: Some(Some(hash(5))), ..DeviceTouch::seen(ids[3], NOW) };
    unit.touch_devices(&[runs]).await.expect("touch");
    let new = deployment(world.firmware, DeviceFilter::default(), world.user);
    let id = unit.insert_deployment(&new, NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let stored = session.deployment(id).await.expect("read").expect("there");
    let found = session.plan_targets(&stored, DeviceId(0), 100).await.expect("read");
    let found: Vec<_> = found.iter().map(|t| (t.device, t.key.as_str(), t.image_hash)).collect();
    assert_eq!(found, [(ids[0], "d0", None), (ids[3], "d3", Some(hash(5)))]);
    drop(session);
    let foreign = DeviceFilter { product: Some(other), ..Default::default() };
    assert_eq!(targets(registry, &world, foreign).await, [], "another product's firmware goes to nobody");
    let suspended = DeviceFilter { state: Some(DeviceState::Suspended), ..Default::default() };
    assert_eq!(targets(registry, &world, suspended).await, [], "only active devices take part");
}

async fn targets_are_those_of_the_stored_selection(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 6).await;
    let mut unit = begin(registry).await;
    let second = unit.insert_group("second", NOW).await.expect("insert");
    let places = [
        (ids[0], Some(world.group), None),
        (ids[1], Some(second), None),
        (ids[2], None, Some(world.region)),
        (ids[3], Some(world.group), Some(world.region)),
    ];
    for (id, group, region) in places {
        let patch = DevicePatch { group: Some(group), region: Some(region), ..Default::default() };
        assert!(unit.patch_device(id, &patch, NOW).await.expect("patch"));
    }
    let name = DevicePatch { name: Some("보일러 100%_A".to_owned()), ..Default::default() };
    assert!(unit.patch_device(ids[5], &name, NOW).await.expect("patch"));
    let live = DeviceTouch {
        online: Some(true),
        firmware_version: Some("0.9".to_owned()),
        ..DeviceTouch::seen(ids[4], Timestamp(NOW.0 + 1))
    };
    unit.touch_devices(&[live]).await.expect("touch");
    unit.commit().await.expect("commit");

    let none = DeviceFilter::default;
    for (filter, expected) in [
        (none(), ids.clone()),
        (DeviceFilter { groups: vec![world.group], ..none() }, vec![ids[0], ids[3]]),
        (DeviceFilter { groups: vec![world.group, second], ..none() }, vec![ids[0], ids[1], ids[3]]),
        (DeviceFilter { groups: vec![GroupId(NOBODY)], ..none() }, vec![]),
        (DeviceFilter { regions: vec![world.region], ..none() }, vec![ids[2], ids[3]]),
        (DeviceFilter { regions: vec![RegionId(NOBODY)], ..none() }, vec![]),
        (DeviceFilter { groups: vec![world.group], regions: vec![world.region], ..none() }, vec![ids[3]]),
        (DeviceFilter { devices: vec![ids[5], ids[1], ids[1]], ..none() }, vec![ids[1], ids[5]]),
        (DeviceFilter { devices: vec![ids[1]], groups: vec![world.group], ..none() }, vec![]),
        (DeviceFilter { online: Some(true), ..none() }, vec![ids[4]]),
        (DeviceFilter { online: Some(false), devices: vec![ids[0], ids[4]], ..none() }, vec![ids[0]]),
        (DeviceFilter { firmware_version: Some("0.9".to_owned()), ..none() }, vec![ids[4]]),
        (DeviceFilter { search: Some("100%_a".to_owned()), ..none() }, vec![ids[5]]),
        (DeviceFilter { product: Some(world.product), ..none() }, ids.clone()),
    ] {
        assert_eq!(targets(registry, &world, filter.clone()).await, expected, "{filter:?}");
    }
}

async fn targets_come_in_chunks_by_id(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 10).await;
    let id = world.deployment(registry, &[]).await;
    let mut session = read(registry).await;
    let stored = session.deployment(id).await.expect("read").expect("there");
    let mut after = DeviceId(0);
    let mut found = Vec::new();
    loop {
        let chunk = session.plan_targets(&stored, after, 4).await.expect("read");
        assert!(chunk.len() <= 4);
        let Some(last) = chunk.last() else { break };
        after = last.device;
        found.extend(chunk.into_iter().map(|t| t.device));
    }
    assert_eq!(found, ids);
}

async fn a_selection_of_thousands_of_devices(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 8_000).await;
    let chosen: Vec<_> = ids.iter().copied().step_by(2).collect();
    let filter = DeviceFilter { devices: chosen.clone(), ..Default::default() };
    assert_eq!(read(registry).await.count_devices(&filter).await.expect("read"), 4_000);
    let found = targets(registry, &world, filter).await;
    assert_eq!(found.iter().collect::<BTreeSet<_>>(), chosen.iter().collect::<BTreeSet<_>>());
}
