//! Contents, deployments of them, and what devices show.

use argosy_proto::{ArtifactId, ContentId, DeploymentId, DeviceId, HistoryId, ProductId, UpdateKind};

use super::fixture::{
    HOSTILE, NOBODY, NOW, World, begin, conflicts, deployment, hash, key, product, read, refers, the_device,
    the_update, walk,
};
use super::list_cases;
use crate::Timestamp;
use crate::model::{
    Content, ContentChange, ContentChangeKind, ContentFacts, ContentFit, ContentMade, ContentSource,
    ContentState, DeploymentPayload, DeviceFilter, DeviceUpdate, NewContent, NewDeployment, Rgb,
    ShownContents, ShownFiles, UpdateEvent, UpdateState,
};
use crate::page::PageRequest;
use crate::ports::{ContentFilter, Registry, UnitOfWork};

list_cases!("contents":
    what_is_not_there_is_none_or_false,
    a_content_is_kept_changed_and_removed,
    titles_are_unique_and_their_case_does_not_matter,
    a_product_has_one_content_for_one_binary,
    a_content_needs_its_product_and_files,
    contents_are_listed_newest_first_and_filtered,
    contents_are_found_by_id_and_by_binary,
    a_deployment_keeps_its_contents_in_order_as_they_were,
    a_deployment_needs_its_contents_and_they_one_product,
    contents_that_were_deployed_and_their_product_stay,
    contents_go_to_devices_of_their_product,
    files_and_results_are_counted,
    contents_and_firmware_do_not_supersede_each_other,
    what_devices_show_is_kept_and_rewritten,
    who_shows_a_file_is_exact,
    devices_that_show_something_else_are_found_and_counted,
    content_history_comes_newest_first,
    ten_thousand_devices_change_at_once,
);

fn facts() -> ContentFacts {
    ContentFacts {
        width: 1024,
        height: 600,
        color_format: "TRUE_COLOR".to_owned(),
        source: ContentSource::Png,
        made: ContentMade::Converted,
        source_width: 4000,
        source_height: 3000,
        fit: Some(ContentFit::Fill),
        background: Some(Rgb { red: 1, green: 2, blue: 255 }),
    }
}

fn content(
    title: &str,
    product: ProductId,
    [original, binary, preview, thumbnail]: [ArtifactId; 4],
) -> NewContent {
    NewContent {
        title: title.to_owned(),
        description: "첫 줄\nsecond line".to_owned(),
        product,
        file_name: format!("{title}.png"),
        original: Some(original),
        binary,
        preview,
        thumbnail,
        facts: facts(),
        state: ContentState::Available,
    }
}

/// Four artifacts whose hashes begin at `first`; sizes are 1000 and the hash's number.
async fn files(unit: &mut dyn UnitOfWork, first: u8) -> [ArtifactId; 4] {
    let mut ids = [ArtifactId(0); 4];
    for (id, number) in ids.iter_mut().zip(first..) {
        *id = unit.insert_artifact(&hash(number), 1000 + i64::from(number), NOW).await.expect("artifact");
    }
    ids
}

/// Registers contents `c0`, `c1`, … of the world's product, committed: their ids and binaries.
async fn made(registry: &dyn Registry, world: &World, count: u8) -> Vec<(ContentId, ArtifactId)> {
    let mut unit = begin(registry).await;
    let mut made = Vec::new();
    for number in 0..count {
        let files = files(&mut *unit, 10 + 4 * number).await;
        let new = content(&format!("c{number}"), world.product, files);
        made.push((unit.insert_content(&new, NOW).await.expect("content"), files[1]));
    }
    unit.commit().await.expect("commit");
    made
}

fn contents_of(ids: &[ContentId], world: &World) -> NewDeployment {
    NewDeployment {
        payload: DeploymentPayload::Contents(ids.to_vec()),
        ..deployment(world.firmware, DeviceFilter::default(), world.user)
    }
}

fn set(ids: &[ArtifactId]) -> ShownFiles {
    ids.iter().copied().collect()
}

fn shows(device: DeviceId, shown: &[ArtifactId], expected: Option<&[ArtifactId]>) -> ShownContents {
    ShownContents {
        device,
        shown: set(shown),
        since: NOW,
        reported: true,
        expected: expected.map(set),
        deployment: expected.map(|_| DeploymentId(7)),
    }
}

async fn save(registry: &dyn Registry, rows: &[ShownContents]) {
    let mut unit = begin(registry).await;
    unit.save_shown_contents(rows).await.expect("save");
    unit.commit().await.expect("commit");
}

