//! Renewals, revocations, imported identities, numbers of CRLs.

use argosy_proto::DeviceId;

use super::fixture::{NOBODY, NOW, World, begin, conflicts, failed, key, read};
use super::list_cases;
use crate::Timestamp;
use crate::model::{
    Certificate, CertificateName, CertificateState, DeviceState, ImportedBy, ImportedIdentity, Renewal,
    Revocation, RevocationReason,
};
use crate::page::PageRequest;
use crate::ports::{MAX_BULK, PortErrorKind, Registry};

list_cases!("identities":
    a_revocation_is_for_ever_and_needs_no_certificate,
    revocations_are_listed_in_their_order,
    ten_thousand_revocations_in_one_call,
    a_renewal_is_kept_by_public_key,
    renewals_of_all_devices_come_device_by_device,
    older_certificates_are_superseded_and_the_new_one_is_not,
    an_ended_certificate_is_allowed_for_a_while,
    imported_identities_are_found_by_serial_then_by_name,
    an_imported_identity_is_one_devices,
    numbers_of_crls_only_rise,
);

const ISSUER: &str = "CN=Argosy 장치 CA, O='x'";

fn at(millis: i64) -> Timestamp {
    Timestamp(NOW.0 + millis)
}

fn name(serial: &str) -> CertificateName {
    CertificateName { issuer: ISSUER.to_owned(), serial: serial.to_owned() }
}

fn certificate(device: DeviceId, serial: &str, created: i64) -> Certificate {
    Certificate {
        device,
        issuer: ISSUER.to_owned(),
        serial: serial.to_owned(),
        not_before: at(0),
        not_after: at(1_000_000),
        state: CertificateState::Active,
        created_at: at(created),
        retires_at: None,
        expired_until: None,
    }
}

fn revocation(serial: &str, millis: i64) -> Revocation {
    Revocation {
        certificate: name(serial),
        key: key("d0"),
        reason: RevocationReason::KeyCompromise,
        revoked_at: at(millis),
        not_after: Some(at(millis + 1000)),
    }
}

fn renewal(device: DeviceId, of: &str, public_key: &[u8], serial: &str, asked: i64) -> Renewal {
    Renewal {
        device,
        key: key(of),
        public_key: public_key.to_vec(),
        asked_with: name("01"),
        issued: name(serial),
        certificate_pem: format!("certificate {serial}\n"),
        chain_pem: "chain\n".to_owned(),
        created_at: at(asked),
        requested_at: at(asked),
    }
}

async fn given(registry: &dyn Registry, certificates: &[Certificate]) {
    let mut unit = begin(registry).await;
    unit.insert_certificates(certificates).await.expect("insert");
    unit.commit().await.expect("commit");
}

async fn a_revocation_is_for_ever_and_needs_no_certificate(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 1).await;
    given(registry, &[certificate(ids[0], "0a", 1), certificate(ids[0], "0b", 1)]).await;
    let mut unit = begin(registry).await;
    let unknown = Revocation { not_after: None, ..revocation("ff", 6) };
    unit.insert_revocations(&[revocation("0a", 5), unknown.clone()]).await.expect("revoke");
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    let later = Revocation { reason: RevocationReason::Superseded, ..revocation("0a", 99) };
    unit.insert_revocations(&[later, revocation("0c", 7)]).await.expect("one of them again");
    unit.insert_revocations(&[]).await.expect("none");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    assert_eq!(
        session.revocation(&name("0a")).await.expect("read"),
        Some(revocation("0a", 5)),
        "the first stays"
    );
    assert_eq!(session.revocation(&name("ff")).await.expect("read"), Some(unknown));
    assert_eq!(session.revocation(&name("0b")).await.expect("read"), None);
    let state = |admission: Option<crate::model::Admission>| admission.expect("listed").certificate_state;
    assert_eq!(state(session.admission(ISSUER, "0a").await.expect("read")), CertificateState::Revoked);
    assert_eq!(state(session.admission(ISSUER, "0b").await.expect("read")), CertificateState::Active);
}

async fn revocations_are_listed_in_their_order(registry: &dyn Registry) {
    let other = Revocation {
        certificate: CertificateName { issuer: "other".to_owned(), serial: "01".to_owned() },
        ..revocation("x", 3)
    };
    let all = [revocation("0f", 1), revocation("01", 2), other.clone(), revocation("0a", 4)];
    let mut unit = begin(registry).await;
    unit.insert_revocations(&all).await.expect("revoke");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let first = session.revocations(&PageRequest::first(3)).await.expect("read");
    assert_eq!(first.items, all[..3]);
    let rest = PageRequest { limit: 3, after: first.next };
    let rest = session.revocations(&rest).await.expect("read");
    assert_eq!((rest.items.as_slice(), rest.next), (&all[3..], None));
    assert_eq!(session.revocations_of("other", at(0)).await.expect("read"), [other]);
    let still = session.revocations_of(ISSUER, at(1002)).await.expect("read");
    assert_eq!(still, [all[3].clone()], "those whose certificates have ended need no mention");
}

