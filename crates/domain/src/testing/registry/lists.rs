//! Keyset pagination, search and filters: every list, page by page, with texts that break naive searches.

use argosy_proto::{DeviceId, GroupId, ProductId, RegionId};

use super::fixture::{
    HOSTILE, NOW, World, begin, deployment, device, firmware, product, read, the_device, walk,
};
use super::list_cases;
use crate::model::{
    Deployment, DeploymentState, Device, DeviceFilter, DevicePatch, DeviceState, DeviceTouch, DeviceUpdate,
    Firmware, FirmwareChange, FirmwareChangeKind, FirmwareState, Group, NewDeployment, NewDevice,
    NewFirmware, Product, Region, UpdateEvent, UpdateState,
};
use crate::page::{MAX_PAGE, PageRequest};
use crate::ports::{DeploymentFilter, FirmwareFilter, Registry, UpdateFilter};

list_cases!("lists":
    pages_are_bounded,
    a_row_that_appears_or_goes_between_two_pages_moves_no_other,
    products_groups_and_regions,
    firmware_newest_first,
    devices_by_id_with_every_filter,
    hostile_texts_are_searched_as_they_are,
    deployments_newest_first,
    updates_of_a_deployment_by_device,
    updates_of_a_device_newest_first,
    history_newest_first,
);

/// Limits that meet the end of a list of ten at, before and after a page's end.
const LIMITS: [u32; 5] = [1, 3, 5, 10, 11];

async fn pages_are_bounded(registry: &dyn Registry) {
    let world = World::make(registry).await;
    world.devices(registry, MAX_PAGE as usize + 5).await;
    let mut session = read(registry).await;
    let page = session.devices(&DeviceFilter::default(), &PageRequest::first(u32::MAX)).await.expect("read");
    assert_eq!((page.items.len(), page.next.is_some()), (MAX_PAGE as usize, true));
    let page = session.devices(&DeviceFilter::default(), &PageRequest::first(0)).await.expect("read");
    assert_eq!((page.items.len(), page.next.is_some()), (1, true));
    let found: Vec<Device> = walk!(MAX_PAGE, |page| session.devices(&DeviceFilter::default(), &page));
    assert_eq!(found.len(), MAX_PAGE as usize + 5);
}

async fn a_row_that_appears_or_goes_between_two_pages_moves_no_other(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(unit.insert_group(&format!("g{number}"), NOW).await.expect("insert"));
    }
    unit.commit().await.expect("commit");
    let first = read(registry).await.groups(None, &PageRequest::first(3)).await.expect("read");
    let mut unit = begin(registry).await;
    assert!(unit.delete_group(ids[0]).await.expect("delete"));
    assert!(unit.delete_group(ids[2]).await.expect("the cursor's own row"));
    ids.push(unit.insert_group("g6", NOW).await.expect("insert"));
    unit.commit().await.expect("commit");
    let rest = PageRequest { limit: 10, after: first.next };
    let rest = read(registry).await.groups(None, &rest).await.expect("read");
    assert_eq!(rest.items.iter().map(|g| g.id).collect::<Vec<_>>(), ids[3..]);
    assert_eq!(rest.next, None);
}