async fn what_is_not_there_is_none_or_false(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let nobody = ContentId(NOBODY);
    let page = PageRequest::first(10);
    assert_eq!(unit.content(nobody).await.expect("read"), None);
    assert_eq!(unit.content_by_title("nobody").await.expect("read"), None);
    assert_eq!(unit.contents_by_id(&[nobody]).await.expect("read"), []);
    assert_eq!(unit.contents_by_id(&[]).await.expect("read"), []);
    let nothing = unit.contents_by_binary(ProductId(NOBODY), &[ArtifactId(NOBODY)]).await;
    assert_eq!(nothing.expect("read"), []);
    assert_eq!(unit.contents(&ContentFilter::default(), &page).await.expect("read").items, []);
    assert_eq!(unit.shown_contents(&[DeviceId(NOBODY)]).await.expect("read"), []);
    assert_eq!(unit.shown_contents(&[]).await.expect("read"), []);
    let (product, binary) = (ProductId(NOBODY), ArtifactId(NOBODY));
    assert_eq!(unit.devices_showing(product, binary, &page).await.expect("read").items, []);
    assert_eq!(unit.count_devices_showing(product, binary).await.expect("read"), 0);
    assert_eq!(unit.count_contents_mismatches().await.expect("read"), 0);
    assert_eq!(unit.content_history(DeviceId(NOBODY), &page).await.expect("read").items, []);
    assert!(!unit.update_content(nobody, "t", "", ContentState::Available).await.expect("write"));
    assert!(!unit.delete_content(nobody).await.expect("write"));
    unit.save_shown_contents(&[]).await.expect("write");
    unit.insert_content_changes(&[]).await.expect("write");
    unit.commit().await.expect("commit");
}

async fn a_content_is_kept_changed_and_removed(registry: &dyn Registry) {
    let world = World::make(registry).await;
    for (number, text) in (0_u8..).zip(HOSTILE) {
        let mut unit = begin(registry).await;
        let files = files(&mut *unit, 10 + 4 * number).await;
        let new = NewContent {
            description: format!("<{text}>"),
            file_name: format!("{text}.webp"),
            ..content(text, world.product, files)
        };
        let id = unit.insert_content(&new, NOW).await.expect("insert");
        unit.commit().await.expect("commit");
        let stored = read(registry).await.content(id).await.expect("read").expect("there");
        let (hash, size) = (hash(11 + 4 * number), 1011 + i64::from(4 * number));
        assert_eq!(stored, Content { id, spec: new, hash, size, created_at: NOW });
        assert_eq!(read(registry).await.content_by_title(text).await.expect("read"), Some(stored.clone()));

        let mut unit = begin(registry).await;
        let title = format!("{text}!");
        let changed = unit.update_content(id, &title, "", ContentState::Withdrawn).await;
        assert!(changed.expect("update"));
        unit.commit().await.expect("commit");
        let changed = read(registry).await.content(id).await.expect("read").expect("there");
        assert_eq!((changed.spec.title, changed.spec.state), (title, ContentState::Withdrawn));
        assert_eq!((changed.spec.description.as_str(), changed.hash), ("", stored.hash));
        assert_eq!(read(registry).await.content_by_title(text).await.expect("read"), None);

        let mut unit = begin(registry).await;
        assert!(unit.delete_content(id).await.expect("delete"));
        unit.commit().await.expect("commit");
        assert_eq!(read(registry).await.content(id).await.expect("read"), None);
    }
    let mut unit = begin(registry).await;
    let [_, binary, preview, thumbnail] = files(&mut *unit, 100).await;
    let ready = NewContent {
        original: None,
        facts: ContentFacts {
            source: ContentSource::Lvgl,
            made: ContentMade::Ready,
            fit: None,
            background: None,
            ..facts()
        },
        ..content("ready", world.product, [binary, binary, preview, thumbnail])
    };
    let id = unit.insert_content(&ready, NOW).await.expect("insert");
    assert_eq!(unit.content(id).await.expect("read").expect("there").spec, ready);
    unit.commit().await.expect("commit");
}

