//! Starting and ending.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::harness::{Place, run, until};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777
}

#[test]
fn it_starts_on_defaults_and_ends_on_sigterm() {
    let place = Place::new();
    let mut server = place.start();
    assert_eq!(server.get("/healthz", None).0, 200);
    assert_eq!(server.get("/readyz", None).0, 200);
    assert_eq!(server.get("/api/v1/me", None).0, 401);
    assert_eq!(mode(&place.data()), 0o700);
    for secret in
        ["admin-password.txt", "registry.db", "secrets/download-url.key", "pki/ca/root.key", "pki/server.pem"]
    {
        assert_eq!(mode(&place.data().join(secret)), 0o600, "{secret}");
    }
    let password = std::fs::read_to_string(place.data().join("admin-password.txt")).unwrap();
    assert!(!server.log().contains(password.trim()), "the password is in the log");
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(0), "{}", server.log());
}

#[test]
fn a_second_start_on_the_same_folder_is_refused() {
    let place = Place::new();
    let server = place.start();
    let said = run(&mut place.serve(), "").failed(1);
    assert!(
        said.contains(&format!("process {}", server.child.id())) && said.contains("--data-dir"),
        "{said}"
    );
    let said = run(super::harness::argosy().args(["migrate", "--data-dir"]).arg(place.data()), "").failed(1);
    assert!(said.contains("in use"), "{said}");
    assert_eq!(server.get("/readyz", None).0, 200);
}

#[test]
fn a_port_that_is_taken_stops_the_start_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for key in ["http.listen", "https.listen", "mqtt.listen", "mqtt.plain.listen"] {
        let place = Place::new();
        let said = run(place.serve().arg("--set").arg(format!("{key}={address}")), "").failed(1);
        assert!(said.contains(key) && said.contains(&address), "{key}: {said}");
    }
}

#[test]
fn a_killed_server_starts_again_with_what_it_had() {
    let place = Place::new();
    let mut server = place.start();
    place.log_in(&server);
    place.cli(&server, &["group", "create", "서울"]).ok();
    server.signal("KILL");
    server.end();
    let server = place.start();
    // On other ports it is another server: what is remembered is not sent there, so the token is given.
    let groups = place.cli(&server, &["group", "list", "--json", "--token", &place.token()]).json();
    assert_eq!(groups[0]["name"], "서울");
    assert!(server.said("made the server certificate").is_none());
    // Its password was changed: the file has done its work.
    assert!(!place.data().join("admin-password.txt").exists());
}

#[test]
fn a_lost_one_time_password_is_made_anew_until_it_was_changed() {
    let place = Place::new();
    let file = place.data().join("admin-password.txt");
    let mut server = place.start();
    let first = std::fs::read_to_string(&file).unwrap();
    server.signal("KILL");
    server.end();
    std::fs::remove_file(&file).unwrap();
    let mut server = place.start();
    assert_ne!(std::fs::read_to_string(&file).unwrap(), first);
    place.log_in(&server);
    server.signal("TERM");
    server.end();
    drop(place.start());
    assert!(!file.exists());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let place = Place::new();
    let mut server = place.start_with(&["--set", "shutdown.soft_seconds=600"]);
    place.log_in(&server);
    // An upload that stands still is work in hand: the soft phase waits for it.
    let upload = place.start_upload(&server);
    server.signal("TERM");
    until("the soft phase", || server.said("SIGTERM: stopping"));
    assert_eq!(server.child.try_wait().unwrap(), None);
    server.signal("TERM");
    assert!(server.end().success(), "{}", server.log());
    assert!(server.said("SIGTERM again").is_some());
    drop(upload);
}

#[test]
fn the_metrics_hold_every_part() {
    let place = Place::new();
    let server = place.start();
    place.log_in(&server);
    let (status, text) = server.get("/metrics", Some(&place.token()));
    assert_eq!(status, 200, "{text}");
    for name in [
        "argosy_tx_seconds_count{purpose=\"start\"}",
        "argosy_engine_messages_total",
        "argosy_devices_online 0",
        "argosy_mqtt_open_connections 0",
        "argosy_http_answers_total",
        "argosy_artifact_cache_bytes 0",
        "process_resident_memory_bytes",
        "process_cpu_seconds",
        "process_open_fds",
    ] {
        assert!(text.contains(name), "{name} is missing in\n{text}");
    }
}

#[test]
fn the_listener_without_tls_can_be_off() {
    let place = Place::new();
    let server = place.start_with(&["--http-listen", "off"]);
    assert_eq!(server.http, "off");
    let log = server.log();
    assert!(!log.contains("http://"), "{log}");
}

#[test]
fn too_low_a_limit_of_files_is_said() {
    let place = Place::new();
    let server =
        place.start_with(&["--expected-devices", "5000000", "--set", "mqtt.limits.max_connections=10000000"]);
    assert!(server.said("the limit of open files is").is_some(), "{}", server.log());
}

#[test]
fn migrate_and_doctor_work_without_a_server() {
    let place = Place::new();
    let data = place.data();
    let with_data = |words: &[&str]| {
        let mut command = super::harness::argosy();
        command.current_dir(place.path()).args(words).arg("--data-dir").arg(&data);
        for listener in ["--http-listen", "--https-listen", "--mqtt-listen"] {
            command.args([listener, "127.0.0.1:0"]);
        }
        run(&mut command, "")
    };
    assert!(with_data(&["doctor"]).ok().contains("OK    data folder"));
    assert!(!data.exists(), "the doctor made the folder");
    assert!(with_data(&["migrate"]).ok().contains("applied 1"));
    assert!(with_data(&["migrate"]).ok().contains("up to date already"));
    let raised = |first: &str| with_data(&["migrate", "--first-artifact-id", first]);
    assert!(raised("5000").ok().contains("the next artifact gets the id 5000"));
    assert!(raised("7").ok().contains("the next artifact gets the id 5000"), "never lowered");
    assert!(raised("0").failed(2).contains("--first-artifact-id"));
    let said = with_data(&["doctor"]).ok();
    assert!(said.contains("of this version") && !said.contains("FAIL"), "{said}");
}
