//! Products, groups, regions, artifacts, uploads, firmware.

use argosy_proto::{ArtifactId, FirmwareId, GroupId, ProductId, RegionId, UserId};

use super::fixture::{
    HOSTILE, NOBODY, NOW, SIZE, World, begin, conflicts, deployment, device, failed, firmware, hash, product,
    read, refers,
};
use super::list_cases;
use crate::Timestamp;
use crate::model::{
    Artifact, DeviceFilter, FirmwareState, ImageFacts, ImageFormat, NewFirmware, NewProduct, Upload,
    UploadState,
};
use crate::ports::{PortErrorKind, Registry};

list_cases!("catalog":
    what_is_not_there_is_none_or_false,
    a_product_is_kept_changed_and_removed,
    product_names_are_unique_and_their_case_matters,
    a_product_in_use_stays,
    groups_and_regions_are_kept_changed_and_removed,
    group_names_and_region_codes_are_unique,
    a_group_or_region_in_use_stays,
    texts_come_back_as_they_went_in,
    an_artifact_is_one_row_a_hash,
    an_upload_is_kept_rewritten_and_removed,
    expired_uploads_come_oldest_first,
    a_firmware_carries_its_artifact_and_facts,
    a_firmware_file_is_registered_once,
    a_firmware_needs_its_product_and_artifact,
    a_firmware_is_found_by_hash_and_version,
    a_firmware_in_use_stays,
);

async fn what_is_not_there_is_none_or_false(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    assert_eq!(unit.product(ProductId(NOBODY)).await.expect("read"), None);
    assert_eq!(unit.product_by_name("nobody").await.expect("read"), None);
    assert_eq!(unit.group(GroupId(NOBODY)).await.expect("read"), None);
    assert_eq!(unit.group_by_name("nobody").await.expect("read"), None);
    assert_eq!(unit.region(RegionId(NOBODY)).await.expect("read"), None);
    assert_eq!(unit.region_by_code("nobody").await.expect("read"), None);
    assert_eq!(unit.artifact(ArtifactId(NOBODY)).await.expect("read"), None);
    assert_eq!(unit.artifact_by_hash(&hash(9)).await.expect("read"), None);
    assert_eq!(unit.upload("nobody").await.expect("read"), None);
    assert_eq!(unit.firmware(FirmwareId(NOBODY)).await.expect("read"), None);
    assert_eq!(unit.firmware_by_hash(ProductId(NOBODY), &hash(9)).await.expect("read"), None);
    assert_eq!(unit.firmware_by_version(ProductId(NOBODY), "1").await.expect("read"), []);
    assert_eq!(unit.expired_uploads(NOW, 10).await.expect("read"), []);

    assert!(!unit.update_product(ProductId(NOBODY), &product("p")).await.expect("write"));
    assert!(!unit.delete_product(ProductId(NOBODY)).await.expect("write"));
    assert!(!unit.update_group(GroupId(NOBODY), "g").await.expect("write"));
    assert!(!unit.delete_group(GroupId(NOBODY)).await.expect("write"));
    assert!(!unit.update_region(RegionId(NOBODY), "r", "r").await.expect("write"));
    assert!(!unit.delete_region(RegionId(NOBODY)).await.expect("write"));
    assert!(!unit.delete_upload("nobody").await.expect("write"));
    let state = FirmwareState::Released;
    assert!(!unit.update_firmware(FirmwareId(NOBODY), state, "").await.expect("write"));
    assert!(!unit.delete_firmware(FirmwareId(NOBODY)).await.expect("write"));
    unit.commit().await.expect("commit");
}

async fn a_product_is_kept_changed_and_removed(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let id = unit.insert_product(&product("boiler"), NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let stored = read(registry).await.product(id).await.expect("read").expect("there");
    assert_eq!((stored.id, &stored.spec, stored.created_at), (id, &product("boiler"), NOW));
    assert_eq!(read(registry).await.product_by_name("boiler").await.expect("read"), Some(stored));

    let changed = NewProduct {
        name: "boiler 2".to_owned(),
        chip: "stm32f4".to_owned(),
        image_format: ImageFormat::Raw,
        slot_size: i64::from(i32::MAX),
        display: None,
    };
    let mut unit = begin(registry).await;
    assert!(unit.update_product(id, &changed).await.expect("update"));
    assert!(unit.update_product(id, &changed).await.expect("the same again is no conflict with itself"));
    unit.commit().await.expect("commit");
    let stored = read(registry).await.product(id).await.expect("read").expect("there");
    assert_eq!((stored.spec, stored.created_at), (changed, NOW));
    assert_eq!(read(registry).await.product_by_name("boiler").await.expect("read"), None);

    let mut unit = begin(registry).await;
    assert!(unit.delete_product(id).await.expect("delete"));
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.product(id).await.expect("read"), None);
}