async fn titles_are_unique_and_their_case_does_not_matter(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let made = made(registry, &world, 2).await;
    let mut unit = begin(registry).await;
    let other = files(&mut *unit, 50).await;
    conflicts(unit.insert_content(&content("C0", world.product, other), NOW).await, "content.title");
    drop(unit);
    let mut unit = begin(registry).await;
    conflicts(unit.update_content(made[1].0, "C0", "", ContentState::Available).await, "content.title");
    drop(unit);
    let mut unit = begin(registry).await;
    let own = unit.update_content(made[0].0, "C0", "", ContentState::Available).await;
    assert!(own.expect("it is its own title"));
    unit.commit().await.expect("commit");
    let found = read(registry).await.content_by_title("c0").await.expect("read").expect("there");
    assert_eq!((found.id, found.spec.title.as_str()), (made[0].0, "C0"));
}

async fn a_product_has_one_content_for_one_binary(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let (_, binary) = made(registry, &world, 1).await[0];
    let mut unit = begin(registry).await;
    let [original, _, preview, thumbnail] = files(&mut *unit, 50).await;
    let same = content("another title", world.product, [original, binary, preview, thumbnail]);
    conflicts(unit.insert_content(&same, NOW).await, "content.binary");
    drop(unit);
    let mut unit = begin(registry).await;
    let other = unit.insert_product(&product("kiosk"), NOW).await.expect("product");
    let [original, _, preview, thumbnail] = files(&mut *unit, 50).await;
    let elsewhere = content("another title", other, [original, binary, preview, thumbnail]);
    unit.insert_content(&elsewhere, NOW).await.expect("another product may have the same picture");
    unit.commit().await.expect("commit");
}

async fn a_content_needs_its_product_and_files(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    let good = files(&mut *unit, 10).await;
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    refers(unit.insert_content(&content("t", ProductId(NOBODY), good), NOW).await, "content.product");
    drop(unit);
    for missing in 0..4 {
        let mut ids = good;
        ids[missing] = ArtifactId(NOBODY);
        let mut unit = begin(registry).await;
        refers(unit.insert_content(&content("t", world.product, ids), NOW).await, "content.artifact");
    }
}

async fn contents_are_listed_newest_first_and_filtered(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let made = made(registry, &world, 6).await;
    let mut unit = begin(registry).await;
    let other = unit.insert_product(&product("kiosk"), NOW).await.expect("product");
    let kiosk = files(&mut *unit, 50).await;
    let kiosk = unit.insert_content(&content("100%_Kiosk", other, kiosk), NOW).await.expect("insert");
    let withdrawn = unit.update_content(made[2].0, "c2", "", ContentState::Withdrawn).await;
    assert!(withdrawn.expect("update"));
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let none = ContentFilter::default;
    let of = |numbers: &[usize]| numbers.iter().map(|n| made[*n].0).collect::<Vec<_>>();
    for (filter, expected) in [
        (none(), [vec![kiosk], of(&[5, 4, 3, 2, 1, 0])].concat()),
        (ContentFilter { product: Some(world.product), ..none() }, of(&[5, 4, 3, 2, 1, 0])),
        (ContentFilter { state: Some(ContentState::Withdrawn), ..none() }, of(&[2])),
        (ContentFilter { search: Some("C3".to_owned()), ..none() }, of(&[3])),
        (ContentFilter { search: Some("%_k".to_owned()), ..none() }, vec![kiosk]),
        (ContentFilter { search: Some("4.PNG".to_owned()), ..none() }, of(&[4])),
        (ContentFilter { product: Some(other), search: Some("c1".to_owned()), ..none() }, vec![]),
    ] {
        let found: Vec<Content> = walk!(2, |page| session.contents(&filter, &page));
        assert_eq!(found.iter().map(|c| c.id).collect::<Vec<_>>(), expected, "{filter:?}");
    }
}

async fn contents_are_found_by_id_and_by_binary(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let made = made(registry, &world, 3).await;
    let mut session = read(registry).await;
    let mut found = session.contents_by_id(&[made[2].0, ContentId(NOBODY), made[0].0]).await.expect("read");
    found.sort_by_key(|c| c.id);
    assert_eq!(found.iter().map(|c| c.id).collect::<Vec<_>>(), [made[0].0, made[2].0]);
    let ids = [made[1].1, ArtifactId(NOBODY), ArtifactId(-3)];
    let found = session.contents_by_binary(world.product, &ids).await.expect("read");
    assert_eq!(found.iter().map(|c| c.id).collect::<Vec<_>>(), [made[1].0]);
    assert_eq!(session.contents_by_binary(ProductId(NOBODY), &ids).await.expect("read"), []);
}

