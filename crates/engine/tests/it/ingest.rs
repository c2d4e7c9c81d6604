use argosy_domain::model::{Event, Fact, SeriesRow, UpdateState};
use argosy_domain::ports::{ClientIdentity, DeviceEvents, Door, PresentedCertificate, Refusal};
use argosy_engine::DeviceRequest;

use crate::fleet::{Fleet, count, hash, key};

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
    let letters = fleet.dead_letters();
    assert_eq!(letters.len(), 5);
    assert!(letters.iter().all(|(from, _, reason, _)| *from == key(1) && !reason.is_empty()), "{letters:?}");
    assert!(fleet.device(2).await.last_seen_at.is_none());
}

#[tokio::test]
async fn a_registration_code_is_never_kept() {
    let fleet = Fleet::of(1).await;
    let payload = r#"{"device_name":"a","auth_key":"123456","timestamp":"2025-07-03T10:30:45Z"}"#;
    fleet.say_raw(1, "v1/1/regist".to_owned(), payload.as_bytes().to_vec()).await;
    let everything = format!("{:?} {:?}", fleet.series.all(), fleet.registry);
    assert!(!everything.contains("123456"));
    let bytes: Vec<String> = "123456".bytes().map(|b| b.to_string()).collect();
    assert!(!everything.contains(&bytes.join(", ")));
}

#[tokio::test]
async fn a_status_updates_the_device_and_every_fact_goes_to_the_series_store() {
    let fleet = Fleet::of(1).await;
    fleet.connect(1).await;
    let status = br#"{"firmware_version":"1.2.3","advertisements":[],"system":{"uptime":5}}"#;
    fleet.say_raw(1, "v1/1/status/system".into(), status.to_vec()).await;
    fleet.say_raw(1, "v1/1/sales/data".into(), br#"{"type":"coffee","sub_type":"hot"}"#.to_vec()).await;
    fleet.say_raw(1, "v1/1/data/boiler".into(), br#"{"celsius":81.5}"#.to_vec()).await;
    fleet.say_raw(1, "v1/1/status/error_log".into(), br#"{"error_tag":"E1","log":"hot"}"#.to_vec()).await;
    let device = fleet.device(1).await;
    assert_eq!(device.firmware_version.as_deref(), Some("1.2.3"));
    assert!(device.online && device.last_seen_at.is_some());
    let rows: Vec<SeriesRow> = fleet.series.all();
    assert!(rows.iter().all(|row| row.device == device.id));
    let words: Vec<&str> = rows
        .iter()
        .map(|row| match &row.fact {
            Fact::Status(status) if status.uptime == Some(5) => "status",
            Fact::Data(row) if row.stream.as_str() == "boiler" => "boiler",
            Fact::Event(Event::Sale { item, .. }) if item == "coffee" => "sale",
            Fact::Event(Event::Log { tag, text }) if tag == "E1" && text == "hot" => "log",
            Fact::Event(Event::Presence { online: true }) => "online",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(words.len(), 5);
    assert_eq!(
        words.iter().filter(|word| **word != "online").collect::<Vec<_>>(),
        [&"status", &"sale", &"boiler", &"log"]
    );
}

#[tokio::test]
async fn a_status_that_says_nothing_new_costs_the_registry_nothing() {
    let fleet = Fleet::of(1).await;
    fleet.connect(1).await;
    let status = br#"{"firmware_version":"1.2.3","advertisements":[{"id":4}]}"#.to_vec();
    fleet.say_raw(1, "v1/1/status/system".into(), status.clone()).await;
    let commits = || fleet.registry.commits().iter().filter(|purpose| **purpose == "ingest").count();
    let before = commits();
    for _ in 0..5 {
        fleet.say_raw(1, "v1/1/status/system".into(), status.clone()).await;
    }
    assert_eq!(commits(), before);
    let other = br#"{"firmware_version":"1.2.4","advertisements":[{"id":4}]}"#.to_vec();
    fleet.say_raw(1, "v1/1/status/system".into(), other).await;
    assert_eq!(fleet.device(1).await.firmware_version.as_deref(), Some("1.2.4"));
    assert_eq!(fleet.series.all().iter().filter(|row| matches!(row.fact, Fact::Status(_))).count(), 7);
}

#[tokio::test]
async fn without_space_for_facts_devices_keep_them_and_updates_go_on() {
    let fleet = Fleet::of(1).await;
    fleet.connect(1).await;
    let firmware = fleet.firmware("2.0.0", hash(2)).await;
    let deployment = fleet.deploy(firmware, Fleet::policy()).await;
    let request = fleet.wait_requests(1).await.remove(0).1;
    fleet.series.set_full(true);
    let sale = fleet.try_raw(1, "v1/1/sales/data".into(), br#"{"type":"tea"}"#.to_vec()).await;
    assert!(sale.is_err(), "what is not kept is not acknowledged");
    fleet.obey(&key(1), &request).await;
    fleet.until(deployment, "a success", |summary| count(summary, UpdateState::Succeeded) == 1).await;
    fleet.series.set_full(false);
    fleet.say_raw(1, "v1/1/sales/data".into(), br#"{"type":"tea"}"#.to_vec()).await;
    assert!(fleet.events().iter().any(|event| matches!(event, Event::Sale { item, .. } if item == "tea")));
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
        unregistered: false,
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
    fleet
        .engine
        .revoke_certificate(
            &fleet.actor,
            enrolled[0].id,
            &issued.serial,
            argosy_domain::model::RevocationReason::Unspecified,
        )
        .await
        .expect("revoked");
    assert_eq!(ask(knock("2", "2", &issued.serial, Door::Mtls)).await, Err(Refusal::Revoked));
}
