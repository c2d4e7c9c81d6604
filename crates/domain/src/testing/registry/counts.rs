//! Counts of devices, and searches for them: exact, within what was changed and not yet committed too.

use argosy_proto::{DeviceId, GroupId, RegionId};

use super::fixture::{NOW, World, begin, device, key, product, read};
use super::list_cases;
use crate::model::{DeviceFilter, DevicePatch, DeviceState, DeviceTouch, NewDevice};
use crate::page::PageRequest;
use crate::ports::{CountScope, DeviceTally, ReadSession, Registry, UnitOfWork};

list_cases!("counts":
    device_counts_are_exact,
    a_unit_of_work_counts_what_it_changed,
    counts_keep_within_their_scope,
    a_version_that_nobody_runs_is_not_counted,
    groups_and_regions_know_their_devices,
    filters_are_counted_as_they_list,
    a_search_finds_parts_of_names_of_any_length,
    a_search_finds_beginnings_of_keys,
    a_search_follows_a_new_name,
    a_search_goes_through_many_devices_page_by_page,
);

const fn tally(devices: u64, online: u64) -> DeviceTally {
    DeviceTally { devices, online }
}

fn touch(id: DeviceId, online: Option<bool>, version: Option<&str>) -> DeviceTouch {
    DeviceTouch { online, firmware_version: version.map(str::to_owned), ..DeviceTouch::seen(id, NOW) }
}

async fn move_to(unit: &mut dyn UnitOfWork, id: DeviceId, group: Option<GroupId>, region: Option<RegionId>) {
    let patch = DevicePatch { group: Some(group), region: Some(region), ..Default::default() };
    assert!(unit.patch_device(id, &patch, NOW).await.expect("patch"));
}

async fn device_counts_are_exact(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 10).await;
    let mut unit = begin(registry).await;
    for id in &ids[..4] {
        move_to(&mut *unit, *id, Some(world.group), Some(world.region)).await;
    }
    let patch = DevicePatch { state: Some(DeviceState::Suspended), ..Default::default() };
    unit.patch_device(ids[9], &patch, NOW).await.expect("patch");
    let mut touches: Vec<_> = ids[..3].iter().map(|id| touch(*id, None, Some("1"))).collect();
    touches.push(touch(ids[3], Some(true), Some("2")));
    unit.touch_devices(&touches).await.expect("touch");
    unit.commit().await.expect("commit");

    let counts = read(registry).await.device_counts(&CountScope::default()).await.expect("read");
    assert_eq!((counts.total, counts.online), (10, 1));
    let states = [(DeviceState::Active, tally(9, 1)), (DeviceState::Suspended, tally(1, 0))];
    assert_eq!(counts.by_state, states);
    let versions =
        [(None, tally(6, 0)), (Some("1".to_owned()), tally(3, 0)), (Some("2".to_owned()), tally(1, 1))];
    assert_eq!(counts.by_version, versions, "most first");
    assert_eq!(counts.by_product, [(world.product, tally(10, 1))]);
    assert_eq!(counts.by_group, [(None, tally(6, 0)), (Some(world.group), tally(4, 1))]);
    assert_eq!(counts.by_region, [(None, tally(6, 0)), (Some(world.region), tally(4, 1))]);
}

async fn a_unit_of_work_counts_what_it_changed(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    let new: Vec<_> = (0..3).map(|i| device(&format!("c{i}"), world.product)).collect();
    let ids = unit.insert_devices(&new, NOW).await.expect("insert");
    let scope = CountScope { group: Some(world.group), ..CountScope::default() };
    assert_eq!(unit.device_counts(&CountScope::default()).await.expect("read").total, 3);
    assert_eq!(unit.device_counts(&scope).await.expect("read").total, 0);
    move_to(&mut *unit, ids[0], Some(world.group), None).await;
    unit.touch_devices(&[touch(ids[0], Some(true), None)]).await.expect("touch");
    let counts = unit.device_counts(&scope).await.expect("read");
    assert_eq!((counts.total, counts.online), (1, 1));
    let found = DeviceFilter { search: Some("vice c".to_owned()), ..DeviceFilter::default() };
    let page = unit.devices(&found, &PageRequest::first(10)).await.expect("read");
    assert_eq!(page.items.iter().map(|d| d.id).collect::<Vec<_>>(), ids, "new devices are found at once");
    unit.rollback().await.expect("rollback");
    let mut session = read(registry).await;
    assert_eq!(session.device_counts(&CountScope::default()).await.expect("read").total, 0);
    assert!(session.devices(&found, &PageRequest::first(10)).await.expect("read").items.is_empty());
}

