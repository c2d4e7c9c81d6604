//! A backup taken under load, restored into an empty folder, held, and resumed: nothing is lost, and nothing is done twice.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use argosy_sim::Shares;
use serde_json::{Value, json};

use crate::crash::Devices;
use crate::harness::{Builder, LIMIT, PRODUCT, Server, Tool, image, make_csr, until, until_within};

const FLEET: u64 = 60;
const PASSPHRASE: &str = "correct horse battery staple";

/// The program, as an operator calls it.
fn argosy(server: &Server, arguments: &[&str]) -> Tool {
    let mut tool = Tool::new(env!("CARGO_BIN_EXE_argosy"));
    tool.args(arguments);
    if !matches!(arguments.first(), Some(&"restore")) {
        tool.args(["--server", server.api.base(), "--token", server.api.token()]);
    }
    tool
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// Files below a folder, with what is in them.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let name = entry.file_name().expect("a name").to_string_lossy().into_owned();
        if entry.is_dir() {
            found.extend(files(&entry).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.insert(name, fs::read(&entry).expect("a file"));
        }
    }
    found
}

fn says(server: &Server, identity: &crate::harness::Identity, number: usize) {
    let payload =
        json!({ "error_tag": "E42", "log": format!("line {number}"), "timestamp": "2025-01-01T00:00:00Z" });
    let mut tool = server.mosquitto("mosquitto_pub", "dev-1", Some(identity));
    tool.args(["-q", "1", "-t", "v1/dev-1/status/error_log", "-m", &payload.to_string()]).run().ok();
}

