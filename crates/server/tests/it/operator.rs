//! The operator's commands against a real server.

use std::os::unix::fs::PermissionsExt as _;

use super::harness::{Place, argosy, run};

#[test]
fn login_changes_the_one_time_password_and_is_remembered_until_logout() {
    let place = Place::new();
    let server = place.start();
    let said = place.cli(&server, &["whoami"]).failed(5);
    assert!(said.contains("argosy login"), "{said}");
    place.cli_with(&server, &["login", "--password-stdin"], "not the password\n").failed(5);

    // Too short a new password changes nothing: the one-time password still works afterwards.
    let file = place.data().join("admin-password.txt");
    let login = ["login", "--password-file", file.to_str().unwrap(), "--new-password-stdin"];
    place.cli_with(&server, &login, "short\n").failed(1);
    place.log_in(&server);
    let settings = place.path().join("home/argosy/cli.toml");
    assert_eq!(std::fs::metadata(&settings).unwrap().permissions().mode() & 0o777, 0o600);
    let me = place.cli(&server, &["whoami", "--json"]).json();
    assert_eq!((&me["user"]["name"], &me["via"]), (&"admin".into(), &"token".into()));

    let token = place.token();
    assert_eq!(server.get("/api/v1/me", Some(&token)).0, 200);
    place.cli(&server, &["logout"]).ok();
    assert!(!settings.exists());
    assert_eq!(server.get("/api/v1/me", Some(&token)).0, 401);

    let again = ["login", "--password-stdin", "--json"];
    let user = place.cli_with(&server, &again, "a much better password\n").json();
    assert_eq!(user["name"], "admin");
}

#[test]
fn https_is_trusted_by_its_roots_alone() {
    let place = Place::new();
    let server = place.start();
    place.log_in(&server);
    let (url, token, roots) =
        (format!("https://{}", server.https), place.token(), place.data().join("pki/ca/root.pem"));
    let whoami = |more: &[&str]| {
        run(
            argosy()
                .current_dir(place.path())
                .env("XDG_CONFIG_HOME", place.path())
                .args(["whoami", "--server", &url, "--token", &token])
                .args(more),
            "",
        )
    };
    assert!(whoami(&["--ca", roots.to_str().unwrap()]).ok().contains(&url));
    assert!(whoami(&[]).failed(2).contains("--ca"));
    // Another authority's root is no proof.
    let foreign = Place::new();
    let other = foreign.start();
    drop(other);
    let foreign = foreign.data().join("pki/ca/root.pem");
    assert!(whoami(&["--ca", foreign.to_str().unwrap()]).failed(6).contains("not trusted"));
}

#[test]
fn a_server_that_is_not_there_is_said_to_be() {
    let place = Place::new();
    let said = run(
        argosy().env("XDG_CONFIG_HOME", place.path()).args([
            "group",
            "list",
            "--server",
            "http://127.0.0.1:1",
        ]),
        "",
    )
    .failed(6);
    assert!(said.contains("argosy serve") && said.contains("--server"), "{said}");
}