async fn a_deployment_keeps_its_contents_in_order_as_they_were(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let made = made(registry, &world, 3).await;
    let ids = [made[2].0, made[0].0, made[1].0];
    let mut unit = begin(registry).await;
    let new = contents_of(&ids, &world);
    let id = unit.insert_deployment(&new, NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    let renamed = unit.update_content(made[0].0, "renamed", "", ContentState::Withdrawn).await;
    assert!(renamed.expect("update"));
    unit.commit().await.expect("commit");
    let stored = read(registry).await.deployment(id).await.expect("read").expect("there");
    assert_eq!((&stored.spec, stored.product, stored.version.as_str()), (&new, world.product, ""));
    assert_eq!((stored.image(), stored.spec.payload.kind()), (None, UpdateKind::Advertisement));
    let files: Vec<_> = stored.files.iter().map(|f| (f.artifact, f.hash, f.size, f.name.as_str())).collect();
    let expected = [
        (made[2].1, hash(19), 1019, "c2"),
        (made[0].1, hash(11), 1011, "c0"),
        (made[1].1, hash(15), 1015, "c1"),
    ];
    assert_eq!(files, expected);
    assert_eq!(stored.size, 1019 + 1011 + 1015);
    assert_eq!(stored.shown_set(), Some(set(&[made[0].1, made[1].1, made[2].1])));
    let active = read(registry).await.active_deployments().await.expect("read");
    assert_eq!(active, [stored]);
}

async fn a_deployment_needs_its_contents_and_they_one_product(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let (id, _) = made(registry, &world, 1).await[0];
    for ids in [vec![ContentId(NOBODY)], vec![id, ContentId(NOBODY)], vec![]] {
        let mut unit = begin(registry).await;
        refers(unit.insert_deployment(&contents_of(&ids, &world), NOW).await, "deployment.content");
    }
    let mut unit = begin(registry).await;
    let other = unit.insert_product(&product("kiosk"), NOW).await.expect("product");
    let files = files(&mut *unit, 50).await;
    let foreign = unit.insert_content(&content("kiosk", other, files), NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    refers(unit.insert_deployment(&contents_of(&[id, foreign], &world), NOW).await, "deployment.content");
}

async fn contents_that_were_deployed_and_their_product_stay(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let made = made(registry, &world, 2).await;
    let mut unit = begin(registry).await;
    unit.insert_deployment(&contents_of(&[made[0].0], &world), NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    refers(unit.delete_content(made[0].0).await, "content.in_use");
    drop(unit);
    let mut unit = begin(registry).await;
    assert!(unit.delete_content(made[1].0).await.expect("nothing refers to it"));
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    let other = unit.insert_product(&product("kiosk"), NOW).await.expect("product");
    let files = files(&mut *unit, 50).await;
    unit.insert_content(&content("kiosk", other, files), NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    refers(unit.delete_product(other).await, "product.in_use");
}

async fn contents_go_to_devices_of_their_product(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 3).await;
    let made = made(registry, &world, 1).await;
    let mut unit = begin(registry).await;
    let other = unit.insert_product(&product("kiosk"), NOW).await.expect("product");
    let stranger = super::fixture::device("kiosk-1", other);
    unit.insert_devices(&[stranger], NOW).await.expect("insert");
    let id = unit.insert_deployment(&contents_of(&[made[0].0], &world), NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let stored = session.deployment(id).await.expect("read").expect("there");
    let found = session.plan_targets(&stored, DeviceId(0), 100).await.expect("read");
    assert_eq!(found.iter().map(|t| t.device).collect::<Vec<_>>(), devices);
}

async fn files_and_results_are_counted(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 1).await;
    let made = made(registry, &world, 2).await;
    let mut unit = begin(registry).await;
    let new = contents_of(&[made[0].0, made[1].0], &world);
    let id = unit.insert_deployment(&new, NOW).await.expect("insert");
    let planned = DeviceUpdate::planned(id, devices[0], key("d0"), 2026).of_contents(2);
    unit.insert_device_updates(std::slice::from_ref(&planned)).await.expect("insert");
    unit.commit().await.expect("commit");
    assert_eq!(the_update(registry, id, devices[0]).await, planned);
    for (event, done) in [(UpdateEvent::Dispatch, 0), (UpdateEvent::FileDone, 1), (UpdateEvent::FileDone, 2)]
    {
        let mut unit = begin(registry).await;
        let mut update = unit.device_update(id, devices[0]).await.expect("read").expect("there");
        let revision = update.revision;
        update.apply(&event, NOW);
        assert_eq!(unit.save_device_updates(&[(update, revision)]).await.expect("save"), 1);
        unit.commit().await.expect("commit");
        let stored = the_update(registry, id, devices[0]).await;
        assert_eq!((stored.files, stored.files_done), (2, done));
    }
    assert_eq!(the_update(registry, id, devices[0]).await.state, UpdateState::Downloaded);
}

async fn contents_and_firmware_do_not_supersede_each_other(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 2).await;
    let made = made(registry, &world, 2).await;
    let firmware = world.deployment(registry, &devices).await;
    let mut deployments = Vec::new();
    for (content, _) in &made {
        let mut unit = begin(registry).await;
        let id = unit.insert_deployment(&contents_of(&[*content], &world), NOW).await.expect("insert");
        let updates: Vec<_> = devices
            .iter()
            .map(|d| DeviceUpdate::planned(id, *d, key(&format!("k{d}")), 1000).of_contents(1))
            .collect();
        unit.insert_device_updates(&updates).await.expect("insert");
        unit.commit().await.expect("commit");
        deployments.push(id);
    }
    let supersede = async |newer: DeploymentId| {
        let mut unit = begin(registry).await;
        let ended =
            unit.supersede_pending(newer, DeviceId(0), devices[1], "newer", NOW).await.expect("write");
        unit.commit().await.expect("commit");
        ended
    };
    assert_eq!(supersede(deployments[0]).await, 0, "the older one is firmware");
    assert_eq!(supersede(deployments[1]).await, 2);
    let state = async |id| the_update(registry, id, devices[0]).await.state;
    assert_eq!(state(firmware).await, UpdateState::Pending);
    assert_eq!(state(deployments[0]).await, UpdateState::Canceled);
    assert_eq!(state(deployments[1]).await, UpdateState::Pending);
    for (older, expected) in [(firmware, 0), (deployments[0], 2), (deployments[1], 0)] {
        let mut session = read(registry).await;
        let stored = session.deployment(older).await.expect("read").expect("there");
        let both = [devices[0], DeviceId(NOBODY), devices[1]];
        let found = session.planned_by_newer(&stored, &both).await.expect("read");
        assert_eq!(found.len(), expected, "{older}");
        assert_eq!(session.planned_by_newer(&stored, &[]).await.expect("read"), []);
    }
    let newer = world.deployment(registry, &devices).await;
    assert_eq!(supersede(newer).await, 2, "the older firmware, not the contents");
    assert_eq!(state(deployments[1]).await, UpdateState::Pending);
}

async fn what_devices_show_is_kept_and_rewritten(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 3).await;
    let [a, b] = [ArtifactId(11), ArtifactId(-5)];
    let rows = [
        shows(devices[0], &[a, b], Some(&[b, a])),
        ShownContents { reported: false, ..shows(devices[1], &[], None) },
    ];
    save(registry, &rows).await;
    let mut found = read(registry).await.shown_contents(&devices).await.expect("read");
    found.sort_by_key(|row| row.device);
    assert_eq!(found, rows);
    let changed = [
        ShownContents { since: Timestamp(NOW.0 + 5), ..shows(devices[0], &[b], None) },
        shows(devices[2], &[a], Some(&[])),
    ];
    save(registry, &changed).await;
    save(registry, &changed).await;
    let mut found = read(registry).await.shown_contents(&devices).await.expect("read");
    found.sort_by_key(|row| row.device);
    assert_eq!(found, [changed[0].clone(), rows[1].clone(), changed[1].clone()]);
}

async fn who_shows_a_file_is_exact(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 7).await;
    let mut unit = begin(registry).await;
    let other = unit.insert_product(&product("kiosk"), NOW).await.expect("product");
    let stranger = super::fixture::device("kiosk-1", other);
    let stranger = unit.insert_devices(&[stranger], NOW).await.expect("insert")[0];
    unit.commit().await.expect("commit");
    let [a, b] = [ArtifactId(1), ArtifactId(2)];
    let mut rows: Vec<_> = devices.iter().map(|d| shows(*d, &[a, b], None)).collect();
    rows.push(shows(stranger, &[a], None));
    save(registry, &rows).await;
    save(registry, &[shows(devices[3], &[b], None), shows(devices[5], &[], None)]).await;
    let mut session = read(registry).await;
    for (product, file, expected) in [
        (world.product, a, vec![0, 1, 2, 4, 6]),
        (world.product, b, vec![0, 1, 2, 3, 4, 6]),
        (world.product, ArtifactId(3), vec![]),
    ] {
        let found = walk!(2, |page| session.devices_showing(product, file, &page));
        let ids: Vec<_> = found.iter().map(|d| d.id).collect();
        assert_eq!(ids, expected.iter().map(|n: &usize| devices[*n]).collect::<Vec<_>>());
        let count = session.count_devices_showing(product, file).await.expect("read");
        assert_eq!(count, expected.len() as u64);
    }
    let found = session.devices_showing(other, a, &PageRequest::first(10)).await.expect("read").items;
    assert_eq!(found.iter().map(|d| d.id).collect::<Vec<_>>(), [stranger]);
    drop(session);
    assert_eq!(found, [the_device(registry, stranger).await]);
}

