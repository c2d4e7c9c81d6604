//! Units of work: isolation, roll-back, visibility, one at a time.

use super::fixture::{NOW, World, begin, conflicts, product, read, the_device};
use super::list_cases;
use crate::ports::Registry;
use crate::testing::{join_all, poll_once};

list_cases!("units":
    a_unit_sees_its_own_writes,
    nothing_is_seen_outside_before_commit_and_all_of_it_after,
    a_rolled_back_unit_leaves_nothing,
    a_dropped_unit_leaves_nothing_and_lets_the_next_one_begin,
    a_unit_that_failed_leaves_nothing,
    units_come_one_after_the_other,
    reads_go_on_beside_a_unit,
    the_registry_answers,
);

async fn a_unit_sees_its_own_writes(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let id = unit.insert_product(&product("boiler"), NOW).await.expect("insert");
    assert_eq!(unit.product(id).await.expect("read").map(|p| p.spec.name).as_deref(), Some("boiler"));
    assert!(unit.delete_product(id).await.expect("delete"));
    assert_eq!(unit.product(id).await.expect("read"), None);
    unit.commit().await.expect("commit");
}

async fn nothing_is_seen_outside_before_commit_and_all_of_it_after(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let id = unit.insert_product(&product("boiler"), NOW).await.expect("insert");
    let group = unit.insert_group("pilot", NOW).await.expect("insert");
    let mut outside = read(registry).await;
    assert_eq!(outside.product(id).await.expect("read"), None, "an uncommitted row is seen");
    assert_eq!(outside.group(group).await.expect("read"), None, "an uncommitted row is seen");
    drop(outside);
    unit.commit().await.expect("commit");
    let mut outside = read(registry).await;
    assert!(outside.product(id).await.expect("read").is_some());
    assert!(outside.group(group).await.expect("read").is_some());
}

async fn a_rolled_back_unit_leaves_nothing(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 1).await;
    let mut unit = begin(registry).await;
    unit.insert_group("gone", NOW).await.expect("insert");
    unit.all_offline(NOW).await.expect("write");
    let patch = crate::model::DevicePatch { name: Some("renamed".to_owned()), ..Default::default() };
    assert!(unit.patch_device(devices[0], &patch, NOW).await.expect("patch"));
    unit.rollback().await.expect("rollback");
    assert_eq!(read(registry).await.group_by_name("gone").await.expect("read"), None);
    assert_eq!(the_device(registry, devices[0]).await.spec.name, "device d0");
}

async fn a_dropped_unit_leaves_nothing_and_lets_the_next_one_begin(registry: &dyn Registry) {
    for _ in 0..3 {
        let mut unit = begin(registry).await;
        unit.insert_group("gone", NOW).await.expect("insert");
        drop(unit);
    }
    let mut unit = begin(registry).await;
    assert_eq!(unit.group_by_name("gone").await.expect("read"), None);
    unit.insert_group("gone", NOW).await.expect("the name is free");
    unit.commit().await.expect("commit");
}

async fn a_unit_that_failed_leaves_nothing(registry: &dyn Registry) {
    World::make(registry).await;
    let mut unit = begin(registry).await;
    let id = unit.insert_product(&product("another"), NOW).await.expect("insert");
    conflicts(unit.insert_product(&product("boiler"), NOW).await, "product.name");
    drop(unit);
    assert_eq!(read(registry).await.product(id).await.expect("read"), None);
}

async fn units_come_one_after_the_other(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let before =
        read(registry).await.product(world.product).await.expect("read").expect("there").spec.slot_size;
    let raise = || async {
        let mut unit = begin(registry).await;
        let mut spec = unit.product(world.product).await.expect("read").expect("there").spec;
        spec.slot_size += 1;
        assert!(unit.update_product(world.product, &spec).await.expect("update"));
        unit.commit().await.expect("commit");
    };
    join_all((0..16).map(|_| raise())).await;
    let after =
        read(registry).await.product(world.product).await.expect("read").expect("there").spec.slot_size;
    assert_eq!(after, before + 16, "an update was lost");
}

async fn reads_go_on_beside_a_unit(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    unit.insert_group("second", NOW).await.expect("insert");
    let mut waiting = Box::pin(registry.begin("contract"));
    assert!(poll_once(&mut waiting).await.is_none(), "two units of work at once");
    for _ in 0..4 {
        assert!(read(registry).await.product(world.product).await.expect("read").is_some());
    }
    unit.commit().await.expect("commit");
    let mut next = waiting.await.expect("the next one begins");
    assert!(next.group_by_name("second").await.expect("read").is_some());
    next.rollback().await.expect("rollback");
}

async fn the_registry_answers(registry: &dyn Registry) {
    registry.ping().await.expect("ping");
}