async fn product_names_are_unique_and_their_case_matters(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let boiler = unit.insert_product(&product("boiler"), NOW).await.expect("insert");
    let other = unit.insert_product(&product("Boiler"), NOW).await.expect("another case is another name");
    assert_ne!(boiler, other);
    let found = unit.product_by_name("Boiler").await.expect("read").expect("there");
    assert_eq!(found.id, other);
    assert_eq!(unit.product_by_name("BOILER").await.expect("read"), None);
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    conflicts(unit.insert_product(&product("boiler"), NOW).await, "product.name");
    drop(unit);
    let mut unit = begin(registry).await;
    conflicts(unit.update_product(other, &product("boiler")).await, "product.name");
}

async fn a_product_in_use_stays(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    refers(unit.delete_product(world.product).await, "product.in_use");
    drop(unit);
    let mut unit = begin(registry).await;
    let second = unit.insert_product(&product("second"), NOW).await.expect("insert");
    unit.insert_devices(&[device("d", second)], NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    refers(unit.delete_product(second).await, "product.in_use");
    drop(unit);
    assert!(read(registry).await.product(second).await.expect("read").is_some());
}

async fn groups_and_regions_are_kept_changed_and_removed(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let group = unit.insert_group("pilot", NOW).await.expect("insert");
    let region = unit.insert_region("KR-11", "서울", NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let stored = session.group(group).await.expect("read").expect("there");
    assert_eq!((stored.id, stored.name.as_str(), stored.created_at), (group, "pilot", NOW));
    assert_eq!(session.group_by_name("pilot").await.expect("read"), Some(stored));
    let stored = session.region(region).await.expect("read").expect("there");
    assert_eq!((stored.code.as_str(), stored.name.as_str(), stored.created_at), ("KR-11", "서울", NOW));
    assert_eq!(session.region_by_code("KR-11").await.expect("read"), Some(stored));
    drop(session);

    let mut unit = begin(registry).await;
    assert!(unit.update_group(group, "everyone").await.expect("update"));
    assert!(unit.update_group(group, "everyone").await.expect("no conflict with itself"));
    assert!(unit.update_region(region, "KR-26", "부산").await.expect("update"));
    assert!(unit.update_region(region, "KR-26", "부산광역시").await.expect("no conflict with itself"));
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    assert_eq!(session.group(group).await.expect("read").expect("there").name, "everyone");
    let stored = session.region(region).await.expect("read").expect("there");
    assert_eq!((stored.code.as_str(), stored.name.as_str()), ("KR-26", "부산광역시"));
    drop(session);

    let mut unit = begin(registry).await;
    assert!(unit.delete_group(group).await.expect("delete"));
    assert!(unit.delete_region(region).await.expect("delete"));
    assert!(!unit.delete_region(region).await.expect("it is gone"));
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.group(group).await.expect("read"), None);
}

async fn group_names_and_region_codes_are_unique(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    unit.insert_group("a", NOW).await.expect("insert");
    let group = unit.insert_group("A", NOW).await.expect("another case is another name");
    unit.insert_region("a", "same name", NOW).await.expect("insert");
    let region = unit.insert_region("A", "same name", NOW).await.expect("another case is another code");
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    conflicts(unit.insert_group("a", NOW).await, "group.name");
    drop(unit);
    let mut unit = begin(registry).await;
    conflicts(unit.update_group(group, "a").await, "group.name");
    drop(unit);
    let mut unit = begin(registry).await;
    conflicts(unit.insert_region("a", "other", NOW).await, "region.code");
    drop(unit);
    let mut unit = begin(registry).await;
    conflicts(unit.update_region(region, "a", "other").await, "region.code");
}

async fn a_group_or_region_in_use_stays(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut placed = device("d", world.product);
    placed.group = Some(world.group);
    placed.region = Some(world.region);
    let mut unit = begin(registry).await;
    unit.insert_devices(&[placed], NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    refers(unit.delete_group(world.group).await, "group.in_use");
    drop(unit);
    let mut unit = begin(registry).await;
    refers(unit.delete_region(world.region).await, "region.in_use");
    drop(unit);
    assert!(read(registry).await.group(world.group).await.expect("read").is_some());
}

async fn texts_come_back_as_they_went_in(registry: &dyn Registry) {
    let world = World::make(registry).await;
    for text in HOSTILE {
        let mut unit = begin(registry).await;
        let product_id = unit.insert_product(&product(text), NOW).await.expect("insert");
        let group = unit.insert_group(text, NOW).await.expect("insert");
        let region = unit.insert_region("code", text, NOW).await.expect("insert");
        let new = NewFirmware {
            file_name: (*text).to_owned(),
            release_notes: format!("{text}\r\n\t{text}"),
            ..firmware(product_id, world.artifact, "1")
        };
        let firmware = unit.insert_firmware(&new, NOW).await.expect("insert");
        unit.commit().await.expect("commit");
        let mut unit = begin(registry).await;
        assert_eq!(unit.product_by_name(text).await.expect("read").expect("there").id, product_id, "{text}");
        assert_eq!(unit.group_by_name(text).await.expect("read").expect("there").name, *text);
        assert_eq!(unit.region(region).await.expect("read").expect("there").name, *text);
        assert_eq!(unit.firmware(firmware).await.expect("read").expect("there").spec, new, "{text}");
        assert!(unit.delete_region(region).await.expect("delete"));
        assert!(unit.delete_group(group).await.expect("delete"));
        unit.commit().await.expect("commit");
    }
}

async fn an_artifact_is_one_row_a_hash(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let id = unit.insert_artifact(&hash(7), i64::from(i32::MAX), NOW).await.expect("insert");
    unit.insert_artifact(&hash(8), 1, NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    assert!((1..=i64::from(i32::MAX)).contains(&id.get()), "ids stand on the wire in 31 bits");
    let stored = Artifact { id, hash: hash(7), size: i64::from(i32::MAX), created_at: NOW };
    assert_eq!(read(registry).await.artifact(id).await.expect("read"), Some(stored.clone()));
    assert_eq!(read(registry).await.artifact_by_hash(&hash(7)).await.expect("read"), Some(stored));
    let mut unit = begin(registry).await;
    conflicts(unit.insert_artifact(&hash(7), 5, NOW).await, "artifact.hash");
}

fn upload(number: u64, expires_at: Timestamp) -> Upload {
    Upload {
        id: format!("{number:032x}"),
        file_name: "펌웨어 1.0.bin".to_owned(),
        state: UploadState::Open,
        hash: None,
        size: None,
        created_by: UserId(0),
        created_at: NOW,
        expires_at,
    }
}

async fn an_upload_is_kept_rewritten_and_removed(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut upload = Upload { created_by: world.user, ..upload(1, NOW) };
    let mut unit = begin(registry).await;
    assert!(!unit.update_upload(&upload).await.expect("it is not there yet"));
    unit.insert_upload(&upload).await.expect("insert");
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.upload(&upload.id).await.expect("read"), Some(upload.clone()));
    upload.state = UploadState::Staged;
    upload.hash = Some(hash(3));
    upload.size = Some(SIZE);
    let mut unit = begin(registry).await;
    assert!(unit.update_upload(&upload).await.expect("update"));
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.upload(&upload.id).await.expect("read"), Some(upload.clone()));
    let mut unit = begin(registry).await;
    assert!(unit.delete_upload(&upload.id).await.expect("delete"));
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.upload(&upload.id).await.expect("read"), None);
}

