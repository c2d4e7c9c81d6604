//! Renewal in every order of losses, revocation, certificates that have ended, and imported identities.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

use std::sync::Arc;
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::model::{
    CertificateName, CertificateState, DevicePatch, DeviceState, ImportedBy, MAX_RENEWALS, RevocationReason,
};
use argosy_domain::ports::{
    Admitted, ClientIdentity, DeviceEvents, Door, InboundMessage, PortError, PresentedCertificate, Refusal,
    Registry, RenewalKeys, RevocationJournal, Rights,
};
use argosy_domain::testing::FakeAuthority;
use argosy_engine::{DeviceRequest, ImportRow};
use argosy_proto::message::{CertAck, CertRequest, CertStatus};
use argosy_proto::{DeviceId, DownMessage, UpMessage, decode_down, parse_down};

use crate::fleet::{Fleet, START, key};

const DAY: Duration = Duration::from_secs(86_400);

/// A request for a certificate for the key `of`.
fn csr(of: &str) -> String {
    format!("{}{of}", FakeAuthority::CSR)
}

/// A device with its factory certificate: number 1.
async fn device() -> (Fleet, DeviceId, PresentedCertificate) {
    let fleet = Fleet::of(0).await;
    let request = DeviceRequest {
        key: key(1),
        name: None,
        csr: Some(csr("factory")),
        attributes: Default::default(),
        unregistered: false,
    };
    let made =
        fleet.engine.enroll_devices(&fleet.actor, fleet.product, None, None, vec![request]).await.unwrap();
    let issued = made[0].certificate.clone().unwrap();
    (fleet, made[0].id, shown(&issued.serial, issued.not_after))
}

fn shown(serial: &str, not_after: Timestamp) -> PresentedCertificate {
    PresentedCertificate {
        common_name: "1".to_owned(),
        issuer: FakeAuthority::ISSUER.to_owned(),
        serial: serial.to_owned(),
        not_before: START,
        not_after,
        imported: false,
    }
}

async fn knock(fleet: &Fleet, certificate: &PresentedCertificate) -> Result<Admitted, Refusal> {
    let client = ClientIdentity {
        client_id: "1".to_owned(),
        certificate: Some(certificate.clone()),
        door: Door::Mtls,
        address: "127.0.0.1:1".parse().unwrap(),
    };
    fleet.engine.authenticate(client).await
}

/// It comes in and is connected.
async fn connect(fleet: &Fleet, certificate: &PresentedCertificate) {
    assert_eq!(knock(fleet, certificate).await, Ok(Admitted { key: key(1), rights: Rights::Full }));
    fleet.connect(1).await;
}

async fn ask(fleet: &Fleet, certificate: &PresentedCertificate, csr: &str) -> Result<(), PortError> {
    let request = UpMessage::CertRequest(CertRequest { csr: csr.to_owned(), timestamp: None });
    let message = InboundMessage {
        key: key(1),
        topic: request.topic().topic(&key(1)),
        payload: request.encode().unwrap().into(),
        qos: 1,
        door: Door::Mtls,
        certificate: Some(Arc::new(certificate.clone())),
    };
    fleet.engine.message(message).await
}

/// Answers that were sent and not looked at yet.
fn answers(fleet: &Fleet) -> Vec<CertAck> {
    let acks = fleet.link.take_sent().into_iter().filter_map(|sent| {
        let (_, topic) = parse_down(&sent.topic).unwrap();
        match decode_down(topic, &sent.payload).unwrap() {
            DownMessage::CertAck(ack) => Some(ack),
            _ => None,
        }
    });
    acks.collect()
}

/// The serial number in the only answer.
fn answered(fleet: &Fleet) -> String {
    let acks = answers(fleet);
    assert_eq!(acks.len(), 1, "{acks:?}");
    assert_eq!(acks[0].status, CertStatus::Ok);
    assert_eq!(acks[0].root_ca.as_deref(), Some("fake root\n"));
    let pem = acks[0].client_ca.clone().unwrap();
    assert!(pem.ends_with("fake chain\n"), "leaf and intermediates: {pem}");
    pem.split_whitespace().nth(2).unwrap().to_owned()
}

fn later(fleet: &Fleet, by: Duration) {
    fleet.clock.advance(by);
}