async fn devices_that_show_something_else_are_found_and_counted(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 5).await;
    let [a, b] = [ArtifactId(1), ArtifactId(2)];
    let rows = [
        shows(devices[0], &[a], Some(&[a])),
        shows(devices[1], &[a, b], Some(&[a])),
        shows(devices[2], &[], Some(&[a])),
        shows(devices[3], &[b], None),
    ];
    save(registry, &rows).await;
    let mut session = read(registry).await;
    assert_eq!(session.count_contents_mismatches().await.expect("read"), 2);
    let wanted = |mismatch| DeviceFilter { contents_mismatch: Some(mismatch), ..Default::default() };
    for (filter, expected) in [
        (wanted(true), vec![1, 2]),
        (wanted(false), vec![0, 3, 4]),
        (DeviceFilter { online: Some(false), ..wanted(false) }, vec![0, 3, 4]),
        (DeviceFilter { online: Some(true), ..wanted(true) }, vec![]),
        (
            DeviceFilter { search: Some("d2".to_owned()), product: Some(world.product), ..wanted(true) },
            vec![2],
        ),
    ] {
        let found = walk!(2, |page| session.devices(&filter, &page));
        let ids: Vec<_> = found.iter().map(|d| d.id).collect();
        assert_eq!(ids, expected.iter().map(|n: &usize| devices[*n]).collect::<Vec<_>>(), "{filter:?}");
        assert!(found.iter().all(|d| Some(d.contents_mismatch) == filter.contents_mismatch));
        assert_eq!(session.count_devices(&filter).await.expect("read"), expected.len() as u64);
    }
    drop(session);
    save(registry, &[shows(devices[1], &[a], Some(&[a]))]).await;
    assert_eq!(read(registry).await.count_contents_mismatches().await.expect("read"), 1);
    assert!(!the_device(registry, devices[1]).await.contents_mismatch);
}