#[test]
fn what_was_backed_up_under_load_is_restored_held_and_goes_on_to_exact_counts() {
    let mut server = Builder::default().set("fleet.reconnect_jitter_seconds=0").start();
    server.product();
    let firmware = server.firmware("2.0.0", &image(128 * 1024, "2.0.0"));
    let identities = server.enrol(&["dev-1", "dev-2"]);
    for number in 0..20 {
        // Acknowledged: so it is in every backup that begins from now on.
        says(&server, &identities[0], number);
    }
    let devices = Devices::start(&server, FLEET, Shares::default());
    let counters = devices.counters();
    devices.until_all_online();
    let policy = json!({ "max_in_flight": 10, "rate_per_s": 6, "attempt_timeout_s": 30, "offline_grace_s": 20, "max_attempts": 20 });
    let target = json!({ "all": true });
    let id = server.deploy("2.0.0", target, policy);
    until("some are done", || (counters.succeeded.load(Relaxed) >= FLEET / 5).then_some(()));

    // Under load, by a passphrase and to a key.
    let (words, file) = (server.path("words"), server.path("whole.age"));
    fs::write(&words, format!("{PASSPHRASE}\n")).expect("a file");
    argosy(&server, &["backup", "--to", text(&file), "--passphrase-file", text(&words)]).run().ok();
    let at_backup = server.deployment(id)["progress"]["by_state"].clone();
    assert!(counters.succeeded.load(Relaxed) < FLEET, "the rollout was over before the backup: {at_backup}");
    let verified =
        argosy(&server, &["backup", "--verify", text(&file), "--passphrase-file", text(&words), "--json"]);
    let verified: Value = {
        let mut tool = verified;
        serde_json::from_str(&tool.run().ok().out).expect("JSON")
    };
    assert_eq!(verified["registry"]["rows"]["devices"], FLEET + 2, "{verified}");
    assert_eq!(verified["registry"]["rows"].get("sessions"), None);

    // After the backup: a revocation, which a restore must not undo.
    let serial =
        server.api.list("/devices/dev-2/certificates")[0]["serial"].as_str().expect("a serial").to_owned();
    let path = format!("/api/v1/devices/dev-2/certificates/{serial}");
    let revoked = server.api.call(&["--request", "DELETE"], &path);
    assert!((200..300).contains(&revoked.status), "{revoked:?}");

    // The machine is lost in the middle of the rollout.
    server.kill();
    let old = server.path("old");
    fs::rename(server.data(), &old).expect("moved");
    let data = server.data();
    let restore = |file: &Path, words: &Path| {
        argosy(&server, &["restore", text(file), "--passphrase-file", text(words), "--data-dir", text(&data)])
            .run()
    };
    let (wrong, broken) = (server.path("wrong"), server.path("broken.age"));
    fs::write(&wrong, "not the passphrase\n").expect("a file");
    restore(&file, &wrong).refused();
    let mut bytes = fs::read(&file).expect("the backup");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&broken, &bytes).expect("a file");
    restore(&broken, &words).refused();
    bytes[middle] ^= 1;
    bytes.truncate(middle);
    fs::write(&broken, &bytes).expect("a file");
    restore(&broken, &words).refused();
    let said = restore(&file, &words).ok();
    assert!(said.out.contains("HELD"), "{said:?}");
    restore(&file, &words).refused();

    // What never changes is the same to the byte.
    for folder in ["blobs/sha256", "pki", "secrets"] {
        assert!(files(&old.join(folder)) == files(&data.join(folder)), "{folder} differs");
    }
    server.launch();
    let ready = server.api.try_get("/readyz").expect("an answer").json();
    assert_eq!((&ready["ready"], &ready["held"]), (&json!(true), &json!(true)));
    assert!(server.api.metric("argosy_held") > 0.5);
    assert!(server.log().contains("HELD"));
    let logs = server.api.list("/devices/dev-1/logs");
    let lines: Vec<_> = logs.iter().filter_map(|row| row["text"].as_str()).collect();
    for number in 0..20 {
        assert!(lines.contains(&format!("line {number}").as_str()), "line {number} is lost: {lines:?}");
    }
    // It records, and sends nothing.
    devices.until_all_online();
    says(&server, &identities[0], 99);
    let hold = server.api.get("/hold").expect(200).json();
    assert_eq!((&hold["held"], &hold["deployments"][0]["id"]), (&json!(true), &json!(id)), "{hold}");
    assert_eq!(hold["deployments"].as_array().map(Vec::len), Some(1));
    let of = |field: &str| hold["deployments"][0][field].as_u64().expect("a number");
    assert_eq!(of("pending") + of("in_flight") + of("done"), FLEET + 2, "{hold}");
    assert!(of("pending") > 0, "{hold}");
    assert!(server.api.metric("argosy_engine_requests_sent_total") < 0.5, "it dispatches nothing");
    let csr = json!({ "csr": make_csr("dev-1").csr });
    server.api.post("/devices/dev-1/certificates", &csr).problem(409, "held");
    server.api.post("/groups", &json!({ "name": "g" })).expect(201);
    server.api.post("/regions", &json!({ "code": "r", "name": "r" })).expect(201);
    let code = json!({ "product": PRODUCT, "group": "g", "region": "r" });
    server.api.post("/registration-codes", &code).problem(409, "held");
    // The revocation is older than this registry knows.
    let mut refused = server.mosquitto("mosquitto_pub", "dev-2", Some(&identities[1]));
    refused.args(["-q", "1", "-t", "v1/dev-2/test", "-m", "{}"]).run().refused();

    // Over a restart it is held still; then it is resumed, and the rollout ends as if nothing had been.
    server.crash();
    assert_eq!(server.api.try_get("/readyz").expect("an answer").json()["held"], true);
    let mut status = argosy(&server, &["status"]);
    assert!(status.run().ok().err.contains("HELD"));
    argosy(&server, &["resume", "--yes"]).run().ok();
    argosy(&server, &["resume", "--yes"]).run().refused();
    // The two that are played here are not updated.
    for key in ["dev-1", "dev-2"] {
        server.api.post(&format!("/devices/{key}/suspend"), &json!({})).expect(200);
    }
    until_within(LIMIT * 2, "the fleet is done", || {
        let states = &server.deployment(id)["progress"]["by_state"];
        (states["succeeded"] == FLEET).then_some(())
    });
    let states = server.deployment(id)["progress"]["by_state"].clone();
    let total: u64 = states.as_object().expect("states").values().filter_map(Value::as_u64).sum();
    assert_eq!((states["succeeded"].as_u64(), total), (Some(FLEET), FLEET + 2), "{states}");
    for update in server.api.list(&format!("/deployments/{id}/devices")) {
        let key = update["key"].as_str().expect("a key");
        if key.starts_with("sim-") {
            assert_eq!(server.device(key)["image_hash"], firmware["sha256"], "{key}");
        }
    }
    let report = devices.stop();
    assert_eq!((report.failed, report.corrupt_images), (0, 0));
    assert_eq!(report.reboots, FLEET, "nobody installed it twice");
}

