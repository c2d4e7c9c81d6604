use argosy_domain::model::InboxKind;
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{
    ClientIdentity, DeviceEvents, Door, InboxFilter, PresentedCertificate, Refusal, Registry,
};
use argosy_engine::DeviceRequest;

use crate::fleet::{Fleet, hash, key};

async fn inbox(fleet: &Fleet, kind: InboxKind) -> Vec<argosy_domain::model::InboxRow> {
    let mut read = fleet.registry.read().await.expect("read");
    read.inbox(&InboxFilter::kind(kind), &PageRequest::first(100)).await.expect("inbox").items
}

#[tokio::test]
async fn what_is_not_understood_is_kept_as_a_dead_letter_and_disturbs_nobody() {
    let fleet = Fleet::of(2).await;
    fleet.connect(1).await;
    for (topic, payload) in [
        ("v1/1/update/result", r#"{"command_id":"FW-99-1-1","status":"SUCCESS"}"#),
        ("v1/1/update/result", r#"{"command_id":"FW-1-2-1","status":"SUCCESS"}"#),
        ("v1/1/update/progress", "not json"),
        ("v1/1/nonsense", "{}"),
        ("v1/2/status/system", "{}"),
    ] {
        fleet.say_raw(1, topic.to_owned(), payload.as_bytes().to_vec()).await;
    }
    let letters = inbox(&fleet, InboxKind::DeadLetter).await;
    assert_eq!(letters.len(), 5);
    assert!(
        letters.iter().all(|l| l.key == key(1) && l.reason.as_ref().is_some_and(|r| !r.is_empty())),
        "{letters:?}"
    );
    assert!(fleet.device(2).await.last_seen_at.is_none());
}

#[tokio::test]
async fn a_registration_code_is_never_kept() {
    let fleet = Fleet::of(1).await;
    let payload = r#"{"device_name":"a","auth_key":"123456","timestamp":"2025-07-03T10:30:45Z"}"#;
    fleet.say_raw(1, "v1/1/regist".to_owned(), payload.as_bytes().to_vec()).await;
    let letters = inbox(&fleet, InboxKind::DeadLetter).await;
    assert_eq!(letters.len(), 1);
    assert!(!format!("{letters:?}").contains("123456"));
}

#[tokio::test]
async fn status_updates_the_device_and_everything_else_waits_in_the_inbox() {
    let fleet = Fleet::of(1).await;
    fleet.connect(1).await;
    fleet
        .say_raw(
            1,
            "v1/1/status/system".into(),
            br#"{"firmware_version":"1.2.3","advertisements":[]}"#.to_vec(),
        )
        .await;
    fleet.say_raw(1, "v1/1/sales/data".into(), br#"{"type":"coffee","sub_type":"hot"}"#.to_vec()).await;
    fleet.say_raw(1, "v1/1/data/boiler".into(), br#"{"celsius":81.5}"#.to_vec()).await;
    let device = fleet.device(1).await;
    assert_eq!(device.firmware_version.as_deref(), Some("1.2.3"));
    assert!(
        device.online && device.last_seen_at.is_some() && device.status.is_some_and(|s| s.contains("1.2.3"))
    );
    let topics: Vec<String> = inbox(&fleet, InboxKind::Message).await.into_iter().map(|r| r.topic).collect();
    assert_eq!(topics, ["v1/1/data/boiler", "v1/1/sales/data"]);
}

#[tokio::test]
async fn presence_is_right_under_take_over_and_after_a_crash() {
    let fleet = Fleet::of(1).await;
    let first = fleet.connect(1).await;
    let second = fleet.connect(1).await;
    fleet.engine.disconnected(&key(1), first).await;
    fleet.hello(1, hash(1), "1", true).await;
    assert!(fleet.device(1).await.online, "the end of a connection that was taken over says nothing");
    fleet.engine.disconnected(&key(1), second).await;
    fleet.connect(1).await;
    fleet.hello(1, hash(1), "1", true).await;
    let fleet = fleet.crash().await;
    assert!(!fleet.device(1).await.online, "after a crash nobody is connected until he is");
}

#[tokio::test]
async fn only_a_certificate_that_the_registry_knows_gets_in() {
    let fleet = Fleet::of(1).await;
    let request = DeviceRequest {
        key: key(2),
        name: None,
        csr: Some("-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n".into()),
        attributes: Default::default(),
    };
    let enrolled = fleet
        .engine
        .enroll_devices(&fleet.actor, fleet.product, None, None, vec![request])
        .await
        .expect("enrolled");
    let issued = enrolled[0].certificate.clone().expect("a certificate");
    let knock = |client_id: &str, common_name: &str, serial: &str, door: Door| ClientIdentity {
        client_id: client_id.into(),
        certificate: (door == Door::Mtls).then(|| PresentedCertificate {
            common_name: common_name.into(),
            issuer: issued.issuer.clone(),
            serial: serial.into(),
            not_before: issued.not_before,
            not_after: issued.not_after,
            imported: false,
        }),
        door,
        address: "127.0.0.1:1".parse().expect("an address"),
    };
    let ask = async |client| fleet.engine.authenticate(client).await.map(|admitted| admitted.key);
    assert_eq!(ask(knock("2", "2", &issued.serial, Door::Mtls)).await, Ok(key(2)));
    assert_eq!(ask(knock("2", "2", "0bad", Door::Mtls)).await, Err(Refusal::UnknownCertificate));
    assert!(matches!(
        ask(knock("1", "2", &issued.serial, Door::Mtls)).await,
        Err(Refusal::WrongClientId { .. })
    ));
    assert!(matches!(
        ask(knock("1", "1", &issued.serial, Door::Mtls)).await,
        Err(Refusal::WrongClientId { .. })
    ));
    // By plain text: only a device that was never given a certificate.
    assert_eq!(ask(knock("1", "", "", Door::Plain)).await, Ok(key(1)));
    assert_eq!(ask(knock("2", "", "", Door::Plain)).await, Err(Refusal::NotAllowedPlain));
    assert_eq!(ask(knock("3", "", "", Door::Plain)).await, Err(Refusal::UnknownDevice));
    fleet.engine.revoke_certificate(&fleet.actor, enrolled[0].id, &issued.serial).await.expect("revoked");
    assert_eq!(ask(knock("2", "2", &issued.serial, Door::Mtls)).await, Err(Refusal::Revoked));
}