async fn content_history_comes_newest_first(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 2).await;
    let changes: Vec<_> = (0..5)
        .map(|number| ContentChange {
            id: HistoryId(0),
            device: devices[number % 2],
            at: Timestamp(NOW.0 + number as i64),
            shown: set(&[ArtifactId(number as i64), ArtifactId(99)]),
            deployment: (number % 3 == 0).then_some(DeploymentId(number as i64 + 1)),
            kind: ContentChangeKind::ALL[number % 2],
        })
        .collect();
    let mut unit = begin(registry).await;
    unit.insert_content_changes(&changes[..3]).await.expect("insert");
    unit.insert_content_changes(&changes[3..]).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let found = walk!(2, |page| session.content_history(devices[0], &page));
    let plain: Vec<_> = found.iter().map(|c| ContentChange { id: HistoryId(0), ..c.clone() }).collect();
    assert_eq!(plain, [changes[4].clone(), changes[2].clone(), changes[0].clone()]);
    assert!(found.windows(2).all(|pair| pair[0].id > pair[1].id));
}

async fn ten_thousand_devices_change_at_once(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 10_000).await;
    let [a, b] = [ArtifactId(1), ArtifactId(2)];
    let rows: Vec<_> = devices.iter().map(|d| shows(*d, &[a, b], Some(&[a, b]))).collect();
    save(registry, &rows).await;
    let rows: Vec<_> = devices.iter().map(|d| shows(*d, &[b], Some(&[a, b]))).collect();
    save(registry, &rows).await;
    let mut session = read(registry).await;
    assert_eq!(session.count_devices_showing(world.product, a).await.expect("read"), 0);
    assert_eq!(session.count_devices_showing(world.product, b).await.expect("read"), 10_000);
    assert_eq!(session.count_contents_mismatches().await.expect("read"), 10_000);
    assert_eq!(session.shown_contents(&devices).await.expect("read").len(), 10_000);
}