#[test]
fn a_backup_to_a_key_is_an_age_file_that_others_open() {
    let server = Server::start();
    server.product();
    let firmware = server.firmware("2.0.0", &image(64 * 1024, "2.0.0"));
    let (key, file) = (server.path("backup.key"), server.path("whole.age"));
    let made = argosy(&server, &["backup", "--make-identity", text(&key)]).run().ok();
    let recipient = made.out.trim().to_owned();
    assert!(recipient.starts_with("age1"), "{made:?}");
    argosy(&server, &["backup", "--to", text(&file), "--recipient", &recipient]).run().ok();
    argosy(&server, &["backup", "--to", text(&file), "--recipient", &recipient]).run().refused();
    argosy(&server, &["backup", "--verify", text(&file), "--identity-file", text(&key)]).run().ok();
    let secret = fs::read_to_string(&key).expect("the key");
    let secret = secret.lines().last().expect("a line");
    let done =
        argosy(&server, &["backup", "--to", text(&server.path("no")), "--recipient", secret]).run().refused();
    assert!(!done.err.contains(secret), "it repeats the secret key");
    // A viewer, or nobody, gets none.
    let answer = crate::harness::curl(&[
        "--header",
        "content-type: application/json",
        "--data",
        &json!({ "recipient": recipient }).to_string(),
        &format!("{}/api/v1/backup", server.api.base()),
    ]);
    answer.problem(401, "unauthorized");
    // The outside judge: age opens it, tar reads it.
    if std::process::Command::new("age").arg("--version").output().is_err() {
        eprintln!("not tested with age: it is not installed");
        return;
    }
    let plain = server.path("whole.tar");
    Tool::new("age")
        .args(["--decrypt", "--identity", text(&key), "--output", text(&plain), text(&file)])
        .run()
        .ok();
    let listed = Tool::new("tar").args(["-tf", text(&plain)]).run().ok();
    let names: Vec<&str> = listed.out.lines().collect();
    assert_eq!((names.first(), names.last()), (Some(&"argosy-backup.json"), Some(&"manifest.json")));
    let blob = format!("blobs/{}", firmware["sha256"].as_str().expect("a hash"));
    for name in ["registry.jsonl", "secrets/registration.key", &blob] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(names.iter().any(|name| name.starts_with("pki/")), "{names:?}");
}

#[test]
fn a_backup_moves_to_another_database() {
    let Ok(server_uri) = std::env::var("ARGOSY_TEST_POSTGRES_URL") else {
        eprintln!("not tested: ARGOSY_TEST_POSTGRES_URL is not set");
        return;
    };
    let mut server = Server::start();
    server.product();
    server.firmware("2.0.0", &image(64 * 1024, "2.0.0"));
    server.enrol(&["dev-1", "dev-2"]);
    let before = server.api.list("/devices");
    let (words, file) = (server.path("words"), server.path("whole.age"));
    fs::write(&words, format!("{PASSPHRASE}\n")).expect("a file");
    argosy(&server, &["backup", "--to", text(&file), "--passphrase-file", text(&words)]).run().ok();
    server.stop(Duration::from_secs(60));
    fs::rename(server.data(), server.path("old")).expect("moved");

    let name = format!("argosy_backup_{}", std::process::id());
    let psql =
        |statement: &str| Tool::new("psql").args(["--no-psqlrc", &server_uri, "-c", statement]).run().ok();
    psql(&format!("CREATE DATABASE {name}"));
    let (base, _) = server_uri.rsplit_once('/').expect("a URI with a database");
    let uri = format!("database.uri={base}/{name}");
    argosy(&server, &["restore", text(&file), "--passphrase-file", text(&words), "--set", &uri])
        .args(["--data-dir", text(&server.data())])
        .run()
        .ok();
    server.set(&uri);
    server.launch();
    assert_eq!(server.api.list("/devices"), before);
    argosy(&server, &["resume", "--yes"]).run().ok();
    server.register_plain(&["new"]);
    server.stop(Duration::from_secs(60));
    psql(&format!("DROP DATABASE {name}"));
}
