//! The server dies during a rollout, again and again, without a word, and the rollout ends as if it had not.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use argosy_sim::{
    Counters, Enrolment, Fleet, FleetConfig, FleetHandle, IdentityStore, Report, Shares, WallClock,
    device_keys, enrol,
};
use serde_json::{Value, json};

use crate::harness::{Builder, LIMIT, PRODUCT, Server, image, until, until_within};

const DEVICES: u64 = 200;
const SIZE: usize = 256 * 1024;

/// The fleet, on threads of its own: the test itself waits and kills.
pub(crate) struct Devices {
    runtime: tokio::runtime::Runtime,
    fleet: FleetHandle,
}

impl Devices {
    pub(crate) fn start(server: &Server, count: u64, shares: Shares) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let fleet = runtime.block_on(Box::pin(connect(server, count, shares)));
        Self { runtime, fleet }
    }

    pub(crate) fn counters(&self) -> &Counters {
        self.fleet.counters()
    }

    pub(crate) fn until_all_online(&self) {
        let all = self.fleet.devices();
        until("the fleet is connected", || (self.counters().online.load(Relaxed) == all).then_some(()));
    }

    pub(crate) fn stop(self) -> Report {
        let report = self.runtime.block_on(self.fleet.stop());
        println!("{report}");
        report
    }
}

async fn connect(server: &Server, count: u64, shares: Shares) -> FleetHandle {
    let keys = device_keys("sim-", &format!("1..{count}")).expect("keys");
    let mut store = IdentityStore::open(server.path("identities")).expect("a folder");
    let enrolment = Enrolment {
        api: server.api.base().to_owned(),
        token: server.api.token().to_owned(),
        ca_pem: None,
        product: PRODUCT.to_owned(),
        group: None,
        region: None,
        certificates: true,
    };
    enrol(&enrolment, &mut store, &keys).await.expect("the fleet is enrolled");
    let mut config = FleetConfig {
        broker: format!("mqtts://localhost:{}", server.ports.mqtts),
        chunk: 32 * 1024,
        ahead: false,
        pause: Duration::from_millis(40),
        handshakes: 16,
        shares,
        offline_for: Duration::from_secs(3),
        slow_rate: 128 * 1024,
        ..FleetConfig::default()
    };
    // Back within moments of the server: five restarts are to be seen, not waited for.
    config.reconnect.first_ms = 100;
    config.reconnect.max_ms = 1_000;
    config.retry.first_ms = 100;
    config.retry.max_ms = 1_000;
    #[expect(clippy::disallowed_methods, reason = "a test is a binary: it composes the real clock")]
    let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let clock = WallClock::starting_at(u64::try_from(epoch.as_millis()).expect("a time"));
    Fleet::start(config, clock, keys, &store).await.expect("the fleet starts")
}

#[test]
fn two_hundred_devices_are_updated_once_each_though_the_server_is_killed_five_times() {
    let mut server = Builder::default().set("fleet.reconnect_jitter_seconds=0").start();
    server.product();
    server.firmware("2.0.0", &image(SIZE, "2.0.0"));
    let devices = Devices::start(&server, DEVICES, Shares::default());
    let counters = devices.counters();
    devices.until_all_online();

    // First death: right after the answer, while targets are worked out. The caller repeats the call and makes nothing new.
    let body = json!({
        "product": PRODUCT, "version": "2.0.0", "target": { "all": true },
        "policy": {
            "max_in_flight": 50, "rate_per_s": 25, "attempt_timeout_s": 10, "offline_grace_s": 5,
            "max_attempts": 20,
        },
    });
    let once = ["--header", "idempotency-key: rollout-1"];
    let made = server.api.post_with(&once, "/deployments", &body).expect(201).json();
    server.crash();
    let again = server.api.post_with(&once, "/deployments", &body).expect(201).json();
    assert_eq!(made["id"], again["id"]);
    let id = made["id"].as_i64().expect("an id");

    // The others: with the first requests out, in the middle of downloads, and twice among the results.
    kill_when(&mut server, "requests are out", &|| counters.requests.load(Relaxed) >= 5);
    let some_bytes = (SIZE * 20) as u64;
    kill_when(&mut server, "bytes flow", &|| counters.bytes_downloaded.load(Relaxed) >= some_bytes);
    kill_when(&mut server, "some are done", &|| counters.succeeded.load(Relaxed) >= DEVICES / 4);
    kill_when(&mut server, "most are done", &|| counters.succeeded.load(Relaxed) >= DEVICES * 3 / 4);

    let view = until_finished(&server, id);
    assert_eq!(view["progress"]["by_state"], json!({ "succeeded": DEVICES }), "{view}");
    assert_eq!(
        (&view["progress"]["total"], &view["progress"]["finished"]),
        (&json!(DEVICES), &json!(DEVICES))
    );
    until("the fleet has heard it", || (counters.succeeded.load(Relaxed) == DEVICES).then_some(()));

    each_device_once(&server, &view);
    // Nothing is left over, and nobody is left behind.
    devices.until_all_online();
    until("the registry knows it", || {
        let counts = server.api.get("/devices/counts").expect(200).json();
        (counts["online"] == DEVICES).then_some(())
    });
    let report = devices.stop();
    assert_eq!((report.requests, report.failed, report.dropped), (DEVICES, 0, 0), "nobody was asked twice");
    assert_eq!((report.reboots, report.corrupt_images), (DEVICES, 0));
    assert_eq!(report.bytes_verified, DEVICES * SIZE as u64, "nobody downloaded what it had");
}

