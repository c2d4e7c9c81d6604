//! A lost password.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::json;

use crate::harness::Server;

fn reset(server: &Server, name: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_argosy"));
    command.args(["reset-password", name, "--data-dir"]).arg(server.data());
    command.output().expect("argosy starts")
}

#[test]
fn a_lost_password_is_replaced_while_the_server_is_stopped() {
    let mut server = Server::start();
    let running = reset(&server, "admin");
    assert!(!running.status.success(), "not under a running server: {running:?}");

    server.stop(Duration::from_secs(30));
    let unknown = reset(&server, "nobody");
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(!unknown.status.success() && said.contains("nobody") && said.contains("admin"), "{said}");

    let done = reset(&server, "admin");
    assert!(done.status.success(), "{done:?}");
    let file = server.data().join("admin-password.txt");
    let password = fs::read_to_string(&file).expect("the one-time password").trim().to_owned();
    assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    for said in [&done.stdout, &done.stderr] {
        assert!(!String::from_utf8_lossy(said).contains(&password), "a password is not printed");
    }

    // The next start leaves it as it is.
    server.launch();
    assert_eq!(fs::read_to_string(&file).expect("the one-time password").trim(), password);
    let login = |password: &str| {
        server.api.post_with(&[], "/login", &json!({ "name": "admin", "password": password }))
    };
    let session = login(&password).expect(200).json();
    assert_eq!(session["must_change_password"], true, "{session}");
    login("a wrong password").expect(401);
    // Tokens of the user rest until the one-time password was changed.
    server.api.get("/devices").problem(403, "password_change_required");
}
