//! The allow-list of certificates, and firmware history.

use argosy_proto::{DeviceId, HistoryId};

use super::fixture::{NOBODY, NOW, World, begin, conflicts, failed, hash, key, read};
use super::list_cases;
use crate::Timestamp;
use crate::model::{
    Certificate, CertificateName, CertificateState, DevicePatch, DeviceState, FirmwareChange,
    FirmwareChangeKind, Revocation, RevocationReason,
};
use crate::page::PageRequest;
use crate::ports::{MAX_BULK, PortErrorKind, Registry};

list_cases!("certificates":
    only_known_certificates_are_admitted,
    a_certificate_is_on_the_list_once,
    certificates_come_newest_first,
    ten_thousand_certificates_in_one_call,
    history_is_kept_a_device,
);

fn at(millis: i64) -> Timestamp {
    Timestamp(NOW.0 + millis)
}

fn certificate(device: DeviceId, serial: &str, created: i64) -> Certificate {
    Certificate {
        device,
        issuer: "CN=Argosy 장치 CA, O='x'".to_owned(),
        serial: serial.to_owned(),
        not_before: at(0),
        not_after: at(1_000_000),
        state: CertificateState::Active,
        created_at: at(created),
        retires_at: None,
        expired_until: None,
    }
}

async fn only_known_certificates_are_admitted(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 2).await;
    let new = [certificate(ids[0], "0a", 1), certificate(ids[0], "0b", 2)];
    let issuer = new[0].issuer.clone();
    let mut unit = begin(registry).await;
    unit.insert_certificates(&new).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let admission = session.admission(&issuer, "0a").await.expect("read").expect("it is on the list");
    assert_eq!((admission.device, &admission.key), (ids[0], &key("d0")));
    assert_eq!(admission.device_state, DeviceState::Active);
    assert_eq!(admission.certificate_state, CertificateState::Active);
    assert_eq!(session.admission(&issuer, "0c").await.expect("read"), None);
    assert_eq!(session.admission(&issuer, "0A").await.expect("read"), None, "exactly");
    assert_eq!(session.admission("other", "0a").await.expect("read"), None, "of another issuer");
    assert!(session.has_certificate(ids[0]).await.expect("read"));
    assert!(!session.has_certificate(ids[1]).await.expect("read"));
    drop(session);

    let mut unit = begin(registry).await;
    let revocation = Revocation {
        certificate: CertificateName { issuer: issuer.clone(), serial: "0a".to_owned() },
        key: key("d0"),
        reason: RevocationReason::Unspecified,
        revoked_at: NOW,
        not_after: None,
    };
    unit.insert_revocations(&[revocation]).await.expect("revoke");
    let patch = DevicePatch { state: Some(DeviceState::Suspended), ..Default::default() };
    unit.patch_device(ids[0], &patch, NOW).await.expect("patch");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let revoked = session.admission(&issuer, "0a").await.expect("read").expect("it stays on the list");
    assert_eq!(revoked.certificate_state, CertificateState::Revoked);
    assert_eq!(revoked.device_state, DeviceState::Suspended);
    let other = session.admission(&issuer, "0b").await.expect("read").expect("there");
    assert_eq!(other.certificate_state, CertificateState::Active, "only one was revoked");
    assert!(session.has_certificate(ids[0]).await.expect("read"), "it was once given one");
}

async fn a_certificate_is_on_the_list_once(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 2).await;
    let mut unit = begin(registry).await;
    unit.insert_certificates(&[certificate(ids[0], "01", 1)]).await.expect("insert");
    let foreign = Certificate { issuer: "other".to_owned(), ..certificate(ids[1], "01", 1) };
    unit.insert_certificates(&[foreign]).await.expect("the same serial of another issuer");
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    let again = certificate(ids[1], "01", 2);
    conflicts(unit.insert_certificates(&[again]).await, "certificate.serial");
    drop(unit);
    let mut unit = begin(registry).await;
    let nobodys = certificate(DeviceId(NOBODY), "02", 2);
    failed(unit.insert_certificates(&[nobodys]).await, PortErrorKind::Reference, None);
}

async fn certificates_come_newest_first(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 1).await;
    let new = [("0f", 1), ("01", 2), ("0a", 3)].map(|(serial, created)| certificate(ids[0], serial, created));
    let mut unit = begin(registry).await;
    unit.insert_certificates(&new).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut expected = new.to_vec();
    expected.reverse();
    assert_eq!(read(registry).await.certificates(ids[0]).await.expect("read"), expected);
}

async fn ten_thousand_certificates_in_one_call(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, MAX_BULK).await;
    let new: Vec<_> = ids.iter().map(|id| certificate(*id, &format!("{:x}", id.get()), 1)).collect();
    let mut unit = begin(registry).await;
    unit.insert_certificates(&new).await.expect("insert");
    unit.commit().await.expect("commit");
    let last = new.last().expect("not empty");
    let admission = read(registry).await.admission(&last.issuer, &last.serial).await.expect("read");
    assert_eq!(admission.expect("there").device, last.device);
}

async fn history_is_kept_a_device(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 2).await;
    let deployment = world.deployment(registry, &ids).await;
    let change = |device, millis, kind| FirmwareChange {
        id: HistoryId(0),
        device,
        at: at(millis),
        from_version: Some("1.0".to_owned()),
        to_version: Some("2.0".to_owned()),
        image_hash: Some(hash(2)),
        deployment: Some(deployment),
        kind,
    };
    let first = change(ids[0], 1, FirmwareChangeKind::Updated);
    let bare = FirmwareChange {
        from_version: None,
        to_version: None,
        image_hash: None,
        deployment: None,
        ..change(ids[0], 2, FirmwareChangeKind::Reported)
    };
    let other = change(ids[1], 3, FirmwareChangeKind::RolledBack);
    let mut unit = begin(registry).await;
    unit.insert_firmware_changes(&[first.clone(), other, bare.clone()]).await.expect("insert");
    unit.commit().await.expect("commit");
    let page = read(registry).await.firmware_history(ids[0], &PageRequest::first(10)).await.expect("read");
    assert_eq!(page.next, None);
    let found: Vec<_> = page.items.iter().map(|c| FirmwareChange { id: HistoryId(0), ..c.clone() }).collect();
    assert_eq!(found, [bare, first], "newest first, of this device alone");
    assert!(page.items[0].id > page.items[1].id);
}
