//! Starts and ends.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, SanType, date_time_ymd};
use serde_json::json;

use crate::harness::{Builder, Ports, Server, Tool, authority_pair, until};

const LARGE: usize = 32 * 1024 * 1024;

#[test]
fn a_second_server_on_the_same_data_is_refused_and_harms_nothing() {
    let server = Server::start();
    let others = Ports { http: 0, https: 0, mqtts: 0, mqtt: 0 };
    let before = fs::read(server.data().join("pki/server.pem")).expect("the certificate");
    let mut command = server.command(others);
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("argosy starts");
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    let data = server.data().display().to_string();
    for part in [data.as_str(), "in use", &server.pid().to_string(), "--data-dir"] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    assert_eq!(fs::read(server.data().join("pki/server.pem")).expect("the certificate"), before);
    server.api.try_get("/readyz").expect("the first one serves on").expect(200);
    server.product();
}

#[test]
fn sigterm_ends_it_with_code_0_though_devices_are_connected_and_a_download_runs() {
    let mut server = Builder::default().plain("42").set("shutdown.soft_seconds=3").start();
    server.product();
    let identities = server.enrol(&["a", "b"]);
    server.register_plain(&["42"]);
    // Larger than what the kernel takes in for a reader that does not read.
    let raw = json!({ "name": "raw", "chip": "x", "image_format": "raw", "slot_size": LARGE });
    server.api.post("/products", &raw).expect(201);
    let upload = server.upload("large.bin", &vec![7; LARGE]);
    let body = json!({ "upload_id": upload, "product": "raw", "version": "1.0.0" });
    let firmware = server.api.post("/firmware", &body).expect(201).json();
    let mut here = Vec::new();
    for (key, identity) in ["a", "b"].iter().zip(&identities) {
        let topic = format!("v1/{key}/#");
        here.push(server.mosquitto("mosquitto_sub", key, Some(identity)).args(["-t", &topic]).spawn());
    }
    here.push(server.mosquitto_plain("mosquitto_sub", "42").args(["-t", "v1/42/#"]).spawn());
    for key in ["a", "b", "42"] {
        server.until_online(key, true);
    }
    // A reader that takes its time: it would need minutes.
    let path = format!("/firmware/{}/download-url", firmware["id"]);
    let url = server.api.get(&path).expect(200).json()["url"].as_str().expect("an address").to_owned();
    let bearer = format!("authorization: Bearer {}", server.api.token());
    let slow = Tool::new("curl")
        .args(["-sN", "--noproxy", "*", "--limit-rate", "2k", "-H", &bearer, "-o", "/dev/null", &url])
        .spawn();
    until("the download runs", || (server.api.metric("argosy_downloads_open") >= 1.0).then_some(()));
    // Soft, then hard: three seconds and two, and then some for a busy machine.
    let status = server.stop(Duration::from_secs(30));
    assert_eq!(status.code(), Some(0), "{}", server.log());
    drop(slow);

    server.launch();
    for key in ["a", "b", "42"] {
        server.until_online(key, true);
    }
}

#[test]
fn after_a_crash_nobody_is_online_until_it_returns() {
    let mut server = Server::start();
    server.product();
    let identities = server.enrol(&["stays", "returns"]);
    let connect = |server: &Server, key: &str, n: usize| {
        server
            .mosquitto("mosquitto_sub", key, Some(&identities[n]))
            .args(["-t", &format!("v1/{key}/#")])
            .spawn()
    };
    let here = [connect(&server, "stays", 0), connect(&server, "returns", 1)];
    server.until_online("stays", true);
    server.until_online("returns", true);
    server.kill();
    drop(here);
    server.launch();
    assert_eq!(server.device("stays")["online"], false);
    assert_eq!(server.device("returns")["online"], false);
    assert_eq!(server.api.get("/devices/counts").expect(200).json()["online"], 0);
    let _here = connect(&server, "returns", 1);
    server.until_online("returns", true);
    assert_eq!(server.device("stays")["online"], false);
    assert_eq!(server.api.get("/devices/counts").expect(200).json()["online"], 1);
}

/// The certificate that the server shows, PEM, verified by its own roots.
fn shown(server: &Server) -> String {
    let roots = server.path("roots.pem");
    fs::write(&roots, server.api.get("/ca/roots.pem").expect(200).body).expect("a file");
    let output = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &format!("127.0.0.1:{}", server.ports.https),
            "-servername",
            "localhost",
        ])
        .args(["-verify_return_error", "-verify_hostname", "localhost", "-CAfile"])
        .arg(&roots)
        .stdin(Stdio::null())
        .output()
        .expect("openssl is needed for this test");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    let from = said.find("-----BEGIN").expect("a certificate");
    let to = said.find("-----END CERTIFICATE-----").expect("a certificate");
    said[from..to].to_owned()
}

#[test]
fn a_server_certificate_that_is_gone_or_expired_is_made_again_at_start() {
    let mut server = Server::start();
    let file = server.data().join("pki/server.pem");
    let mut seen = vec![shown(&server)];
    assert!(server.stop(Duration::from_secs(60)).success());
    server.launch();
    assert_eq!(shown(&server), seen[0], "a good one is kept");

    assert!(server.stop(Duration::from_secs(60)).success());
    fs::remove_file(&file).expect("the certificate");
    server.launch();
    seen.push(shown(&server));

    assert!(server.stop(Duration::from_secs(60)).success());
    fs::write(&file, expired(&server)).expect("the certificate");
    server.launch();
    seen.push(shown(&server));

    assert!(server.stop(Duration::from_secs(60)).success());
    fs::write(&file, "nonsense").expect("the certificate");
    server.launch();
    seen.push(shown(&server));

    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "each time a new one");
    assert_eq!(
        fs::metadata(&file).map(|m| std::os::unix::fs::PermissionsExt::mode(&m.permissions()) & 0o777).ok(),
        Some(0o600)
    );
}

/// `server.pem` as it would be years later: right in all but its time.
fn expired(server: &Server) -> String {
    let (issuer, chain) = authority_pair(&server.data(), "server-ca");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
    params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2020, 4, 1);
    let leaf = params.signed_by(&key, &issuer).expect("a certificate");
    key.serialize_pem() + &leaf.pem() + &chain
}