async fn ten_thousand_revocations_in_one_call(registry: &dyn Registry) {
    let all: Vec<_> = (0..MAX_BULK).map(|n| revocation(&format!("{n:06x}"), 1)).collect();
    let mut unit = begin(registry).await;
    unit.insert_revocations(&all).await.expect("revoke");
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.revocations_of(ISSUER, at(0)).await.expect("read").len(), MAX_BULK);
}

async fn a_renewal_is_kept_by_public_key(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 2).await;
    let long = vec![0xa5; 1100];
    let (a, b) = (renewal(ids[0], "d0", &long, "0a", 10), renewal(ids[0], "d0", b"b", "0b", 20));
    let other = renewal(ids[1], "d1", b"b", "0c", 30);
    let mut unit = begin(registry).await;
    for renewal in [&a, &b, &other] {
        unit.save_renewal(renewal).await.expect("save");
    }
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.renewals_of(ids[0]).await.expect("read"), [b.clone(), a.clone()]);

    let again = Renewal { requested_at: at(40), asked_with: name("02"), ..a };
    let mut unit = begin(registry).await;
    unit.save_renewal(&again).await.expect("the same key");
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.renewals_of(ids[0]).await.expect("read"), [again.clone(), b.clone()]);

    let mut unit = begin(registry).await;
    assert!(unit.delete_renewal(&name("0b")).await.expect("delete"));
    assert!(!unit.delete_renewal(&name("0b")).await.expect("again"));
    assert_eq!(unit.delete_renewals(ids[0], at(39)).await.expect("none so old"), 0);
    assert_eq!(unit.delete_renewals(ids[0], at(40)).await.expect("delete"), 1);
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    assert_eq!(session.renewals_of(ids[0]).await.expect("read"), []);
    assert_eq!(session.renewals_of(ids[1]).await.expect("read"), [other]);
}

async fn renewals_of_all_devices_come_device_by_device(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 3).await;
    let mut all = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        for public_key in [b"a", b"b"] {
            let serial = format!("{n:x}{}", char::from(public_key[0]));
            all.push(renewal(*id, &format!("d{n}"), public_key, &serial, 1));
        }
    }
    let mut unit = begin(registry).await;
    for renewal in all.iter().rev() {
        unit.save_renewal(renewal).await.expect("save");
    }
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let (mut found, mut after) = (Vec::new(), DeviceId(0));
    loop {
        let page = session.renewals(after, 3).await.expect("read");
        let Some(last) = page.last() else { break };
        after = last.device;
        assert!(page.len() <= 4, "a few more, never half a device's");
        found.extend(page);
    }
    assert_eq!(found, all);
}

async fn older_certificates_are_superseded_and_the_new_one_is_not(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 2).await;
    let new = [
        certificate(ids[0], "01", 1),
        certificate(ids[0], "02", 2),
        certificate(ids[0], "03", 3),
        certificate(ids[1], "04", 1),
    ];
    given(registry, &new).await;
    let imported = ImportedIdentity {
        device: ids[0],
        issuer: "old".to_owned(),
        by: ImportedBy::CommonName,
        value: "SN 1".to_owned(),
        created_at: at(1),
        retires_at: None,
    };
    let mut unit = begin(registry).await;
    unit.insert_imported_identities(&[imported]).await.expect("import");
    let changed = unit.supersede_certificates(ids[0], &name("02"), at(2), at(500)).await.expect("supersede");
    assert_eq!(changed, 1);
    let changed =
        unit.supersede_certificates(ids[0], &name("02"), at(2), at(900)).await.expect("again, later");
    assert_eq!(changed, 0, "the time does not move away");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    for (serial, retires_at) in [("01", Some(at(500))), ("02", None), ("03", None), ("04", None)] {
        let admission = session.admission(ISSUER, serial).await.expect("read").expect("listed");
        assert_eq!(admission.retires_at, retires_at, "{serial}");
    }
    let old = CertificateName { issuer: "old".to_owned(), serial: "77".to_owned() };
    let admission = session.imported_admission(&old, "SN 1").await.expect("read").expect("imported");
    assert_eq!(admission.retires_at, Some(at(500)));
    drop(session);

    let mut unit = begin(registry).await;
    assert!(unit.delete_certificate(&name("03")).await.expect("delete"));
    assert!(!unit.delete_certificate(&name("03")).await.expect("again"));
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.admission(ISSUER, "03").await.expect("read"), None);
}

