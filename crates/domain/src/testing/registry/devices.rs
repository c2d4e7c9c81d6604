//! Devices, their live facts, certificates and history.

use std::collections::{BTreeMap, BTreeSet};

use argosy_proto::{DeviceId, GroupId, ProductId, RegionId};

use super::fixture::{
    NOBODY, NOW, World, begin, conflicts, device, firmware, hash, key, product, read, refers, the_device,
};
use super::list_cases;
use crate::Timestamp;
use crate::model::{Attributes, DevicePatch, DeviceState, DeviceTouch, NewDevice};
use crate::page::PageRequest;
use crate::ports::{CountScope, DeviceTally, MAX_BULK, Registry};

list_cases!("devices":
    what_is_not_there_is_none_or_false,
    a_device_is_kept_as_it_was_registered,
    device_keys_are_unique_and_their_case_matters,
    devices_are_registered_all_or_none,
    a_device_needs_its_places,
    a_patch_changes_what_it_names_and_nothing_else,
    a_patch_needs_its_places,
    a_touch_changes_what_it_names_and_nothing_else,
    an_older_touch_does_not_turn_back_when_it_was_seen,
    online_keeps_since_when,
    all_offline_marks_those_that_were_online,
    a_device_shows_the_registered_firmware_that_it_runs,
    briefs_are_read_in_bulk,
    ten_thousand_devices_in_one_call,
);

fn at(millis: i64) -> Timestamp {
    Timestamp(NOW.0 + millis)
}

async fn what_is_not_there_is_none_or_false(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let nobody = DeviceId(NOBODY);
    assert_eq!(unit.device(nobody).await.expect("read"), None);
    assert_eq!(unit.device_by_key(&key("nobody")).await.expect("read"), None);
    assert_eq!(unit.device_briefs(&[key("nobody")]).await.expect("read"), []);
    assert_eq!(unit.device_briefs(&[]).await.expect("read"), []);
    assert_eq!(unit.admission("issuer", "1").await.expect("read"), None);
    assert_eq!(unit.certificates(nobody).await.expect("read"), []);
    assert!(!unit.has_certificate(nobody).await.expect("read"));
    let history = unit.firmware_history(nobody, &PageRequest::first(10)).await.expect("read");
    assert_eq!((history.items, history.next), (vec![], None));
    let patch = DevicePatch { name: Some("x".to_owned()), ..DevicePatch::default() };
    assert!(!unit.patch_device(nobody, &patch, NOW).await.expect("write"));
    assert!(!unit.allow_expired(nobody, "1", None).await.expect("write"));
    assert_eq!(unit.insert_devices(&[], NOW).await.expect("write"), []);
    unit.touch_devices(&[]).await.expect("write");
    unit.insert_certificates(&[]).await.expect("write");
    unit.insert_firmware_changes(&[]).await.expect("write");
    assert_eq!(unit.all_offline(NOW).await.expect("write"), 0);
    let counts = unit.device_counts(&CountScope::default()).await.expect("read");
    assert_eq!((counts.total, counts.online), (0, 0));
    unit.commit().await.expect("commit");
}

