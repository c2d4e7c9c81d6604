//! Registration by a one-time code, as a device and an operator see it.

use argosy_domain::model::{DevicePatch, DeviceState, RegistrationCodeState};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{AuditFilter, DeviceEvents, Door, InboundMessage, LiveSession, Registry, Rights};
use argosy_engine::{CodeRequest, DeviceRequest, EngineError, NewCode};
use argosy_proto::message::{AuthKey, Regist, RegistAck, RegistStatus};
use argosy_proto::{DownMessage, GroupId, RegionId, UpMessage, decode_down, parse_down};
use futures::future::join_all;
use std::time::Duration;

use crate::fleet::{Fleet, hash, key};

/// A fleet whose devices 101, 102, … have only an identity.
struct Site {
    fleet: Fleet,
    group: GroupId,
    region: RegionId,
}

impl Site {
    async fn with(unregistered: usize) -> Self {
        let fleet = Fleet::of(1).await;
        let mut work = fleet.work().await;
        let group = work.insert_group("pilot", fleet.engine.now()).await.expect("a group");
        let region = work.insert_region("KR-11", "서울", fleet.engine.now()).await.expect("a region");
        work.commit().await.expect("a commit");
        let requests: Vec<_> = (101..=100 + unregistered)
            .map(|n| DeviceRequest {
                key: key(n),
                name: None,
                csr: None,
                attributes: Default::default(),
                unregistered: true,
            })
            .collect();
        fleet
            .engine
            .enroll_devices(&fleet.actor, fleet.product, None, None, requests)
            .await
            .expect("identities");
        let site = Self { fleet, group, region };
        for n in 101..=100 + unregistered {
            site.connect(n).await;
        }
        site
    }

    /// Connects as the gate lets an unregistered device in.
    async fn connect(&self, n: usize) {
        let number = self.fleet.link.connect_as(LiveSession {
            key: key(n),
            client_id: n.to_string(),
            address: "127.0.0.1:40000".parse().expect("an address"),
            door: Door::Mtls,
            tls_version: None,
            certificate_serial: None,
            rights: Rights::RegistrationAndRenewal,
            mqtt_version: "5".to_owned(),
            subscriptions: Vec::new(),
            connected_at: self.fleet.engine.now(),
        });
        self.fleet.engine.connected(&key(n), number).await;
    }

    fn request(&self) -> CodeRequest {
        CodeRequest { product: self.fleet.product, group: self.group, region: self.region, device_name: None }
    }

    async fn code(&self) -> NewCode {
        let made = self.fleet.engine.create_registration_code(&self.fleet.actor, self.request()).await;
        made.expect("a code")
    }

    async fn send(&self, n: usize, name: &str, code: &str) {
        let regist = Regist { device_name: name.into(), auth_key: AuthKey::new(code), timestamp: None };
        self.fleet.say(n, UpMessage::Regist(regist)).await;
    }

    /// Sends a code; what is answered.
    async fn try_code(&self, n: usize, code: &str) -> RegistAck {
        self.send(n, "", code).await;
        self.answer(n)
    }

    /// The one answer to a device since the last look.
    fn answer(&self, n: usize) -> RegistAck {
        let mut answers: Vec<_> = self
            .fleet
            .link
            .take_sent()
            .into_iter()
            .filter(|sent| sent.key == key(n))
            .filter_map(|sent| {
                let (_, topic) = parse_down(&sent.topic).expect("a topic of ours");
                match decode_down(topic, &sent.payload).expect("a payload of ours") {
                    DownMessage::RegistAck(ack) => Some(ack),
                    _ => None,
                }
            })
            .collect();
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }

    async fn state(&self, code: &NewCode) -> RegistrationCodeState {
        let mut read = self.fleet.registry.read().await.expect("a session");
        let found = read.registration_code(code.row.id).await.expect("read").expect("the code is there");
        found.state(self.fleet.engine.now())
    }

    async fn audited(&self, action: &str) -> Vec<String> {
        let mut read = self.fleet.registry.read().await.expect("a session");
        let filter = AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() };
        let found = read.audit(&filter, &PageRequest::first(100)).await.expect("read").items;
        found.into_iter().map(|e| format!("{} {} {}", e.actor, e.subject, e.detail)).collect()
    }
}

/// Another code than `code`.
fn other(code: &str, by: u32) -> String {
    format!("{:06}", (code.parse::<u32>().expect("digits") + by) % 1_000_000)
}