#[test]
fn the_catalogue_and_devices() {
    let place = Place::new();
    let server = place.start();
    place.log_in(&server);
    let cli = |words: &[&str]| place.cli(&server, words);

    cli(&[
        "product",
        "create",
        "kiosk",
        "--chip",
        "esp32s3",
        "--slot-size",
        "1536KiB",
        "--display",
        "320x240x16",
    ])
    .ok();
    cli(&["product", "create", "kiosk", "--chip", "x", "--slot-size", "1"]).failed(4);
    let product = cli(&["product", "update", "kiosk", "--slot-size", "2MiB", "--json"]).json();
    assert_eq!((&product["slot_size"], &product["display"]["width"]), (&2_097_152.into(), &320.into()));
    cli(&["product", "show", "nothing"]).failed(3);

    cli(&["group", "create", "서울"]).ok();
    cli(&["region", "create", "KR-11", "--name", "서울특별시"]).ok();
    for key in ["vm-1", "vm-2"] {
        let words =
            ["device", "create", key, "--product", "kiosk", "--group", "서울", "--attribute", "floor=1"];
        cli(&words).ok();
    }
    cli(&["device", "create", "vm-3", "--product", "nothing"]).failed(1);
    cli(&["device", "update", "vm-1", "vm-2", "--region", "KR-11"]).ok();
    let device = cli(&["device", "update", "vm-1", "--attribute", "wing=b", "--no-group", "--json"]).json();
    assert_eq!(device["attributes"], serde_json::json!({"floor": "1", "wing": "b"}));
    assert_eq!((&device["group"], &device["region"]["code"]), (&serde_json::Value::Null, &"KR-11".into()));
    let by_id = cli(&["device", "show", &format!("id:{}", device["id"]), "--json"]).json();
    assert_eq!(by_id["key"], "vm-1");

    let changed = cli(&[
        "device",
        "update",
        "--of-product",
        "kiosk",
        "--in-group",
        "서울",
        "--region",
        "KR-11",
        "--json",
    ])
    .json();
    assert_eq!(changed["changed"], 1);
    cli(&["device", "update", "vm-1", "--of-product", "kiosk", "--no-group"]).failed(2);
    cli(&["device", "update", "--no-group"]).failed(2);

    cli(&["device", "suspend", "vm-2"]).ok();
    let listed = cli(&["device", "list", "--state", "suspended", "--json"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(listed[0]["key"], "vm-2");
    cli(&["device", "activate", "vm-2"]).ok();
    // Every row starts with the header's columns; wide characters do not push them.
    let table = cli(&["device", "list"]).ok();
    assert!(table.starts_with("KEY   NAME  PRODUCT  GROUP  REGION  STATE"), "{table}");
    assert!(table.contains("vm-2  vm-2  kiosk    서울   KR-11   active"), "{table}");
    let first = cli(&["device", "list", "--limit", "1", "--json"]);
    assert!(first.err.contains("--all"), "{}", first.err);
    assert_eq!(first.json().as_array().map(Vec::len), Some(1));
    cli(&["session", "kick", "vm-1"]).failed(3);
    cli(&["group", "delete", "서울"]).failed(4);
    cli(&["device", "update", "vm-2", "--no-group"]).ok();
    cli(&["group", "delete", "서울"]).ok();
}

#[test]
fn a_device_is_enrolled_from_its_request_and_its_key_stays_at_home() {
    let place = Place::new();
    let server = place.start();
    place.log_in(&server);
    place
        .cli(&server, &["product", "create", "p", "--chip", "x", "--format", "raw", "--slot-size", "1MiB"])
        .ok();
    let openssl = |words: &[&str]| {
        run(std::process::Command::new("openssl").current_dir(place.path()).args(words), "").ok()
    };
    openssl(&[
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "key.pem",
        "-subj",
        "/CN=ignored",
        "-out",
        "csr.pem",
    ]);
    let words = [
        "device",
        "create",
        "vm-1",
        "--product",
        "p",
        "--csr",
        "csr.pem",
        "--out",
        "cert.pem",
        "--roots",
        "roots.pem",
    ];
    place.cli(&server, &words).ok();
    assert!(openssl(&["x509", "-in", "cert.pem", "-noout", "-subject"]).contains("vm-1"));
    let verified = openssl(&["verify", "-CAfile", "roots.pem", "-untrusted", "cert.pem", "cert.pem"]);
    assert!(verified.contains("OK"), "{verified}");
    place.cli(&server, &["device", "enroll", "vm-1", "--csr", "csr.pem", "--out", "second.pem"]).ok();
    let certificates = place.cli(&server, &["device", "certificates", "vm-1", "--json"]).json();
    assert_eq!(certificates.as_array().map(Vec::len), Some(2));
    let serial = certificates[0]["serial"].as_str().unwrap();
    place.cli(&server, &["device", "revoke", "vm-1", serial]).ok();
    let said = place.cli(&server, &["device", "enroll", "vm-1", "--csr", "key.pem"]).failed(2);
    assert!(said.contains("private key"), "{said}");
}

#[test]
fn firmware_is_pushed_deployed_watched_and_canceled() {
    let place = Place::new();
    let server = place.start();
    place.log_in(&server);
    let cli = |words: &[&str]| place.cli(&server, words);
    std::fs::write(place.path().join("app.bin"), vec![7; 300_000]).unwrap();
    cli(&["product", "create", "esp", "--chip", "esp32s3", "--slot-size", "1MiB"]).ok();
    let said = cli(&["firmware", "push", "app.bin", "--product", "esp", "--version", "1"]).failed(1);
    assert!(said.contains("ESP-IDF") && said.contains("--upload"), "{said}");

    cli(&["product", "create", "p", "--chip", "x", "--format", "raw", "--slot-size", "1MiB"]).ok();
    let push = ["firmware", "push", "app.bin", "--product", "p", "--version", "1.0", "--draft", "--json"];
    let firmware = cli(&push).json();
    let id = format!("id:{}", firmware["id"]);
    assert_eq!((&firmware["state"], &firmware["size"]), (&"draft".into(), &300_000.into()));
    cli(&push).failed(4);
    cli(&["device", "create", "vm-1", "--product", "p"]).ok();
    assert_ne!(cli(&["deploy", &id, "--all"]).code, Some(0), "a draft was deployed");
    cli(&["firmware", "release", &id]).ok();

    let deployment =
        cli(&["deploy", "--product", "p", "--version", "1.0", "--all", "--expires", "1h", "--json"]).json();
    let deployment = format!("id:{}", deployment["id"]);
    cli(&["deployment", "pause", &deployment]).ok();
    cli(&["deployment", "resume", &deployment]).ok();
    let devices = cli(&["deployment", "devices", &deployment, "--state", "waiting", "--json"]).json();
    assert_eq!(devices[0]["key"], "vm-1");
    cli(&["deployment", "cancel", &deployment, "--reason", "a test"]).ok();
    // Not every device succeeded: scripts can tell.
    let watched = cli(&["deployment", "watch", &deployment, "--json"]);
    assert_eq!(watched.code, Some(10), "{}", watched.err);
    assert!(watched.out.contains("\"canceled\""), "{}", watched.out);
    cli(&["deployment", "resume", &deployment]).failed(4);
    cli(&["deployment", "watch", "id:999"]).failed(3);
    cli(&["firmware", "withdraw", &id]).ok();
    let audit = cli(&["audit", "--json", "--all"]).json();
    assert!(audit.as_array().unwrap().iter().any(|entry| entry["action"] == "deployment.cancel"), "{audit}");
    assert_eq!(cli(&["dead-letters", "--json"]).json(), serde_json::json!([]));
}

#[test]
fn a_watch_follows_the_events_to_the_end() {
    let place = Place::new();
    let server = place.start();
    place.log_in(&server);
    let cli = |words: &[&str]| place.cli(&server, words);
    std::fs::write(place.path().join("app.bin"), vec![7; 1000]).unwrap();
    cli(&["product", "create", "p", "--chip", "x", "--format", "raw", "--slot-size", "1MiB"]).ok();
    cli(&["firmware", "push", "app.bin", "--product", "p", "--version", "1"]).ok();
    cli(&["device", "create", "vm-1", "--product", "p"]).ok();
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| cli(&["deploy", "id:1", "--device", "vm-1", "--watch", "--json"]));
        super::harness::until("the deployment", || {
            let listed = cli(&["deployment", "list", "--json"]).json();
            (listed[0]["progress"]["total"] == 1).then_some(())
        });
        cli(&["deployment", "cancel", "id:1"]).ok();
        let watched = watch.join().unwrap();
        assert_eq!(watched.code, Some(10), "{}", watched.err);
        let shown: serde_json::Value = serde_json::from_str(&watched.out).unwrap();
        assert_eq!(shown["progress"]["by_state"]["canceled"], 1);
        assert!(watched.err.contains("1 of 1 devices ended"), "{}", watched.err);
    });
}