async fn an_ended_certificate_is_allowed_for_a_while(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 2).await;
    given(registry, &[certificate(ids[0], "01", 1)]).await;
    let mut unit = begin(registry).await;
    assert!(!unit.allow_expired(ids[1], "01", Some(at(9))).await.expect("another device's"));
    assert!(!unit.allow_expired(ids[0], "02", Some(at(9))).await.expect("no such certificate"));
    assert!(unit.allow_expired(ids[0], "01", Some(at(9))).await.expect("allow"));
    assert!(unit.allow_expired(ids[0], "01", Some(at(9))).await.expect("the same again"));
    unit.commit().await.expect("commit");
    let admission = read(registry).await.admission(ISSUER, "01").await.expect("read").expect("listed");
    assert_eq!(admission.expired_until, Some(at(9)));
    assert_eq!(read(registry).await.certificates(ids[0]).await.expect("read")[0].expired_until, Some(at(9)));
    let mut unit = begin(registry).await;
    assert!(unit.allow_expired(ids[0], "01", None).await.expect("take back"));
    unit.commit().await.expect("commit");
    let admission = read(registry).await.admission(ISSUER, "01").await.expect("read").expect("listed");
    assert_eq!(admission.expired_until, None);
}

async fn imported_identities_are_found_by_serial_then_by_name(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 2).await;
    let identity = |device, by, value: &str| ImportedIdentity {
        device,
        issuer: "O=old".to_owned(),
        by,
        value: value.to_owned(),
        created_at: at(1),
        retires_at: None,
    };
    let by_name = identity(ids[0], ImportedBy::CommonName, "SN 0017/4");
    let by_serial = identity(ids[1], ImportedBy::Serial, "0a");
    let mut unit = begin(registry).await;
    unit.insert_imported_identities(&[by_name.clone(), by_serial.clone()]).await.expect("import");
    unit.commit().await.expect("commit");
    let of =
        |issuer: &str, serial: &str| CertificateName { issuer: issuer.to_owned(), serial: serial.to_owned() };
    let mut session = read(registry).await;
    let found =
        session.imported_admission(&of("O=old", "77"), "SN 0017/4").await.expect("read").expect("by name");
    assert_eq!((found.device, found.key, found.device_state), (ids[0], key("d0"), DeviceState::Active));
    let found =
        session.imported_admission(&of("O=old", "0a"), "SN 0017/4").await.expect("read").expect("by serial");
    assert_eq!(found.device, ids[1], "the serial number says more than the name");
    for (issuer, serial, cn) in [
        ("O=old", "77", "SN 0017/5"),
        ("O=new", "0a", "SN 0017/4"),
        ("O=old", "SN 0017/4", "0a"),
        ("O=old", "0A", "sn 0017/4"),
    ] {
        assert_eq!(session.imported_admission(&of(issuer, serial), cn).await.expect("read"), None);
    }
    assert_eq!(session.imported_identities(ids[0]).await.expect("read"), std::slice::from_ref(&by_name));
    assert!(session.has_certificate(ids[0]).await.expect("read"), "it proves itself: not by plain text");
    drop(session);

    let revoked = Revocation { certificate: of("O=old", "78"), ..revocation("", 1) };
    let mut unit = begin(registry).await;
    unit.insert_revocations(&[revoked]).await.expect("revoke one of its certificates");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    for (serial, state) in [("77", CertificateState::Active), ("78", CertificateState::Revoked)] {
        let found = session.imported_admission(&of("O=old", serial), "SN 0017/4").await.expect("read");
        assert_eq!(found.expect("imported").certificate_state, state);
    }
    drop(session);

    let mut unit = begin(registry).await;
    assert!(unit.delete_imported_identity(&by_name).await.expect("delete"));
    assert!(!unit.delete_imported_identity(&by_name).await.expect("again"));
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.imported_identities(ids[0]).await.expect("read"), []);
}

async fn an_imported_identity_is_one_devices(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let ids = world.devices(registry, 2).await;
    let identity = |device| ImportedIdentity {
        device,
        issuer: "O=old".to_owned(),
        by: ImportedBy::CommonName,
        value: "x".to_owned(),
        created_at: at(1),
        retires_at: None,
    };
    let mut unit = begin(registry).await;
    unit.insert_imported_identities(&[identity(ids[0])]).await.expect("import");
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    conflicts(unit.insert_imported_identities(&[identity(ids[1])]).await, "imported.identity");
    drop(unit);
    let mut unit = begin(registry).await;
    let nobodys = ImportedIdentity { value: "y".to_owned(), ..identity(DeviceId(NOBODY)) };
    let refused = unit.insert_imported_identities(&[nobodys]).await;
    failed(refused, PortErrorKind::Reference, Some("imported.device"));
}

async fn numbers_of_crls_only_rise(registry: &dyn Registry) {
    assert_eq!(read(registry).await.crl_number("a").await.expect("read"), 0);
    let mut numbers = Vec::new();
    for at_least in [0, 0, 100, 7] {
        let mut unit = begin(registry).await;
        numbers.push(unit.next_crl_number("a", at_least).await.expect("a number"));
        unit.commit().await.expect("commit");
    }
    assert_eq!(numbers, [1, 2, 100, 101]);
    let mut unit = begin(registry).await;
    assert_eq!(unit.next_crl_number("b", 5).await.expect("of another issuer"), 5);
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.crl_number("a").await.expect("read"), 101);
}