#[tokio::test]
async fn a_device_that_knows_the_code_is_named_placed_and_active_at_once() {
    let site = Site::with(1).await;
    let firmware = site.fleet.firmware("2.0.0", hash(2)).await;
    let code = site.code().await;
    assert_eq!(site.state(&code).await, RegistrationCodeState::Open);
    site.send(101, "  3층 자판기 ", &code.code).await;
    let ack = site.answer(101);
    assert_eq!((ack.status, ack.retry_after_s), (RegistStatus::Ok, None));
    assert_eq!(ack.message.as_deref(), Some("registered as 3층 자판기"));

    let device = site.fleet.device(101).await;
    assert_eq!(device.spec.state, DeviceState::Active);
    assert_eq!(device.spec.name, "3층 자판기");
    assert_eq!((device.spec.group, device.spec.region), (Some(site.group), Some(site.region)));
    assert_eq!(site.state(&code).await, RegistrationCodeState::Used);
    // The session that it has got every right, and a rollout reaches it without a reconnect.
    let session = site.fleet.engine.link().expect("a link").session(&key(101)).await.expect("connected");
    assert_eq!(session.rights, Rights::Full);
    site.fleet.deploy(firmware, Fleet::policy()).await;
    let requests = site.fleet.wait_requests(1).await;
    assert_eq!(requests[0].0, key(101));

    let audited = site.audited("device.register").await;
    assert_eq!(audited.len(), 1);
    assert!(audited[0].starts_with("device:101 device:101 {"), "{audited:?}");
}

#[tokio::test]
async fn the_code_stands_nowhere() {
    let site = Site::with(2).await;
    let code = site.code().await;
    assert!(!format!("{code:?}").contains(&code.code));
    site.try_code(101, &other(&code.code, 1)).await;
    site.try_code(102, &code.code).await;
    // Malformed ones, and one that was sent to the wrong address.
    let digits = &code.code;
    for (topic, payload) in [
        ("regist", format!("{{\"auth_key\": \"{digits}\"")),
        ("regist", digits.to_string()),
        ("regist", format!("{{\"auth_key\": [\"{digits}\"]}}")),
        ("regst", format!("{{\"device_name\": \"x\", \"auth_key\": \"{digits}\"}}")),
    ] {
        site.fleet.say_raw(101, format!("v1/101/{topic}"), payload.into_bytes()).await;
    }
    assert_eq!(site.fleet.dead_letters().len(), 4);
    let everything = format!("{:?} {:?}", site.fleet.registry, site.fleet.series.all());
    assert!(everything.contains("registration_code.create"), "it shows what is kept");
    assert!(!everything.contains(digits), "the code is kept somewhere");
    let bytes: Vec<String> = digits.bytes().map(|b| b.to_string()).collect();
    assert!(!everything.contains(&bytes.join(", ")), "the code is kept somewhere as bytes");
}

#[tokio::test]
async fn of_two_devices_with_the_same_code_exactly_one_wins() {
    let site = Site::with(8).await;
    let code = site.code().await;
    join_all((101..=108).map(|n| site.send(n, "", &code.code))).await;
    let mut winners = 0;
    for n in 101..=108 {
        winners += usize::from(site.fleet.device(n).await.spec.state == DeviceState::Active);
    }
    assert_eq!(winners, 1);
    assert_eq!(site.audited("device.register").await.len(), 1);
}

#[tokio::test]
async fn five_wrong_codes_lock_a_device_and_no_other_for_a_while_over_a_crash() {
    let mut site = Site::with(2).await;
    let code = site.code().await;
    for left in (0..5).rev() {
        let ack = site.try_code(101, &other(&code.code, 7)).await;
        assert_eq!(ack.status, RegistStatus::AuthFailed);
        let message = ack.message.expect("a message");
        if left > 0 {
            assert_eq!(
                (ack.retry_after_s, message.contains(&format!("{left} more"))),
                (None, true),
                "{message}"
            );
        } else {
            assert_eq!(ack.retry_after_s, Some(900), "{message}");
        }
    }
    let ack = site.try_code(101, &code.code).await;
    assert_eq!(
        (ack.status, ack.retry_after_s),
        (RegistStatus::Locked, Some(900)),
        "even with the right code"
    );
    site.fleet = site.fleet.crash().await;
    site.connect(101).await;
    site.connect(102).await;
    site.fleet.clock.advance(Duration::from_secs(600));
    let code = site.code().await;
    let ack = site.try_code(101, &code.code).await;
    assert_eq!((ack.status, ack.retry_after_s), (RegistStatus::Locked, Some(300)));
    assert_eq!(site.state(&code).await, RegistrationCodeState::Open);
    assert_eq!(site.try_code(102, &code.code).await.status, RegistStatus::Ok, "nobody else is locked");
    site.fleet.clock.advance(Duration::from_secs(300));
    let code = site.code().await;
    assert_eq!(site.try_code(101, &code.code).await.status, RegistStatus::Ok);
    let refused = site.audited("device.register_refused").await;
    assert_eq!(refused.len(), 5, "a locked device writes nothing: {refused:?}");
    assert!(refused.iter().any(|line| line.contains("\"locked\":true")));
}