async fn counts_keep_within_their_scope(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    let other = unit.insert_product(&product("another"), NOW).await.expect("product");
    let group = unit.insert_group("another", NOW).await.expect("group");
    let region = unit.insert_region("KR-99", "another", NOW).await.expect("region");
    let mut new = Vec::new();
    for i in 0..60 {
        let mut one = device(&format!("s{i}"), if i % 2 == 0 { world.product } else { other });
        one.group = [None, Some(world.group), Some(group)][i / 2 % 3];
        one.region = [None, Some(world.region), Some(region), Some(region)][i / 6 % 4];
        new.push(one);
    }
    let ids = unit.insert_devices(&new, NOW).await.expect("insert");
    let touches: Vec<_> = (0..60)
        .map(|i| touch(ids[i], (i % 5 == 0).then_some(true), Some(if i < 30 { "1" } else { "2" })))
        .collect();
    unit.touch_devices(&touches).await.expect("touch");
    unit.commit().await.expect("commit");

    let mut session = read(registry).await;
    for product in [None, Some(world.product), Some(other)] {
        for group in [None, Some(world.group), Some(group)] {
            for region in [None, Some(world.region), Some(region)] {
                let scope = CountScope { product, group, region };
                let counts = session.device_counts(&scope).await.expect("read");
                let within: Vec<usize> = (0..60)
                    .filter(|i| {
                        product.is_none_or(|p| new[*i].product == p)
                            && (group.is_none() || new[*i].group == group)
                            && (region.is_none() || new[*i].region == region)
                    })
                    .collect();
                let count = |f: &dyn Fn(usize) -> bool| {
                    let those = || within.iter().filter(|i| f(**i));
                    tally(those().count() as u64, those().filter(|i| **i % 5 == 0).count() as u64)
                };
                let all = count(&|_| true);
                assert_eq!((counts.total, counts.online), (all.devices, all.online), "{scope:?}");
                assert_eq!(counts.by_state, [(DeviceState::Active, all)], "{scope:?}");
                let mut versions = counts.by_version.clone();
                versions.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                let expected =
                    [(Some("1".to_owned()), count(&|i| i < 30)), (Some("2".to_owned()), count(&|i| i >= 30))];
                let expected: Vec<_> = expected.into_iter().filter(|(_, t)| t.devices > 0).collect();
                assert_eq!(versions, expected, "{scope:?}");
                for (group, found) in counts.by_group {
                    assert_eq!(found, count(&|i| new[i].group == group), "{scope:?} {group:?}");
                }
                for (region, found) in counts.by_region {
                    assert_eq!(found, count(&|i| new[i].region == region), "{scope:?} {region:?}");
                }
                for (product, found) in counts.by_product {
                    assert_eq!(found, count(&|i| new[i].product == product), "{scope:?} {product:?}");
                }
            }
        }
    }
}

async fn a_version_that_nobody_runs_is_not_counted(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 3).await;
    for version in ["1.0", "2.0", "", "3.0"] {
        let mut unit = begin(registry).await;
        let touches: Vec<_> = ids.iter().map(|id| touch(*id, None, Some(version))).collect();
        unit.touch_devices(&touches).await.expect("touch");
        unit.commit().await.expect("commit");
        let counts = read(registry).await.device_counts(&CountScope::default()).await.expect("read");
        assert_eq!(counts.by_version, [(Some(version.to_owned()), tally(3, 0))], "{version:?}");
    }
}

async fn groups_and_regions_know_their_devices(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    let empty = unit.insert_group("empty", NOW).await.expect("group");
    let bare = unit.insert_region("KR-98", "empty", NOW).await.expect("region");
    unit.commit().await.expect("commit");
    let ids = world.devices(registry, 5).await;
    let mut unit = begin(registry).await;
    for id in &ids[1..] {
        move_to(&mut *unit, *id, Some(world.group), Some(world.region)).await;
    }
    unit.touch_devices(&[touch(ids[4], Some(true), Some("1"))]).await.expect("touch");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let groups = session.group_tallies(&[empty, world.group]).await.expect("read");
    assert_eq!(groups, [(world.group, tally(4, 1))]);
    let regions = session.region_tallies(&[bare, world.region]).await.expect("read");
    assert_eq!(regions, [(world.region, tally(4, 1))]);
    assert!(session.group_tallies(&[]).await.expect("read").is_empty());
    drop(session);

    // Out of the group again, and all offline.
    let mut unit = begin(registry).await;
    move_to(&mut *unit, ids[4], None, Some(world.region)).await;
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    assert_eq!(unit.all_offline(NOW).await.expect("offline"), 1);
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    assert_eq!(session.group_tallies(&[world.group]).await.expect("read"), [(world.group, tally(3, 0))]);
    let regions = session.region_tallies(&[world.region]).await.expect("read");
    assert_eq!(regions, [(world.region, tally(4, 0))]);
}

