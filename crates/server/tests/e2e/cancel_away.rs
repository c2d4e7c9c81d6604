//! What was canceled while a device was away is not waiting for it, however long its session lives.

use serde_json::{Value, json};

use crate::harness::{Identity, Server, Tool, image, until};

/// A subscriber that asks for a session that outlives its connection.
fn subscriber(server: &Server, identity: &Identity) -> Tool {
    let mut tool = server.mosquitto("mosquitto_sub", "away", Some(identity));
    tool.args(["-c", "-q", "1", "-t", "v1/away/#", "-F", "%t %p"]);
    tool
}

#[test]
fn a_device_that_was_away_receives_nothing_of_what_was_canceled() {
    let server = Server::start();
    server.product();
    let identity = &server.enrol(&["away"])[0];
    for version in ["2.0.0", "3.0.0", "4.0.0"] {
        server.firmware(version, &image(4096, version));
    }
    let target = || json!({ "devices": ["away"] });
    let cancel = |id: i64| {
        server.api.post(&format!("/deployments/{id}/cancel"), &json!({})).expect(200);
        until("it is canceled", || (server.deployment(id)["state"] == "canceled").then_some(()));
    };

    // It comes once, to leave a session behind.
    let here = subscriber(&server, identity).spawn();
    server.until_online("away", true);
    drop(here);
    server.until_online("away", false);

    // Made and canceled while it is away.
    let first = server.deploy("2.0.0", target(), json!({}));
    cancel(first);

    // One that it was sent, and that is canceled after it left without a word.
    let here = subscriber(&server, identity).spawn();
    let second = server.deploy("3.0.0", target(), json!({}));
    let request = here.out.line(0);
    assert!(request.contains(&format!("FW-{second}-")), "{request}");
    drop(here);
    server.until_online("away", false);
    cancel(second);

    // It returns. Whatever waited in a queue would arrive before the request that is made now.
    let here = subscriber(&server, identity).spawn();
    server.until_online("away", true);
    let third = server.deploy("4.0.0", target(), json!({}));
    let request = here.out.find("the third request", |line| line.contains("/update/request/firmware"));
    assert!(request.contains(&format!("FW-{third}-")), "{request}");
    let said = here.out.so_far();
    assert!(said.iter().all(|line| !line.contains(&format!("FW-{first}-"))), "{said:?}");
    let sessions = server.api.get("/sessions").expect(200).json();
    assert_eq!(sessions["items"].as_array().map_or(0, Vec::len), 1, "{sessions}");
    let updates = server.api.list("/devices/away/updates");
    let states: Vec<&Value> = updates.iter().map(|update| &update["state"]).collect();
    assert_eq!(states, ["dispatched", "canceled", "canceled"], "{updates:?}");
}