#[test]
fn contents_are_pushed_looked_at_deployed_and_withdrawn() {
    use argosy_domain::model::DisplayProfile;
    let display = DisplayProfile { width: 16, height: 8, color_depth: 16, swap_bytes: false, alpha: false };
    let place = Place::new();
    let server = place.start();
    place.log_in(&server);
    let cli = |arguments: &[&str]| place.cli(&server, arguments);
    let product = ["product", "create", "p", "--chip", "any", "--format", "raw", "--slot-size", "1MiB"];
    cli(&[&product[..], &["--display", "16x8x16"]].concat()).ok();
    cli(&["device", "create", "d1", "--product", "p"]).ok();
    for (file, pixel) in [("red.bin", 0xf800), ("blue.bin", 0x001f)] {
        std::fs::write(place.path().join(file), argosy_domain::testing::ready_binary(&display, pixel))
            .unwrap();
    }
    std::fs::write(place.path().join("short.bin"), [4, 0, 0, 0]).unwrap();
    let said = cli(&["content", "push", "short.bin", "--product", "p", "--title", "X"]).failed(1);
    assert!(said.contains("--upload"), "{said}");
    let push = ["content", "push", "red.bin", "--product", "p", "--title", "Spring sale", "--json"];
    let red = cli(&push).json();
    assert_eq!((&red["made"], &red["width"]), (&"ready".into(), &16.into()));
    cli(&["content", "push", "blue.bin", "--product", "p", "--title", "spring SALE"]).failed(4);
    // The preview is a picture that can be pushed in its turn.
    cli(&["content", "save", "Spring sale", "--out", "red.png"]).ok();
    let said = cli(&["content", "push", "red.png", "--product", "p", "--title", "Again"]).failed(4);
    assert!(said.contains("exactly the same picture"), "{said}");
    cli(&["content", "push", "blue.bin", "--product", "p", "--title", "Blue"]).ok();
    assert_eq!(cli(&["content", "list", "--search", "SPRING", "--json"]).json()[0]["id"], red["id"]);
    assert_eq!(cli(&["content", "show", "Spring sale", "--json"]).json()["shown_by"], 0);

    let deploy = ["deploy", "--content", "Spring sale", "--content", "Blue", "--device", "d1", "--json"];
    let deployment = cli(&deploy).json();
    assert_eq!(
        (&deployment["kind"], &deployment["contents"][1]["title"]),
        (&"content".into(), &"Blue".into())
    );
    let shown = cli(&["deployment", "show", &format!("id:{}", deployment["id"])]).ok();
    assert!(shown.contains("Spring sale, Blue"), "{shown}");
    cli(&["content", "delete", "Blue"]).failed(4);
    cli(&["content", "withdraw", "Blue"]).ok();
    cli(&["deploy", "--content", "Blue", "--all"]).failed(4);
    cli(&["content", "restore", "Blue"]).ok();
    cli(&["content", "update", "Blue", "--title", "Sky"]).ok();
    assert!(cli(&["content", "devices", "Sky", "--json"]).json().as_array().unwrap().is_empty());
    assert!(cli(&["device", "contents", "d1"]).ok().contains("not known"));
    assert!(cli(&["device", "content-history", "d1", "--json"]).json().as_array().unwrap().is_empty());
    assert!(cli(&["device", "list", "--mismatch", "--json"]).json().as_array().unwrap().is_empty());
}