async fn products_groups_and_regions(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let (mut products, mut groups, mut regions) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..10 {
        let name = if number % 2 == 0 { format!("Boiler {number}") } else { format!("자판기 {number}") };
        products.push(unit.insert_product(&product(&name), NOW).await.expect("insert"));
        groups.push(unit.insert_group(&name, NOW).await.expect("insert"));
        let code = format!("KR-{number}");
        regions.push(unit.insert_region(&code, &name, NOW).await.expect("insert"));
    }
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    for limit in LIMITS {
        for (search, expected) in [
            (None, vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
            (Some(""), vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
            (Some("bOILER"), vec![0, 2, 4, 6, 8]),
            (Some("판기"), vec![1, 3, 5, 7, 9]),
            (Some("7"), vec![7]),
            (Some("nobody"), vec![]),
        ] {
            let found: Vec<Product> = walk!(limit, |page| session.products(search, &page));
            let expect = |ids: &[ProductId]| expected.iter().map(|i| ids[*i]).collect::<Vec<_>>();
            assert_eq!(found.iter().map(|p| p.id).collect::<Vec<_>>(), expect(&products), "{search:?}");
            let found: Vec<Group> = walk!(limit, |page| session.groups(search, &page));
            let expect = |ids: &[GroupId]| expected.iter().map(|i| ids[*i]).collect::<Vec<_>>();
            assert_eq!(found.iter().map(|g| g.id).collect::<Vec<_>>(), expect(&groups), "{search:?}");
            let found: Vec<Region> = walk!(limit, |page| session.regions(search, &page));
            let expect = |ids: &[RegionId]| expected.iter().map(|i| ids[*i]).collect::<Vec<_>>();
            assert_eq!(found.iter().map(|r| r.id).collect::<Vec<_>>(), expect(&regions), "{search:?}");
        }
        let found: Vec<Region> = walk!(limit, |page| session.regions(Some("kr-3"), &page));
        assert_eq!(found.iter().map(|r| r.id).collect::<Vec<_>>(), [regions[3]], "by code too");
    }
}

async fn firmware_newest_first(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    let other = unit.insert_product(&product("second"), NOW).await.expect("insert");
    let mut ids = Vec::new();
    for number in 0..10 {
        let new = NewFirmware {
            file_name: if number == 3 { "Special_100%.bin".to_owned() } else { format!("f{number}.bin") },
            state: if number % 2 == 0 { FirmwareState::Draft } else { FirmwareState::Released },
            ..firmware(if number < 7 { other } else { world.product }, world.artifact, &format!("2.{number}"))
        };
        ids.push(unit.insert_firmware(&new, NOW).await.expect("insert"));
    }
    unit.commit().await.expect("commit");
    let none = FirmwareFilter::default;
    let mut session = read(registry).await;
    for limit in LIMITS {
        for (filter, expected) in [
            (FirmwareFilter { product: Some(other), ..none() }, vec![6, 5, 4, 3, 2, 1, 0]),
            (
                FirmwareFilter { product: Some(other), state: Some(FirmwareState::Released), ..none() },
                vec![5, 3, 1],
            ),
            (FirmwareFilter { state: Some(FirmwareState::Draft), ..none() }, vec![8, 6, 4, 2, 0]),
            (FirmwareFilter { state: Some(FirmwareState::Withdrawn), ..none() }, vec![]),
            (FirmwareFilter { search: Some("2.7".to_owned()), ..none() }, vec![7]),
            (FirmwareFilter { search: Some("special_100%".to_owned()), ..none() }, vec![3]),
            (FirmwareFilter { search: Some("%".to_owned()), ..none() }, vec![3]),
        ] {
            let found: Vec<Firmware> = walk!(limit, |page| session.firmware_list(&filter, &page));
            let expected: Vec<_> = expected.iter().map(|i: &usize| ids[*i]).collect();
            assert_eq!(found.iter().map(|f| f.id).collect::<Vec<_>>(), expected, "{filter:?}");
        }
        let found: Vec<Firmware> = walk!(limit, |page| session.firmware_list(&none(), &page));
        assert_eq!(found.len(), 11, "with the fixture's own");
        assert!(found.is_sorted_by(|a, b| a.id > b.id));
    }
}

async fn devices_by_id_with_every_filter(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    let other = unit.insert_product(&product("second"), NOW).await.expect("insert");
    let group = unit.insert_group("second", NOW).await.expect("insert");
    let region = unit.insert_region("KR-26", "부산", NOW).await.expect("insert");
    let new: Vec<_> = (0..10)
        .map(|number: usize| NewDevice {
            name: if number == 4 { "로비 KIOSK 100%".to_owned() } else { format!("machine {number}") },
            group: [None, Some(world.group), Some(group)][number % 3],
            region: [None, Some(region)][number % 2],
            state: if number == 9 { DeviceState::Suspended } else { DeviceState::Active },
            ..device(&format!("Vm_{number}"), if number < 8 { world.product } else { other })
        })
        .collect();
    let ids = unit.insert_devices(&new, NOW).await.expect("insert");
    let touches: Vec<_> = ids[..3]
        .iter()
        .map(|id| DeviceTouch {
            online: Some(*id != ids[2]),
            firmware_version: Some("1.0%".to_owned()),
            ..DeviceTouch::seen(*id, NOW)
        })
        .collect();
    unit.touch_devices(&touches).await.expect("touch");
    unit.commit().await.expect("commit");

    let none = DeviceFilter::default;
    let text = |search: &str| DeviceFilter { search: Some(search.to_owned()), ..none() };
    let cases = [
        (none(), vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (DeviceFilter { product: Some(other), ..none() }, vec![8, 9]),
        (DeviceFilter { groups: vec![group], ..none() }, vec![2, 5, 8]),
        (DeviceFilter { groups: vec![group, world.group], ..none() }, vec![1, 2, 4, 5, 7, 8]),
        (DeviceFilter { regions: vec![region], ..none() }, vec![1, 3, 5, 7, 9]),
        (DeviceFilter { regions: vec![region, world.region], groups: vec![group], ..none() }, vec![5]),
        (DeviceFilter { devices: vec![ids[7], ids[2]], ..none() }, vec![2, 7]),
        (DeviceFilter { state: Some(DeviceState::Suspended), ..none() }, vec![9]),
        (DeviceFilter { state: Some(DeviceState::Unregistered), ..none() }, vec![]),
        (DeviceFilter { online: Some(true), ..none() }, vec![0, 1]),
        (DeviceFilter { online: Some(false), ..none() }, vec![2, 3, 4, 5, 6, 7, 8, 9]),
        (DeviceFilter { firmware_version: Some("1.0%".to_owned()), ..none() }, vec![0, 1, 2]),
        (DeviceFilter { firmware_version: Some("1.0".to_owned()), ..none() }, vec![]),
        (text(""), vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (text("vm_7"), vec![7]),
        (text("VM"), vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (text("m_7"), vec![]),
        (text("kiosk 100%"), vec![4]),
        (text("로비"), vec![4]),
        (text("MACHINE 5"), vec![5]),
        (DeviceFilter { online: Some(true), ..text("machine 1") }, vec![1]),
        (
            DeviceFilter {
                product: Some(world.product),
                groups: vec![world.group],
                regions: vec![region],
                devices: ids.clone(),
                state: Some(DeviceState::Active),
                online: Some(true),
                contents_mismatch: Some(false),
                firmware_version: Some("1.0%".to_owned()),
                search: Some("vm_".to_owned()),
            },
            vec![1],
        ),
    ];
    let mut session = read(registry).await;
    for (filter, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|i: &usize| ids[*i]).collect();
        for limit in LIMITS {
            let found: Vec<Device> = walk!(limit, |page| session.devices(&filter, &page));
            assert_eq!(found.iter().map(|d| d.id).collect::<Vec<_>>(), expected, "{filter:?}");
        }
        assert_eq!(session.count_devices(&filter).await.expect("read"), expected.len() as u64, "{filter:?}");
    }
    let listed: Vec<Device> = walk!(10, |page| session.devices(&none(), &page));
    drop(session);
    assert_eq!(listed[1], the_device(registry, ids[1]).await, "a list shows what the device shows");
}

async fn hostile_texts_are_searched_as_they_are(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    let new: Vec<_> = HOSTILE
        .iter()
        .enumerate()
        .map(|(number, text)| NewDevice {
            name: format!("<{text}>"),
            ..device(&format!("h{number}"), world.product)
        })
        .collect();
    let ids = unit.insert_devices(&new, NOW).await.expect("insert");
    for text in HOSTILE {
        unit.insert_group(text, NOW).await.expect("insert");
        let new = NewDeployment {
            name: (*text).to_owned(),
            ..deployment(world.firmware, DeviceFilter::default(), world.user)
        };
        unit.insert_deployment(&new, NOW).await.expect("insert");
    }
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    for (text, id) in HOSTILE.iter().zip(&ids) {
        let filter = DeviceFilter { search: Some((*text).to_owned()), ..Default::default() };
        let found: Vec<Device> = walk!(2, |page| session.devices(&filter, &page));
        assert_eq!(found.iter().map(|d| d.id).collect::<Vec<_>>(), [*id], "{text}");
        let found: Vec<Group> = walk!(2, |page| session.groups(Some(text), &page));
        assert_eq!(found.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), [*text]);
        let filter = DeploymentFilter { search: Some((*text).to_owned()), ..Default::default() };
        let found: Vec<Deployment> = walk!(2, |page| session.deployments(&filter, &page));
        assert_eq!(found.iter().map(|d| d.spec.name.as_str()).collect::<Vec<_>>(), [*text]);
    }
    // Characters that are wildcards or quotes somewhere stand for themselves alone.
    for special in ["%", "_", "\\", "'", "\"", "?", "$", "{", "🔥", "%_", "\\%", "[a-z]", ".*", "\\_"] {
        let expected: Vec<_> =
            ids.iter().zip(HOSTILE).filter(|(_, text)| text.contains(special)).map(|(id, _)| *id).collect();
        let filter = DeviceFilter { search: Some(special.to_owned()), ..Default::default() };
        let found: Vec<Device> = walk!(3, |page| session.devices(&filter, &page));
        assert_eq!(found.iter().map(|d| d.id).collect::<Vec<_>>(), expected, "{special}");
        let names: Vec<_> = HOSTILE.iter().filter(|text| text.contains(special)).copied().collect();
        let found: Vec<Group> = walk!(3, |page| session.groups(Some(special), &page));
        assert_eq!(found.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), names, "{special}");
    }
}

async fn deployments_newest_first(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut ids = Vec::new();
    for number in 0..10 {
        let mut unit = begin(registry).await;
        let new = NewDeployment {
            name: format!("Rollout {number}"),
            ..deployment(world.firmware, DeviceFilter::default(), world.user)
        };
        let id = unit.insert_deployment(&new, NOW).await.expect("insert");
        let mut stored = unit.deployment(id).await.expect("read").expect("there");
        stored.state = DeploymentState::ALL[number % 5];
        assert!(unit.save_deployment(&stored).await.expect("save"));
        unit.commit().await.expect("commit");
        ids.push(id);
    }
    let none = DeploymentFilter::default;
    let (planning, paused) = (DeploymentState::Planning, DeploymentState::Paused);
    let mut session = read(registry).await;
    for limit in LIMITS {
        for (filter, expected) in [
            (none(), vec![9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
            (DeploymentFilter { states: vec![paused], ..none() }, vec![7, 2]),
            (DeploymentFilter { states: vec![paused, planning], ..none() }, vec![7, 5, 2, 0]),
            (DeploymentFilter { search: Some("rollout 3".to_owned()), ..none() }, vec![3]),
            (DeploymentFilter { states: vec![planning], search: Some("5".to_owned()) }, vec![5]),
        ] {
            let found: Vec<Deployment> = walk!(limit, |page| session.deployments(&filter, &page));
            let expected: Vec<_> = expected.iter().map(|i: &usize| ids[*i]).collect();
            assert_eq!(found.iter().map(|d| d.id).collect::<Vec<_>>(), expected, "{filter:?}");
        }
    }
}

async fn updates_of_a_deployment_by_device(registry: &dyn Registry) {
    let world = World::make(registry).await;
    // An update bears its device's key: a back end may search either.
    let new: Vec<_> = (0..10).map(|i| device(&format!("v_{i}"), world.product)).collect();
    let mut unit = begin(registry).await;
    let devices = unit.insert_devices(&new, NOW).await.expect("devices");
    unit.commit().await.expect("commit");
    let id = world.deployment(registry, &[]).await;
    world.deployment(registry, &devices).await;
    let mut unit = begin(registry).await;
    let updates: Vec<_> = devices
        .iter()
        .enumerate()
        .map(|(i, d)| DeviceUpdate::planned(id, *d, super::fixture::key(&format!("v_{i}")), 5))
        .collect();
    unit.insert_device_updates(&updates).await.expect("insert");
    let dispatched: Vec<_> = updates[..3]
        .iter()
        .cloned()
        .map(|mut update| {
            update.apply(&UpdateEvent::Dispatch, NOW);
            (update, 0)
        })
        .collect();
    assert_eq!(unit.save_device_updates(&dispatched).await.expect("save"), 3);
    unit.commit().await.expect("commit");
    let none = UpdateFilter::default;
    let (pending, sent) = (UpdateState::Pending, UpdateState::Dispatched);
    let mut session = read(registry).await;
    for limit in LIMITS {
        for (filter, expected) in [
            (none(), vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
            (UpdateFilter { states: vec![sent], ..none() }, vec![0, 1, 2]),
            (UpdateFilter { states: vec![sent, pending], ..none() }, vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
            (UpdateFilter { states: vec![UpdateState::Failed], ..none() }, vec![]),
            (UpdateFilter { search: Some("v_7".to_owned()), ..none() }, vec![7]),
            (UpdateFilter { search: Some("_7".to_owned()), ..none() }, vec![]),
            (UpdateFilter { search: Some("v%7".to_owned()), ..none() }, vec![]),
            (UpdateFilter { states: vec![pending], search: Some("v_2".to_owned()) }, vec![]),
        ] {
            let found: Vec<DeviceUpdate> = walk!(limit, |page| session.device_updates(id, &filter, &page));
            let expected: Vec<DeviceId> = expected.iter().map(|i: &usize| devices[*i]).collect();
            assert_eq!(found.iter().map(|u| u.device).collect::<Vec<_>>(), expected, "{filter:?}");
            assert!(found.iter().all(|u| u.deployment == id));
        }
    }
}

async fn updates_of_a_device_newest_first(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 2).await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(world.deployment(registry, &devices).await);
    }
    ids.reverse();
    let mut session = read(registry).await;
    for limit in LIMITS {
        let found: Vec<DeviceUpdate> = walk!(limit, |page| session.updates_of_device(devices[1], &page));
        assert_eq!(found.iter().map(|u| u.deployment).collect::<Vec<_>>(), ids);
        assert!(found.iter().all(|u| u.device == devices[1]));
    }
}

async fn history_newest_first(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 2).await;
    let mut unit = begin(registry).await;
    let patch = DevicePatch { name: Some("x".to_owned()), ..Default::default() };
    assert!(unit.patch_device(devices[0], &patch, NOW).await.expect("patch"));
    let changes: Vec<_> = (0..20_i64)
        .map(|number| FirmwareChange {
            id: argosy_proto::HistoryId(0),
            device: devices[usize::from(number % 2 == 0)],
            at: NOW,
            from_version: None,
            to_version: Some(number.to_string()),
            image_hash: None,
            deployment: None,
            kind: FirmwareChangeKind::Reported,
        })
        .collect();
    unit.insert_firmware_changes(&changes).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    for limit in LIMITS {
        let found: Vec<FirmwareChange> = walk!(limit, |page| session.firmware_history(devices[0], &page));
        let versions: Vec<_> = found.iter().filter_map(|c| c.to_version.as_deref()).collect();
        assert_eq!(versions, ["19", "17", "15", "13", "11", "9", "7", "5", "3", "1"]);
    }
}