#[tokio::test]
async fn an_answer_is_sent_on_every_connection_until_its_certificate_was_seen() {
    let (fleet, id, old) = device().await;
    connect(&fleet, &old).await;
    ask(&fleet, &old, &csr("new")).await.unwrap();
    let serial = answered(&fleet);
    assert_ne!(serial, old.serial);
    for _ in 0..3 {
        // The answer is lost, the connection too, the board comes back with what it has in RAM.
        connect(&fleet, &old).await;
        assert_eq!(answered(&fleet), serial);
    }
    let new = shown(&serial, old.not_after);
    connect(&fleet, &new).await;
    assert_eq!(answers(&fleet), [], "it has been seen");
    connect(&fleet, &new).await;
    assert_eq!(answers(&fleet), []);
    // The old one is good for the grace period, for boards that fall back; and not for a day longer.
    later(&fleet, 6 * DAY);
    assert!(knock(&fleet, &old).await.is_ok());
    later(&fleet, DAY);
    assert_eq!(knock(&fleet, &old).await, Err(Refusal::Superseded));
    connect(&fleet, &new).await;
    let listed = fleet.registry.read().await.unwrap().certificates(id).await.unwrap();
    let retires: Vec<_> = listed.iter().map(|c| (c.serial.clone(), c.retires_at)).collect();
    assert_eq!(retires, [(serial, None), (old.serial, Some(START + 7 * DAY))]);
}

#[tokio::test]
async fn the_same_key_gets_the_same_certificate_however_often_it_asks() {
    let (fleet, _, old) = device().await;
    connect(&fleet, &old).await;
    let issued = fleet.authority.issued();
    let mut serials = Vec::new();
    for _ in 0..5 {
        ask(&fleet, &old, &csr("new")).await.unwrap();
        serials.push(answered(&fleet));
    }
    serials.dedup();
    assert_eq!((serials.len(), fleet.authority.issued()), (1, issued + 1));
}

#[tokio::test]
async fn of_two_keys_the_newest_wins_and_what_was_given_stays_good_until_it_was_seen() {
    let (fleet, _, old) = device().await;
    connect(&fleet, &old).await;
    ask(&fleet, &old, &csr("a")).await.unwrap();
    let a = shown(&answered(&fleet), old.not_after);
    ask(&fleet, &old, &csr("b")).await.unwrap();
    let b = shown(&answered(&fleet), old.not_after);
    assert_ne!(a.serial, b.serial);
    // Its flash has the first one after all.
    connect(&fleet, &a).await;
    assert_eq!(answered(&fleet), b.serial, "the newest is still to be seen");
    later(&fleet, 8 * DAY);
    assert_eq!(knock(&fleet, &old).await, Err(Refusal::Superseded), "the first one was seen a week ago");
    assert!(knock(&fleet, &a).await.is_ok());
    connect(&fleet, &b).await;
    assert_eq!(answers(&fleet), []);
    later(&fleet, 8 * DAY);
    assert_eq!(knock(&fleet, &a).await, Err(Refusal::Superseded));
    assert!(knock(&fleet, &b).await.is_ok());
}

#[tokio::test]
async fn a_request_that_comes_again_late_makes_its_answer_the_newest_again() {
    let (fleet, _, old) = device().await;
    connect(&fleet, &old).await;
    ask(&fleet, &old, &csr("a")).await.unwrap();
    let a = answered(&fleet);
    ask(&fleet, &old, &csr("b")).await.unwrap();
    let b = answered(&fleet);
    ask(&fleet, &old, &csr("a")).await.unwrap();
    assert_eq!(answered(&fleet), a);
    connect(&fleet, &old).await;
    assert_eq!(answered(&fleet), a);
    assert_ne!(a, b);
}

#[tokio::test]
async fn an_answer_that_was_stored_and_not_sent_comes_after_a_crash() {
    let (fleet, _, old) = device().await;
    connect(&fleet, &old).await;
    fleet.link.fail_next_publishes(1);
    ask(&fleet, &old, &csr("new")).await.unwrap();
    assert_eq!(answers(&fleet), [], "stored, acknowledged, lost");
    let issued = fleet.authority.issued();
    let fleet = fleet.crash().await;
    connect(&fleet, &old).await;
    let serial = answered(&fleet);
    assert_eq!(fleet.authority.issued(), issued, "it is the stored one");
    // Asked again by a board that never saw it: the same.
    ask(&fleet, &old, &csr("new")).await.unwrap();
    assert_eq!(answered(&fleet), serial);
}