async fn expired_uploads_come_oldest_first(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    for (number, expires) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
        let upload = Upload { created_by: world.user, ..upload(number, Timestamp(expires)) };
        unit.insert_upload(&upload).await.expect("insert");
    }
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let mut expired = async |at, limit| -> Vec<i64> {
        let rows = session.expired_uploads(Timestamp(at), limit).await.expect("read");
        rows.iter().map(|u| u.expires_at.0).collect()
    };
    assert_eq!(expired(35, 10).await, [10, 20, 30]);
    assert_eq!(expired(35, 2).await, [10, 20]);
    assert!(expired(10, 10).await.is_empty(), "what expires at a moment has not expired before it");
}

async fn a_firmware_carries_its_artifact_and_facts(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let bare = NewFirmware {
        release_notes: String::new(),
        facts: ImageFacts {
            format: ImageFormat::Raw,
            chip: None,
            project: None,
            app_version: None,
            idf_version: None,
            segments: None,
        },
        state: FirmwareState::Draft,
        ..firmware(world.product, world.artifact, "0.1")
    };
    let mut unit = begin(registry).await;
    let id = unit.insert_firmware(&bare, NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let full = session.firmware(world.firmware).await.expect("read").expect("there");
    assert_eq!(full.spec, firmware(world.product, world.artifact, "1.0.0"));
    assert_eq!((full.hash, full.size, full.created_at), (hash(1), SIZE, NOW));
    assert_eq!(session.firmware(id).await.expect("read").expect("there").spec, bare);
    drop(session);

    let mut unit = begin(registry).await;
    assert!(unit.update_firmware(id, FirmwareState::Withdrawn, "늦었다").await.expect("update"));
    unit.commit().await.expect("commit");
    let stored = read(registry).await.firmware(id).await.expect("read").expect("there");
    let expected =
        NewFirmware { state: FirmwareState::Withdrawn, release_notes: "늦었다".to_owned(), ..bare };
    assert_eq!(stored.spec, expected);
    let mut unit = begin(registry).await;
    assert!(unit.delete_firmware(id).await.expect("delete"));
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.firmware(id).await.expect("read"), None);
}