async fn a_device_is_kept_as_it_was_registered(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let new = NewDevice {
        name: "자판기 'A' \"\\ 🔥".to_owned(),
        group: Some(world.group),
        region: Some(world.region),
        attributes: [("a.b-c_d", "값 % _ \\ ' \""), ("empty", ""), ("floor", "3")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        state: DeviceState::Unregistered,
        ..device("vm-1", world.product)
    };
    let mut unit = begin(registry).await;
    let ids = unit.insert_devices(std::slice::from_ref(&new), NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let stored = the_device(registry, ids[0]).await;
    assert_eq!((stored.id, &stored.spec), (ids[0], &new));
    assert_eq!((stored.created_at, stored.updated_at), (NOW, NOW));
    assert!(!stored.online);
    assert_eq!((stored.last_seen_at, &stored.firmware_version), (None, &None));
    assert_eq!((stored.image_hash, stored.firmware, stored.capabilities.len()), (None, None, 0));
    assert_eq!(read(registry).await.device_by_key(&key("vm-1")).await.expect("read"), Some(stored));
}

async fn device_keys_are_unique_and_their_case_matters(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    let new = ["vm-1", "VM-1", "1", "01"].map(|k| device(k, world.product));
    let ids = unit.insert_devices(&new, NOW).await.expect("four different keys");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    for (new, id) in new.iter().zip(&ids) {
        assert_eq!(session.device_by_key(&new.key).await.expect("read").expect("there").id, *id);
    }
    assert_eq!(session.device_by_key(&key("Vm-1")).await.expect("read"), None);
    let briefs = session.device_briefs(&[key("VM-1"), key("Vm-1")]).await.expect("read");
    assert_eq!(briefs.iter().map(|b| b.id).collect::<Vec<_>>(), [ids[1]]);
    drop(session);
    let mut unit = begin(registry).await;
    conflicts(unit.insert_devices(&[device("vm-1", world.product)], NOW).await, "device.key");
    drop(unit);
    let mut unit = begin(registry).await;
    let twice = [device("new", world.product), device("new", world.product)];
    conflicts(unit.insert_devices(&twice, NOW).await, "device.key");
}

async fn devices_are_registered_all_or_none(registry: &dyn Registry) {
    let world = World::make(registry).await;
    world.devices(registry, 1).await;
    let mut unit = begin(registry).await;
    let new = ["new", "d0"].map(|k| device(k, world.product));
    conflicts(unit.insert_devices(&new, NOW).await, "device.key");
    unit.rollback().await.expect("rollback");
    let mut session = read(registry).await;
    assert_eq!(session.device_by_key(&key("new")).await.expect("read"), None);
    assert_eq!(session.device_counts(&CountScope::default()).await.expect("read").total, 1);
}

async fn a_device_needs_its_places(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let good = device("d", world.product);
    for (new, constraint) in [
        (NewDevice { product: ProductId(NOBODY), ..good.clone() }, "device.product"),
        (NewDevice { group: Some(GroupId(NOBODY)), ..good.clone() }, "device.group"),
        (NewDevice { region: Some(RegionId(NOBODY)), ..good.clone() }, "device.region"),
    ] {
        let mut unit = begin(registry).await;
        refers(unit.insert_devices(&[new], NOW).await, constraint);
        unit.rollback().await.expect("rollback");
    }
    assert_eq!(read(registry).await.device_counts(&CountScope::default()).await.expect("read").total, 0);
}

async fn a_patch_changes_what_it_names_and_nothing_else(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 2).await;
    let attributes: Attributes = [("새".to_owned(), "값".to_owned())].into();
    let mut expected = the_device(registry, ids[0]).await;
    let untouched = the_device(registry, ids[1]).await;
    let patches = [
        DevicePatch { name: Some("새 이름".to_owned()), ..Default::default() },
        DevicePatch { group: Some(Some(world.group)), ..Default::default() },
        DevicePatch { region: Some(Some(world.region)), ..Default::default() },
        DevicePatch { attributes: Some(attributes.clone()), ..Default::default() },
        DevicePatch { state: Some(DeviceState::Suspended), ..Default::default() },
        DevicePatch { group: Some(None), ..Default::default() },
        DevicePatch { region: Some(None), attributes: Some(Attributes::new()), ..Default::default() },
        DevicePatch::default(),
    ];
    for (step, patch) in patches.into_iter().enumerate() {
        let now = at(1 + i64::try_from(step).expect("small"));
        let mut unit = begin(registry).await;
        assert!(unit.patch_device(ids[0], &patch, now).await.expect("patch"), "{patch:?}");
        unit.commit().await.expect("commit");
        expected.spec.name = patch.name.clone().unwrap_or(expected.spec.name);
        expected.spec.group = patch.group.unwrap_or(expected.spec.group);
        expected.spec.region = patch.region.unwrap_or(expected.spec.region);
        expected.spec.attributes = patch.attributes.clone().unwrap_or(expected.spec.attributes);
        expected.spec.state = patch.state.unwrap_or(expected.spec.state);
        let stored = the_device(registry, ids[0]).await;
        assert_eq!(stored.spec, expected.spec, "{patch:?}");
        if patch != DevicePatch::default() {
            assert_eq!(stored.updated_at, now);
        }
    }
    assert_eq!(the_device(registry, ids[1]).await, untouched);
}

async fn a_patch_needs_its_places(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 1).await;
    let mut unit = begin(registry).await;
    let patch = DevicePatch { group: Some(Some(GroupId(NOBODY))), ..Default::default() };
    refers(unit.patch_device(ids[0], &patch, NOW).await, "device.group");
    drop(unit);
    let mut unit = begin(registry).await;
    let patch = DevicePatch { region: Some(Some(RegionId(NOBODY))), ..Default::default() };
    refers(unit.patch_device(ids[0], &patch, NOW).await, "device.region");
}