/// The list and the count of a filter agree, whatever it is made of.
async fn filters_are_counted_as_they_list(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    let group = unit.insert_group("another", NOW).await.expect("group");
    let region = unit.insert_region("KR-97", "another", NOW).await.expect("region");
    let new: Vec<_> = (0..40)
        .map(|i| NewDevice {
            group: [None, Some(world.group), Some(group)][i % 3],
            region: [None, Some(world.region), Some(region)][i / 3 % 3],
            state: if i % 7 == 0 { DeviceState::Suspended } else { DeviceState::Active },
            ..device(&format!("f{i:02}"), world.product)
        })
        .collect();
    let ids = unit.insert_devices(&new, NOW).await.expect("insert");
    let touches: Vec<_> =
        (0..40).map(|i| touch(ids[i], Some(i % 2 == 0), Some(if i % 4 == 0 { "1" } else { "2" }))).collect();
    unit.touch_devices(&touches).await.expect("touch");
    unit.commit().await.expect("commit");

    let mut session = read(registry).await;
    for case in 0..3 * 3 * 3 * 3 * 3 * 3_usize {
        let pick = |place: u32| case / 3_usize.pow(place) % 3;
        let filter = DeviceFilter {
            groups: [vec![], vec![world.group], vec![world.group, group]][pick(0)].clone(),
            regions: [vec![], vec![world.region], vec![world.region, region]][pick(1)].clone(),
            firmware_version: [None, Some("1".to_owned()), Some("none".to_owned())][pick(2)].clone(),
            state: [None, Some(DeviceState::Active), Some(DeviceState::Suspended)][pick(3)],
            online: [None, Some(true), Some(false)][pick(4)],
            search: [None, Some("vice f1".to_owned()), Some("F2".to_owned())][pick(5)].clone(),
            ..DeviceFilter::default()
        };
        let expected: Vec<DeviceId> = (0..40)
            .filter(|i| {
                let new = &new[*i];
                (filter.groups.is_empty() || new.group.is_some_and(|g| filter.groups.contains(&g)))
                    && (filter.regions.is_empty() || new.region.is_some_and(|r| filter.regions.contains(&r)))
                    && filter
                        .firmware_version
                        .as_ref()
                        .is_none_or(|v| v == if i % 4 == 0 { "1" } else { "2" })
                    && filter.state.is_none_or(|s| s == new.state)
                    && filter.online.is_none_or(|on| on == (i % 2 == 0))
                    && match pick(5) {
                        0 => true,
                        1 => (10..20).contains(i),
                        _ => (20..30).contains(i),
                    }
            })
            .map(|i| ids[i])
            .collect();
        assert_eq!(session.count_devices(&filter).await.expect("read"), expected.len() as u64, "{filter:?}");
        let (mut found, mut page) = (Vec::new(), PageRequest::first(7));
        loop {
            let got = session.devices(&filter, &page).await.expect("read");
            found.extend(got.items.iter().map(|d| d.id));
            page.after = got.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{filter:?}");
    }
}

async fn search(session: &mut dyn ReadSession, text: &str) -> Vec<String> {
    let filter = DeviceFilter { search: Some(text.to_owned()), ..DeviceFilter::default() };
    let page = session.devices(&filter, &PageRequest::first(50)).await.expect("read");
    page.items.into_iter().map(|d| d.spec.key.to_string()).collect()
}

async fn named(registry: &dyn Registry, world: &World, names: &[(&str, &str)]) -> Vec<DeviceId> {
    let mut unit = begin(registry).await;
    let new: Vec<_> = names
        .iter()
        .map(|(k, name)| NewDevice { name: (*name).to_owned(), key: key(k), ..device("x", world.product) })
        .collect();
    let ids = unit.insert_devices(&new, NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    ids
}

async fn a_search_finds_parts_of_names_of_any_length(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let names = [
        ("a1", "서울역 2번 출구 자판기"),
        ("a2", "부산 해운대 보일러"),
        ("a3", "서울숲"),
        ("a4", "Lobby 12"),
        ("a5", "울"),
        ("a6", "🔥 boiler 🚒"),
        ("a7", "aaaa"),
    ];
    named(registry, &world, &names).await;
    let mut session = read(registry).await;
    for (text, expected) in [
        ("서울", vec!["a1", "a3"]),
        ("울", vec!["a1", "a3", "a5"]),
        ("서울역 2번 출구 자판기", vec!["a1"]),
        ("서울역 2번 출구 자판기 ", vec![]),
        ("해운대", vec!["a2"]),
        ("대 보", vec!["a2"]),
        ("LOBBY", vec!["a4"]),
        ("y 1", vec!["a4"]),
        ("2", vec!["a1", "a4"]),
        ("🔥", vec!["a6"]),
        ("🔥 b", vec!["a6"]),
        ("🚒🔥", vec![]),
        ("aaa", vec!["a7"]),
        ("aaaaa", vec![]),
        ("역출", vec![]),
    ] {
        assert_eq!(search(&mut *session, text).await, expected, "{text:?}");
    }
}

async fn a_search_finds_beginnings_of_keys(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let names =
        [("1", "n"), ("12", "n"), ("42", "n"), ("ESP32_a1b2c3", "n"), ("esp32_a1ffff", "n"), ("x.1", "n")];
    named(registry, &world, &names).await;
    let mut session = read(registry).await;
    for (text, expected) in [
        ("1", vec!["1", "12"]),
        ("2", vec![]),
        ("12", vec!["12"]),
        ("esp32_A1", vec!["ESP32_a1b2c3", "esp32_a1ffff"]),
        ("esp32_a1b2c3", vec!["ESP32_a1b2c3"]),
        ("esp32_a1b2c3d", vec![]),
        ("32_a1", vec![]),
        ("x.", vec!["x.1"]),
        ("n", vec!["1", "12", "42", "ESP32_a1b2c3", "esp32_a1ffff", "x.1"]),
    ] {
        assert_eq!(search(&mut *session, text).await, expected, "{text:?}");
    }
}

async fn a_search_follows_a_new_name(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = named(registry, &world, &[("k1", "보일러실"), ("k2", "로비")]).await;
    let mut unit = begin(registry).await;
    let patch = DevicePatch { name: Some("옥상 물탱크".to_owned()), ..Default::default() };
    assert!(unit.patch_device(ids[0], &patch, NOW).await.expect("patch"));
    assert_eq!(search(&mut *unit, "물탱").await, ["k1"], "before it is committed");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    assert_eq!(search(&mut *session, "물탱").await, ["k1"]);
    assert_eq!(search(&mut *session, "옥상").await, ["k1"]);
    assert!(search(&mut *session, "보일러").await.is_empty());
    assert_eq!(search(&mut *session, "k1").await, ["k1"]);
}

async fn a_search_goes_through_many_devices_page_by_page(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut ids = Vec::new();
    for part in 0..2 {
        let mut unit = begin(registry).await;
        let new: Vec<_> = (part * 4_500..(part + 1) * 4_500)
            .map(|i| NewDevice {
                name: format!("{} {i}호기", if i % 3 == 0 { "자판기" } else { "정수기" }),
                ..device(&format!("p{i:05}"), world.product)
            })
            .collect();
        ids.extend(unit.insert_devices(&new, NOW).await.expect("insert"));
        unit.commit().await.expect("commit");
    }
    let mut session = read(registry).await;
    for (text, of) in [
        ("자판기", Box::new(|i: usize| i.is_multiple_of(3)) as Box<dyn Fn(usize) -> bool + Send + Sync>),
        ("기 8", Box::new(|i| i.to_string().starts_with('8'))),
        ("99호", Box::new(|i| i % 100 == 99)),
        ("p08", Box::new(|i| i / 1000 == 8)),
    ] {
        let expected: Vec<_> = (0..9_000).filter(|i| of(*i)).map(|i| ids[i]).collect();
        let filter = DeviceFilter { search: Some(text.to_owned()), ..DeviceFilter::default() };
        let (mut found, mut page) = (Vec::new(), PageRequest::first(400));
        loop {
            let got = session.devices(&filter, &page).await.expect("read");
            found.extend(got.items.iter().map(|d| d.id));
            page.after = got.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{text:?}");
    }
}