#[tokio::test]
async fn a_lost_answer_is_given_again_and_a_further_code_is_of_no_use() {
    let mut site = Site::with(1).await;
    let (first, second) = (site.code().await, site.code().await);
    site.fleet.link.fail_next_publishes(1);
    site.send(101, "", &first.code).await;
    assert!(site.fleet.link.take_sent().is_empty(), "the answer was lost");
    // And again after a crash: the device comes back as an active one.
    site.fleet = site.fleet.crash().await;
    site.fleet.connect(101).await;
    assert_eq!(site.try_code(101, &first.code).await.status, RegistStatus::Ok);
    assert_eq!(site.try_code(101, &second.code).await.status, RegistStatus::AlreadyRegistered);
    assert_eq!(site.try_code(101, "junk").await.status, RegistStatus::AlreadyRegistered);
    assert_eq!(site.audited("device.register").await.len(), 1);
    site.fleet.clock.advance(Duration::from_secs(3601));
    assert_eq!(site.try_code(101, &first.code).await.status, RegistStatus::AlreadyRegistered);
}

#[tokio::test]
async fn a_code_that_does_not_fit_is_refused_and_the_device_learns_no_more_than_it_must() {
    let site = Site::with(1).await;
    let [expired, revoked, foreign, gone] =
        [site.code().await, site.code().await, site.code().await, site.code().await];
    let mut work = site.fleet.work().await;
    let mut other_kind = work.product(site.fleet.product).await.expect("read").expect("there").spec;
    other_kind.name = "boiler".into();
    let other_product = work.insert_product(&other_kind, site.fleet.engine.now()).await.expect("a product");
    work.commit().await.expect("a commit");
    drop(foreign);
    let request = CodeRequest { product: other_product, ..site.request() };
    let foreign =
        site.fleet.engine.create_registration_code(&site.fleet.actor, request).await.expect("a code");
    site.fleet.engine.revoke_registration_code(&site.fleet.actor, revoked.row.id).await.expect("revoked");
    let again = site.fleet.engine.revoke_registration_code(&site.fleet.actor, revoked.row.id).await;
    assert!(matches!(again, Err(EngineError::Conflict { code: "code_ended", .. })), "{again:?}");

    assert_eq!(site.try_code(101, &revoked.code).await.status, RegistStatus::AuthFailed);
    assert_eq!(site.try_code(101, &foreign.code).await.status, RegistStatus::AuthFailed);
    assert_eq!(site.state(&foreign).await, RegistrationCodeState::Open, "it was not used up");
    let mut work = site.fleet.work().await;
    assert!(work.delete_region(site.region).await.expect("delete"));
    work.commit().await.expect("a commit");
    assert_eq!(site.try_code(101, &gone.code).await.status, RegistStatus::AuthFailed);
    site.fleet.clock.advance(Duration::from_secs(300));
    assert_eq!(site.try_code(101, &expired.code).await.status, RegistStatus::Expired);
    let refused = site.audited("device.register_refused").await.join("\n");
    for reason in ["was revoked", "another product", "was deleted", "has expired"] {
        assert!(refused.contains(reason), "{reason}: {refused}");
    }
}

#[tokio::test]
async fn what_cannot_be_committed_is_not_answered_and_may_be_sent_again() {
    let site = Site::with(1).await;
    let code = site.code().await;
    site.fleet.registry.fail_next_commits(1);
    let regist = Regist { device_name: "x".into(), auth_key: AuthKey::new(&code.code), timestamp: None };
    let message = UpMessage::Regist(regist);
    let message = InboundMessage {
        key: key(101),
        topic: message.topic().topic(&key(101)),
        payload: message.encode().expect("a payload").into(),
        qos: 1,
        door: Door::Mtls,
        certificate: None,
    };
    site.fleet.engine.message(message.clone()).await.expect_err("not durable, not acknowledged");
    assert!(site.fleet.link.take_sent().is_empty());
    assert_eq!(site.state(&code).await, RegistrationCodeState::Open);
    site.fleet.engine.message(message).await.expect("durable");
    assert_eq!(site.answer(101).status, RegistStatus::Ok);
}