async fn touch(registry: &dyn Registry, touches: &[DeviceTouch]) {
    let mut unit = begin(registry).await;
    unit.touch_devices(touches).await.expect("touch");
    unit.commit().await.expect("commit");
}

async fn a_touch_changes_what_it_names_and_nothing_else(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 2).await;
    let untouched = the_device(registry, ids[1]).await;
    let mut expected = the_device(registry, ids[0]).await;
    let seen = |millis| DeviceTouch::seen(ids[0], at(millis));
    let touches = [
        seen(1),
        DeviceTouch { online: Some(true), ..seen(2) },
        DeviceTouch { online: Some(false), online_at: Some(at(2)), ..seen(3) },
        DeviceTouch { online: Some(true), ..seen(3) },
        DeviceTouch { firmware_version: Some("1.0.0-rc.1+파".to_owned()), ..seen(4) },
        DeviceTouch { image_hash: Some(Some(hash(200))), ..seen(5) },
        DeviceTouch { capabilities: Some(vec!["boot-confirm".to_owned(), "x".to_owned()]), ..seen(6) },
        DeviceTouch { image_hash: Some(None), ..seen(7) },
        DeviceTouch { capabilities: Some(vec![]), online: Some(false), ..seen(8) },
    ];
    for one in touches {
        touch(registry, std::slice::from_ref(&one)).await;
        expected.last_seen_at = Some(one.seen_at);
        if let Some(online) = one.online {
            expected.online = online;
            expected.online_changed_at = one.online_at.or(Some(one.seen_at));
        }
        expected.firmware_version = one.firmware_version.clone().or(expected.firmware_version);
        expected.image_hash = one.image_hash.unwrap_or(expected.image_hash);
        expected.capabilities = one.capabilities.clone().unwrap_or(expected.capabilities);
        assert_eq!(the_device(registry, ids[0]).await, expected, "{one:?}");
    }
    assert_eq!(the_device(registry, ids[1]).await, untouched);
}

async fn an_older_touch_does_not_turn_back_when_it_was_seen(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 1).await;
    touch(registry, &[DeviceTouch::seen(ids[0], at(100))]).await;
    let late =
        DeviceTouch { firmware_version: Some("2.0.0".to_owned()), ..DeviceTouch::seen(ids[0], at(50)) };
    touch(registry, &[late]).await;
    let stored = the_device(registry, ids[0]).await;
    assert_eq!(stored.last_seen_at, Some(at(100)));
    assert_eq!(stored.firmware_version.as_deref(), Some("2.0.0"), "what it says is kept");
    touch(registry, &[DeviceTouch::seen(ids[0], at(101))]).await;
    assert_eq!(the_device(registry, ids[0]).await.last_seen_at, Some(at(101)));
}

async fn online_keeps_since_when(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 1).await;
    let online = |value, millis| DeviceTouch { online: Some(value), ..DeviceTouch::seen(ids[0], at(millis)) };
    touch(registry, &[online(true, 10)]).await;
    touch(registry, &[online(true, 20)]).await;
    let stored = the_device(registry, ids[0]).await;
    assert_eq!((stored.online, stored.online_changed_at), (true, Some(at(10))), "it has not changed");
    touch(registry, &[DeviceTouch::seen(ids[0], at(30))]).await;
    assert_eq!(the_device(registry, ids[0]).await.online_changed_at, Some(at(10)));
    touch(registry, &[online(false, 40)]).await;
    let stored = the_device(registry, ids[0]).await;
    assert_eq!((stored.online, stored.online_changed_at), (false, Some(at(40))));
}

async fn all_offline_marks_those_that_were_online(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 3).await;
    let online = |id, value| DeviceTouch { online: Some(value), ..DeviceTouch::seen(id, at(5)) };
    touch(registry, &[online(ids[0], true), online(ids[1], true), online(ids[2], true)]).await;
    touch(registry, &[online(ids[2], false)]).await;
    let mut unit = begin(registry).await;
    assert_eq!(unit.all_offline(at(60)).await.expect("write"), 2);
    unit.commit().await.expect("commit");
    for (id, since) in ids.iter().zip([60, 60, 5]) {
        let stored = the_device(registry, *id).await;
        assert_eq!((stored.online, stored.online_changed_at), (false, Some(at(since))));
        assert_eq!(stored.last_seen_at, Some(at(5)), "it was not heard");
    }
    assert_eq!(read(registry).await.device_counts(&CountScope::default()).await.expect("read").online, 0);
}