async fn a_firmware_file_is_registered_once(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let same = firmware(world.product, world.artifact, "1.0.0");
    let mut unit = begin(registry).await;
    let other_file = NewFirmware { file_name: "other.bin".to_owned(), ..same.clone() };
    unit.insert_firmware(&other_file, NOW).await.expect("another file of the same version");
    let other_version = NewFirmware { version: "1.0.1".to_owned(), ..same.clone() };
    unit.insert_firmware(&other_version, NOW).await.expect("the same file name in another version");
    let product = unit.insert_product(&product("second"), NOW).await.expect("insert");
    unit.insert_firmware(&NewFirmware { product, ..same.clone() }, NOW).await.expect("another product");
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    conflicts(unit.insert_firmware(&same, NOW).await, "firmware.file");
}

async fn a_firmware_needs_its_product_and_artifact(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    let orphan = firmware(ProductId(NOBODY), world.artifact, "2");
    failed(unit.insert_firmware(&orphan, NOW).await, PortErrorKind::Reference, None);
    drop(unit);
    let mut unit = begin(registry).await;
    let hollow = firmware(world.product, ArtifactId(NOBODY), "2");
    failed(unit.insert_firmware(&hollow, NOW).await, PortErrorKind::Reference, None);
}

async fn a_firmware_is_found_by_hash_and_version(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let again =
        NewFirmware { file_name: "again.bin".to_owned(), ..firmware(world.product, world.artifact, "1.0.0") };
    let mut unit = begin(registry).await;
    let newer = unit.insert_firmware(&again, NOW).await.expect("insert");
    let artifact = unit.insert_artifact(&hash(2), 5, NOW).await.expect("insert");
    let next = unit.insert_firmware(&firmware(world.product, artifact, "1.0.10"), NOW).await.expect("insert");
    let other = unit.insert_product(&product("second"), NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let found = session.firmware_by_hash(world.product, &hash(1)).await.expect("read").expect("there");
    assert_eq!(found.id, newer, "the newest of two with one image");
    let found = session.firmware_by_hash(world.product, &hash(2)).await.expect("read").expect("there");
    assert_eq!(found.id, next);
    assert_eq!(session.firmware_by_hash(other, &hash(2)).await.expect("read"), None, "of another product");
    let found = session.firmware_by_version(world.product, "1.0.0").await.expect("read");
    assert_eq!(found.iter().map(|f| f.id).collect::<Vec<_>>(), [newer, world.firmware]);
    assert_eq!(session.firmware_by_version(world.product, "1.0").await.expect("read"), [], "exactly");
}

async fn a_firmware_in_use_stays(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    let new = deployment(world.firmware, DeviceFilter::default(), world.user);
    unit.insert_deployment(&new, NOW).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    refers(unit.delete_firmware(world.firmware).await, "firmware.in_use");
    drop(unit);
    assert!(read(registry).await.firmware(world.firmware).await.expect("read").is_some());
}