#[tokio::test]
async fn whose_name_wins() {
    let site = Site::with(3).await;
    let named = CodeRequest { device_name: Some(" 로비 ".into()), ..site.request() };
    let code = site.fleet.engine.create_registration_code(&site.fleet.actor, named).await.expect("a code");
    site.send(101, "own", &code.code).await;
    assert_eq!(site.fleet.device(101).await.spec.name, "로비", "the code's");
    let id = site.fleet.device(102).await.id;
    let patch = DevicePatch { name: Some("operator's".into()), ..DevicePatch::default() };
    site.fleet.engine.patch_device(&site.fleet.actor, id, patch).await.expect("renamed");
    let code = site.code().await;
    site.send(102, "own", &code.code).await;
    assert_eq!(site.fleet.device(102).await.spec.name, "operator's");
    let code = site.code().await;
    site.send(103, " \u{7} ", &code.code).await;
    assert_eq!(site.fleet.device(103).await.spec.name, "103", "a name that is none leaves the key");
}

#[tokio::test]
async fn no_more_codes_are_open_than_may_be() {
    let site = Site::with(1).await;
    let most = site.fleet.engine.config().registration.max_open;
    let mut codes = std::collections::BTreeSet::new();
    for _ in 0..most {
        assert!(codes.insert(site.code().await.code), "no two open codes are the same");
    }
    let one_more = site.fleet.engine.create_registration_code(&site.fleet.actor, site.request()).await;
    assert!(matches!(one_more, Err(EngineError::Conflict { code: "too_many_codes", .. })), "{one_more:?}");
    site.fleet.clock.advance(Duration::from_secs(300));
    site.code().await;
}

#[tokio::test]
async fn an_operator_may_activate_a_device_without_a_code() {
    let site = Site::with(1).await;
    let id = site.fleet.device(101).await.id;
    let patch = DevicePatch { state: Some(DeviceState::Active), ..DevicePatch::default() };
    site.fleet.engine.patch_device(&site.fleet.actor, id, patch).await.expect("activated");
    let session = site.fleet.engine.link().expect("a link").session(&key(101)).await.expect("connected");
    assert_eq!(session.rights, Rights::Full);
}

#[tokio::test]
async fn a_held_server_registers_nobody_and_keeps_requests_for_certificates() {
    use argosy_domain::model::Hold;
    use argosy_engine::Actor;
    let mut site = Site::with(1).await;
    let code = site.code().await;
    let mut work = site.fleet.work().await;
    let hold = Hold { since: site.fleet.engine.now(), reason: "test".into(), backup_at: None };
    work.set_hold(&hold).await.expect("held");
    work.commit().await.expect("a commit");
    site.fleet = site.fleet.crash().await;
    assert!(site.fleet.engine.is_held());
    site.connect(101).await;
    let ack = site.try_code(101, &code.code).await;
    assert_eq!((ack.status, ack.retry_after_s), (RegistStatus::Locked, Some(300)));
    let refused = site.fleet.engine.create_registration_code(&site.fleet.actor, site.request()).await;
    assert!(matches!(refused, Err(EngineError::Conflict { code: "held", .. })), "{refused:?}");
    // Acknowledged, and neither answered nor refused: the board's key may be overwritten already.
    let csr = "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n";
    let payload = serde_json::json!({ "csr": csr }).to_string();
    site.fleet.say_raw(101, "v1/101/cert/request".into(), payload.into_bytes()).await;
    assert!(site.fleet.link.take_sent().is_empty());
    let held = site.fleet.engine.held_work().await.expect("read").expect("held");
    assert_eq!(held.deferred, 1);

    let nobody = Actor { role: argosy_domain::model::Role::Operator, ..site.fleet.actor.clone() };
    assert!(matches!(site.fleet.engine.resume_server(&nobody).await, Err(EngineError::Forbidden { .. })));
    site.fleet.engine.resume_server(&site.fleet.actor).await.expect("resumed");
    assert!(!site.fleet.engine.is_held());
    assert_eq!(site.fleet.registry.read().await.expect("a session").deferred_count().await.expect("read"), 0);
    site.fleet.link.take_sent();
    let code = site.code().await;
    assert_eq!(site.try_code(101, &code.code).await.status, RegistStatus::Ok);
}