async fn a_device_shows_the_registered_firmware_that_it_runs(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 1).await;
    let runs =
        |number| DeviceTouch { image_hash: Some(Some(hash(number))), ..DeviceTouch::seen(ids[0], at(1)) };
    touch(registry, &[runs(1)]).await;
    assert_eq!(the_device(registry, ids[0]).await.firmware, Some(world.firmware));
    touch(registry, &[runs(77)]).await;
    let stored = the_device(registry, ids[0]).await;
    assert_eq!((stored.image_hash, stored.firmware), (Some(hash(77)), None), "nobody registered it");

    let mut unit = begin(registry).await;
    let artifact = unit.insert_artifact(&hash(77), 10, NOW).await.expect("insert");
    let other = unit.insert_product(&product("second"), NOW).await.expect("insert");
    unit.insert_firmware(&firmware(other, artifact, "1"), NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    assert_eq!(the_device(registry, ids[0]).await.firmware, None, "it is another product's");

    let mut unit = begin(registry).await;
    unit.insert_firmware(&firmware(world.product, artifact, "1"), NOW).await.expect("insert");
    let newest = unit.insert_firmware(&firmware(world.product, artifact, "2"), NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    assert_eq!(the_device(registry, ids[0]).await.firmware, Some(newest), "the newest of two");
    let page = read(registry).await.devices(&Default::default(), &PageRequest::first(10)).await;
    let listed = page.expect("read").items;
    assert_eq!(listed.len(), 1, "two firmwares of one image do not double a device");
    assert_eq!(listed[0].firmware, Some(newest));
}

async fn briefs_are_read_in_bulk(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 3).await;
    let told = DeviceTouch {
        firmware_version: Some("3.2.1".to_owned()),
        image_hash: Some(Some(hash(4))),
        capabilities: Some(vec!["boot-confirm".to_owned()]),
        ..DeviceTouch::seen(ids[1], at(1))
    };
    touch(registry, &[told]).await;
    let mut session = read(registry).await;
    let mut briefs = session.device_briefs(&[key("d2"), key("missing"), key("d1")]).await.expect("read");
    briefs.sort_by_key(|b| b.id);
    assert_eq!(briefs.iter().map(|b| b.id).collect::<Vec<_>>(), ids[1..]);
    let brief = &briefs[0];
    assert_eq!((&brief.key, brief.product, brief.state), (&key("d1"), world.product, DeviceState::Active));
    assert_eq!(brief.firmware_version.as_deref(), Some("3.2.1"));
    assert_eq!(
        (brief.image_hash, brief.capabilities.as_slice()),
        (Some(hash(4)), ["boot-confirm".to_owned()].as_slice())
    );
    assert_eq!((briefs[1].image_hash, briefs[1].firmware_version.as_ref()), (None, None));
}

async fn ten_thousand_devices_in_one_call(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, MAX_BULK).await;
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), MAX_BULK);
    let mut session = read(registry).await;
    let keys: Vec<_> = (0..MAX_BULK).map(|i| key(&format!("d{i}"))).collect();
    let briefs = session.device_briefs(&keys).await.expect("read");
    let by_key: BTreeMap<_, _> = briefs.into_iter().map(|b| (b.key.clone(), b.id)).collect();
    for (key, id) in keys.iter().zip(&ids) {
        assert_eq!(by_key.get(key), Some(id), "ids come in the order given");
    }
    drop(session);
    let touches: Vec<_> = ids
        .iter()
        .map(|id| DeviceTouch {
            online: Some(true),
            firmware_version: Some("1.0.0".to_owned()),
            ..DeviceTouch::seen(*id, at(1))
        })
        .collect();
    touch(registry, &touches).await;
    let counts = read(registry).await.device_counts(&CountScope::default()).await.expect("read");
    let all = MAX_BULK as u64;
    assert_eq!((counts.total, counts.online), (all, all));
    assert_eq!(counts.by_version, [(Some("1.0.0".to_owned()), DeviceTally { devices: all, online: all })]);
}