#[tokio::test]
async fn a_request_is_not_acknowledged_before_its_answer_is_stored() {
    let (fleet, id, old) = device().await;
    connect(&fleet, &old).await;
    fleet.registry.fail_next_commits(2);
    ask(&fleet, &old, &csr("new")).await.expect("the third try");
    answered(&fleet);
    fleet.registry.fail_next_commits(100);
    assert!(ask(&fleet, &old, &csr("newer")).await.is_err(), "not acknowledged: it comes again");
    fleet.registry.fail_next_commits(0);
    assert_eq!(answers(&fleet), [], "nothing is given out that is not stored");
    let mut read = fleet.registry.read().await.unwrap();
    assert_eq!(read.renewals_of(id).await.unwrap().len(), 1);
    assert_eq!(read.certificates(id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_tls_layer_knows_the_keys_of_boards_that_overwrote_theirs() {
    let (fleet, _, old) = device().await;
    let keys = |fleet: &Fleet| fleet.engine.keys_of(&old.name()).len();
    assert_eq!(keys(&fleet), 0);
    connect(&fleet, &old).await;
    ask(&fleet, &old, &csr("a")).await.unwrap();
    ask(&fleet, &old, &csr("b")).await.unwrap();
    answers(&fleet);
    assert_eq!(fleet.engine.keys_of(&old.name()), [csr("a").into_bytes(), csr("b").into_bytes()]);
    let fleet = fleet.crash().await;
    assert_eq!(keys(&fleet), 2);
    connect(&fleet, &old).await;
    let new = shown(&answered(&fleet), old.not_after);
    assert!(fleet.engine.keys_of(&new.name()).is_empty(), "nothing was asked for with the new one");
    connect(&fleet, &new).await;
    assert_eq!(keys(&fleet), 0, "it is over");
}

#[tokio::test]
async fn what_cannot_be_renewed_is_answered_with_the_reason() {
    let (fleet, id, old) = device().await;
    connect(&fleet, &old).await;
    let refused = |fleet: &Fleet| {
        let acks = answers(fleet);
        assert_eq!((acks.len(), acks[0].client_ca.clone()), (1, None));
        assert!(acks[0].message.is_some());
        acks[0].status.as_str().to_owned()
    };
    ask(&fleet, &old, "rubbish").await.expect("it is no use sending it again");
    assert_eq!(refused(&fleet), "BAD_CSR");
    let state = |state| DevicePatch { state: Some(state), ..DevicePatch::default() };
    fleet.engine.patch_device(&fleet.actor, id, state(DeviceState::Suspended)).await.unwrap();
    fleet.connect(1).await;
    ask(&fleet, &old, &csr("new")).await.unwrap();
    assert_eq!(refused(&fleet), "SUSPENDED");
    fleet.engine.patch_device(&fleet.actor, id, state(DeviceState::Unregistered)).await.unwrap();
    let admitted = knock(&fleet, &old).await.unwrap();
    assert_eq!(admitted.rights, Rights::RegistrationAndRenewal);
    ask(&fleet, &old, &csr("new")).await.unwrap();
    answered(&fleet);
}

#[tokio::test]
async fn a_device_that_asks_without_end_does_not_fill_the_registry() {
    let (fleet, id, old) = device().await;
    connect(&fleet, &old).await;
    for n in 0..3 * MAX_RENEWALS {
        ask(&fleet, &old, &csr(&n.to_string())).await.unwrap();
    }
    let newest = answers(&fleet).pop().unwrap().client_ca.unwrap();
    let mut read = fleet.registry.read().await.unwrap();
    assert_eq!(read.renewals_of(id).await.unwrap().len(), MAX_RENEWALS);
    assert_eq!(read.certificates(id).await.unwrap().len(), MAX_RENEWALS + 1);
    drop(read);
    let new = shown(newest.split_whitespace().nth(2).unwrap(), old.not_after);
    connect(&fleet, &new).await;
    assert_eq!(fleet.registry.read().await.unwrap().renewals_of(id).await.unwrap(), []);
}

#[tokio::test]
async fn a_device_that_slept_past_the_end_renews_and_does_nothing_else() {
    let (fleet, id, old) = device().await;
    let allow = async |until| fleet.engine.allow_expired(&fleet.actor, id, &old.serial, until).await;
    later(&fleet, 400 * DAY);
    let now = fleet.engine.now();
    assert_eq!(knock(&fleet, &old).await, Err(Refusal::Expired));
    assert!(allow(Some(now)).await.is_err(), "a time that is over");
    assert!(allow(Some(now + 91 * DAY)).await.is_err(), "too far away");
    assert!(fleet.engine.allow_expired(&fleet.actor, id, "0bad", Some(now + DAY)).await.is_err());
    allow(Some(now + 2 * DAY)).await.unwrap();
    assert_eq!(knock(&fleet, &old).await, Ok(Admitted { key: key(1), rights: Rights::RenewalOnly }));
    fleet.connect(1).await;
    ask(&fleet, &old, &csr("new")).await.unwrap();
    let new = shown(&answered(&fleet), now + 365 * DAY);
    connect(&fleet, &new).await;
    later(&fleet, 2 * DAY);
    assert_eq!(knock(&fleet, &old).await, Err(Refusal::Expired));
    assert!(knock(&fleet, &new).await.is_ok());
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_cut_listed_and_does_not_come_back() {
    let (fleet, id, old) = device().await;
    connect(&fleet, &old).await;
    ask(&fleet, &old, &csr("new")).await.unwrap();
    let new = shown(&answered(&fleet), old.not_after);
    let revoke = async |serial: &str| {
        let reason = RevocationReason::KeyCompromise;
        fleet.engine.revoke_certificate(&fleet.actor, id, serial, reason).await
    };
    assert!(revoke("0bad").await.is_err());
    let before = fleet.engine.crl("device").await.unwrap().unwrap();
    assert_eq!(fleet.engine.crl("device").await.unwrap().unwrap(), before, "it is kept");
    revoke(&new.serial).await.unwrap();
    assert_eq!(knock(&fleet, &new).await, Err(Refusal::Revoked));
    assert!(fleet.link.kicked().is_empty(), "another one is in use");
    connect(&fleet, &old).await;
    assert_eq!(answers(&fleet), [], "a revoked certificate is not given out again");
    let after = fleet.engine.crl("device").await.unwrap().unwrap();
    assert!(after.number > before.number);
    assert!(String::from_utf8_lossy(&after.der).ends_with(&new.serial));
    assert_eq!(fleet.engine.crl("nobody").await.unwrap(), None);
    // Once more, for no reason: nothing new is written, and nothing forgotten.
    fleet
        .engine
        .revoke_certificate(&fleet.actor, id, &new.serial, RevocationReason::Unspecified)
        .await
        .unwrap();
    assert_eq!(fleet.journal.read().unwrap().len(), 1);
    assert_eq!(fleet.journal.read().unwrap()[0].reason, RevocationReason::KeyCompromise);
    let until = Some(fleet.engine.now() + DAY);
    assert!(
        fleet.engine.allow_expired(&fleet.actor, id, &new.serial, until).await.is_err(),
        "it stays revoked"
    );
    later(&fleet, 4 * DAY);
    let next = fleet.engine.crl("device").await.unwrap().unwrap();
    assert!(next.number > after.number, "half of its life is over");

    // The same key again, after all: another certificate.
    ask(&fleet, &old, &csr("new")).await.unwrap();
    assert_ne!(answered(&fleet), new.serial);
}

#[tokio::test]
async fn a_restore_cannot_undo_a_revocation() {
    let (fleet, id, old) = device().await;
    let reason = RevocationReason::CessationOfOperation;
    fleet.engine.revoke_certificate(&fleet.actor, id, &old.serial, reason).await.unwrap();
    let journal = fleet.journal.clone();
    // An older copy of the registry, in which the certificate is good.
    let (mut restored, id, again) = device().await;
    assert_eq!(again.serial, old.serial);
    restored.journal = journal;
    assert!(knock(&restored, &again).await.is_ok());
    let restored = restored.crash().await;
    assert_eq!(knock(&restored, &again).await, Err(Refusal::Revoked));
    let listed = restored.registry.read().await.unwrap().certificates(id).await.unwrap();
    assert_eq!(listed[0].state, CertificateState::Revoked);
    // And a file that was lost is written again.
    let mut restored = restored;
    restored.journal = Default::default();
    let restored = restored.crash().await;
    assert_eq!(restored.journal.read().unwrap().len(), 1);
    assert_eq!(restored.journal.read().unwrap()[0].reason, reason);
}

#[tokio::test]
async fn an_imported_identity_comes_in_by_its_row_and_renews_into_one_of_ours() {
    let (fleet, _, _) = device().await;
    let row = |by| ImportRow {
        key: key(7),
        name: Some("boiler".to_owned()),
        product: fleet.product,
        group: None,
        region: None,
        issuer: None,
        identity: Some(by),
    };
    let by_name = row((ImportedBy::CommonName, "SN 0017".to_owned()));
    assert!(fleet.engine.import_devices(&fleet.actor, vec![by_name.clone()]).await.is_err(), "no CA yet");
    fleet.engine.import_ca(&fleet.actor, "O=old".to_owned(), Some("key".to_owned())).await.unwrap();
    let imported = fleet.engine.import_devices(&fleet.actor, vec![by_name.clone()]).await.unwrap();
    assert_eq!(imported, (1, 1));
    assert_eq!(fleet.engine.import_devices(&fleet.actor, vec![by_name]).await.unwrap(), (0, 0), "again");

    let old = PresentedCertificate {
        common_name: "SN 0017".to_owned(),
        issuer: "O=old".to_owned(),
        serial: "61ac".to_owned(),
        not_before: START,
        not_after: START + 3650 * DAY,
        imported: true,
    };
    let knock = async |certificate: &PresentedCertificate, client_id: &str| {
        let client = ClientIdentity {
            client_id: client_id.to_owned(),
            certificate: Some(certificate.clone()),
            door: Door::Mtls,
            address: "127.0.0.1:1".parse().unwrap(),
        };
        fleet.engine.authenticate(client).await
    };
    assert_eq!(knock(&old, "ESP32_a1b2c3").await, Ok(Admitted::fully(key(7))), "its client id is free");
    let stranger =
        PresentedCertificate { common_name: "SN 0018".to_owned(), serial: "61ad".to_owned(), ..old.clone() };
    assert_eq!(knock(&stranger, "7").await, Err(Refusal::UnknownCertificate));
    let faked = PresentedCertificate { imported: false, ..old.clone() };
    assert!(matches!(knock(&faked, "ESP32_a1b2c3").await, Err(Refusal::WrongClientId { .. })));
    let device = fleet.engine.device_by_key(&key(7)).await.unwrap();
    let listed = fleet.registry.read().await.unwrap().certificates(device.id).await.unwrap();
    assert_eq!(
        (listed.len(), listed[0].serial.as_str()),
        (1, "61ac"),
        "operators see it from its first knock on"
    );

    // Renewal: CN = key from now on; both work until the new one was seen.
    fleet.link.connect(&key(7), fleet.engine.now());
    let request = UpMessage::CertRequest(CertRequest { csr: csr("x"), timestamp: None });
    let message = InboundMessage {
        key: key(7),
        topic: request.topic().topic(&key(7)),
        payload: request.encode().unwrap().into(),
        qos: 1,
        door: Door::Mtls,
        certificate: Some(Arc::new(old.clone())),
    };
    fleet.engine.message(message).await.unwrap();
    let acks = answers(&fleet);
    let roots = acks[0].root_ca.clone().unwrap();
    assert_eq!(roots, "fake root\nfake imported root O=old\n", "ours first");
    let pem = acks[0].client_ca.clone().unwrap();
    let new = PresentedCertificate {
        common_name: "7".to_owned(),
        ..shown(pem.split_whitespace().nth(2).unwrap(), START + 365 * DAY)
    };
    assert!(knock(&old, "ESP32_a1b2c3").await.is_ok());
    assert_eq!(knock(&new, "7").await, Ok(Admitted::fully(key(7))));
    later(&fleet, 7 * DAY);
    assert_eq!(knock(&old, "ESP32_a1b2c3").await, Err(Refusal::Superseded));
    let second = PresentedCertificate { serial: "61ae".to_owned(), ..old.clone() };
    assert_eq!(knock(&second, "x").await, Err(Refusal::Superseded), "nor another certificate of that name");
    assert!(knock(&new, "7").await.is_ok());
}

#[tokio::test]
async fn a_certificate_of_an_imported_ca_can_be_revoked_before_it_was_ever_seen() {
    let (fleet, _, _) = device().await;
    fleet.engine.import_ca(&fleet.actor, "O=old".to_owned(), None).await.unwrap();
    let row = ImportRow {
        key: key(7),
        name: None,
        product: fleet.product,
        group: None,
        region: None,
        issuer: Some("O=old".to_owned()),
        identity: Some((ImportedBy::CommonName, "SN".to_owned())),
    };
    fleet.engine.import_devices(&fleet.actor, vec![row]).await.unwrap();
    let id = fleet.engine.device_by_key(&key(7)).await.unwrap().id;
    let reason = RevocationReason::Unspecified;
    // As openssl prints it.
    fleet.engine.revoke_certificate(&fleet.actor, id, "61:AC", reason).await.unwrap();
    let name = CertificateName { issuer: "O=old".to_owned(), serial: "61ac".to_owned() };
    assert!(fleet.registry.read().await.unwrap().revocation(&name).await.unwrap().is_some());
    for (serial, answer) in [("61ac", Err(Refusal::Revoked)), ("61ad", Ok(Admitted::fully(key(7))))] {
        let client = ClientIdentity {
            client_id: "board".to_owned(),
            certificate: Some(PresentedCertificate {
                common_name: "SN".to_owned(),
                issuer: "O=old".to_owned(),
                serial: serial.to_owned(),
                not_before: START,
                not_after: START + DAY,
                imported: true,
            }),
            door: Door::Mtls,
            address: "127.0.0.1:1".parse().unwrap(),
        };
        assert_eq!(fleet.engine.authenticate(client).await, answer);
    }
}