fn kill_when(server: &mut Server, what: &str, when: &dyn Fn() -> bool) {
    until(what, || when().then_some(()));
    server.crash();
}

fn until_finished(server: &Server, id: i64) -> Value {
    until_within(LIMIT * 2, "the rollout ends", || {
        let view = server.deployment(id);
        (view["state"] == "finished").then_some(view)
    })
}

/// What the registry keeps of each device.
fn each_device_once(server: &Server, view: &Value) {
    let id = &view["id"];
    let updates = server.api.list(&format!("/deployments/{id}/devices"));
    assert_eq!(updates.len() as u64, DEVICES);
    for update in &updates {
        assert_eq!(update["state"], "succeeded", "{update}");
        let key = update["key"].as_str().expect("a key");
        let history = server.api.list(&format!("/devices/{key}/firmware-history"));
        let updated: Vec<_> = history.iter().filter(|entry| entry["kind"] == "updated").collect();
        assert_eq!(updated.len(), 1, "{key}: {history:?}");
        assert_eq!(updated[0]["deployment_id"], *id, "{key}: {history:?}");
        let device = server.device(key);
        assert_eq!(device["image_hash"], view["firmware"]["sha256"], "{device}");
    }
    assert_eq!(server.api.list("/dead-letters"), Vec::<Value>::new());
}

#[test]
fn devices_with_faults_of_their_own_are_counted_once_each_too() {
    const FLEET: u64 = 60;
    const BAD: u64 = FLEET / 10;
    let mut server = Builder::default().set("fleet.reconnect_jitter_seconds=0").start();
    server.product();
    server.firmware("2.0.0", &image(SIZE / 2, "2.0.0"));
    let shares =
        Shares { offline_at_first: 0.2, drop_link: 0.3, corrupt: 0.1, crash_new_image: 0.1, slow: 0.1 };
    let devices = Devices::start(&server, FLEET, shares);
    let counters = devices.counters();
    let policy = json!({
        "max_in_flight": 20, "rate_per_s": 15, "attempt_timeout_s": 10, "offline_grace_s": 5, "max_attempts": 20,
    });
    let id = server.deploy("2.0.0", json!({ "all": true }), policy);
    let ended = || counters.succeeded.load(Relaxed) + counters.failed.load(Relaxed);
    kill_when(&mut server, "requests are out", &|| counters.requests.load(Relaxed) >= 5);
    kill_when(&mut server, "some have ended", &|| ended() >= FLEET / 4);
    kill_when(&mut server, "most have ended", &|| ended() >= FLEET / 2);

    let view = until_finished(&server, id);
    let expected = json!({ "succeeded": FLEET - BAD, "rolled_back": BAD });
    assert_eq!(view["progress"]["by_state"], expected, "{view}");
    until("the fleet has heard it", || (ended() == FLEET).then_some(()));
    for update in server.api.list(&format!("/deployments/{id}/devices")) {
        let key = update["key"].as_str().expect("a key");
        let history = server.api.list(&format!("/devices/{key}/firmware-history"));
        let of =
            |kind: &str| history.iter().filter(|e| e["kind"] == kind && e["deployment_id"] == id).count();
        let expected = if update["state"] == "succeeded" { (1, 0) } else { (0, 1) };
        assert_eq!((of("updated"), of("rolled_back")), expected, "{key}: {history:?}");
    }
    let report = devices.stop();
    assert_eq!((report.requests, report.succeeded, report.rolled_back), (FLEET, FLEET - BAD, BAD));
}

#[test]
fn what_an_operator_said_is_still_so_after_a_crash() {
    let mut server = Builder::default().plain("1..9").start();
    server.product();
    server.register_plain(&["1", "2"]);
    server.firmware("2.0.0", &image(4096, "2.0.0"));
    let deploy = |server: &Server, key: &str| server.deploy("2.0.0", json!({ "devices": [key] }), json!({}));
    let say = |server: &Server, id: i64, word: &str| {
        server.api.post(&format!("/deployments/{id}/{word}"), &json!({ "reason": "test" })).expect(200);
    };
    let (paused, canceled) = (deploy(&server, "1"), deploy(&server, "2"));
    say(&server, paused, "pause");
    say(&server, canceled, "cancel");
    server.crash();
    assert_eq!(server.deployment(paused)["state"], "paused");
    until("it is canceled", || (server.deployment(canceled)["state"] == "canceled").then_some(()));
    let by_state = |id: i64| server.deployment(id)["progress"]["by_state"].clone();
    assert_eq!((by_state(paused), by_state(canceled)), (json!({ "pending": 1 }), json!({ "canceled": 1 })));

    let mut device = server.mosquitto_plain("mosquitto_sub", "1");
    let here = device.args(["-q", "1", "-t", "v1/1/#", "-F", "%p"]).spawn();
    server.until_online("1", true);
    say(&server, paused, "resume");
    server.crash();
    let request = here.out.find("the request", |line| line.contains("signed_url"));
    assert!(request.contains(&format!("FW-{paused}-")), "{request}");
}
