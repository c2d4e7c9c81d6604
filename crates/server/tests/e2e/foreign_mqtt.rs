//! Foreign MQTT clients with certificates: what they may do, and what they may not.

use serde_json::{Value, json};

use crate::harness::{Identity, Server, Tool, python, until};

const STATUS: &str = r#"{"firmware_version":"1.4.2","advertisements":[],"system":{"cpu_usage":{"core_0":12,"core_1":3},"memory_usage":40,"storage_usage":50,"uptime":77},"network":{"connection_type":"wifi","signal_strength":-60,"local_ip":"10.0.0.2","gateway_ip":"10.0.0.1"},"timestamp":"2025-07-03T10:30:45Z"}"#;

/// A server with two enrolled devices.
fn site() -> (Server, Vec<Identity>) {
    let server = Server::start();
    server.product();
    let identities = server.enrol(&["dev-1", "dev-2"]);
    (server, identities)
}

/// One message of dev-1's client. In MQTT 5 a refusal is an answer; in 3.1.1 it is only a lost connection.
fn publish(server: &Server, identity: Option<&Identity>, id: &str, topic: &str) -> Tool {
    let mut tool = server.mosquitto("mosquitto_pub", id, identity);
    tool.args(["-V", "mqttv5", "-q", "1", "-t", topic, "-m", STATUS]);
    tool
}

/// dev-1 tries to connect and is told that it may not.
fn refused(server: &Server, identity: Option<&Identity>) {
    let done = publish(server, identity, "dev-1", "v1/dev-1/status/system").run().refused();
    assert!(done.err.to_lowercase().contains("not authori"), "{done:?}");
}

#[test]
fn a_device_reaches_its_own_topics_and_no_others() {
    let (server, identities) = site();
    let one = Some(&identities[0]);
    for version in ["mqttv311", "mqttv5"] {
        let mut tool = server.mosquitto("mosquitto_pub", "dev-1", one);
        tool.args(["-V", version, "-q", "1", "-t", "v1/dev-1/status/system", "-m", STATUS]).run().ok();
    }
    // Acknowledged is durable, and what is durable can be read: there is nothing to wait for.
    let device = server.device("dev-1");
    assert_eq!(
        (&device["firmware_version"], &device["status"]["system"]["uptime"]),
        (&json!("1.4.2"), &json!(77))
    );

    let before = server.device("dev-2");
    for topic in ["v1/dev-2/status/system", "v1/dev-2/update/request/firmware", "$SYS/x", "dev-1"] {
        let done = publish(&server, one, "dev-1", topic).run();
        assert!(done.err.contains("ot authorized"), "{topic}: {done:?}");
    }
    assert_eq!(server.api.list("/dead-letters"), Vec::<Value>::new());
    // What only the server says is below its own topics too: taken, not understood, and not said to anybody.
    publish(&server, one, "dev-1", "v1/dev-1/update/request/firmware").run().ok();
    let letters = server.api.list("/dead-letters");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["topic"], "v1/dev-1/update/request/firmware");
    for filter in ["v1/dev-2/#", "v1/+/status/system", "#", "$SYS/#"] {
        let done = server.mosquitto("mosquitto_sub", "dev-1", one).args(["-V", "mqttv5", "-t", filter]).run();
        assert!(done.err.contains("denied") || done.err.contains("ot authorized"), "{filter}: {done:?}");
    }
    assert_eq!(server.device("dev-2"), before);
}

#[test]
fn only_a_certificate_that_the_registry_knows_gets_in() {
    let (server, identities) = site();
    let folder = server.path("");
    let foreign = Identity::foreign(&folder, "dev-1");
    let forged = Identity::forged(&server.data(), &folder, "dev-1");
    let unknown = Identity::forged(&server.data(), &folder, "dev-9");
    let one = &identities[0];
    for (what, identity, id) in [
        ("no certificate", None, "dev-1"),
        ("a foreign authority", Some(&foreign), "dev-1"),
        ("signed by our authority, but not on the list", Some(&forged), "dev-1"),
        ("signed by our authority, for a device that nobody registered", Some(&unknown), "dev-9"),
        ("another device's client id", Some(one), "dev-2"),
    ] {
        for version in ["mqttv311", "mqttv5"] {
            let topic = format!("v1/{id}/status/system");
            let done = publish(&server, identity, id, &topic).args(["-V", version]).run();
            assert!(!done.status.success(), "{what}: {done:?}");
        }
    }
    for topic in ["v1/dev-2/status/system", "v1/dev-2/hello", "$SYS/x"] {
        publish(&server, Some(one), "dev-1", "v1/dev-1/status/system")
            .args(["--will-topic", topic, "--will-payload", STATUS, "--will-qos", "1"])
            .run()
            .refused();
    }
    for key in ["dev-1", "dev-2"] {
        let device = server.device(key);
        assert_eq!(
            (&device["status"], &device["firmware_version"]),
            (&Value::Null, &Value::Null),
            "{device}"
        );
    }
    publish(&server, Some(one), "dev-1", "v1/dev-1/status/system").run().ok();
}

#[test]
fn an_own_will_is_heard_when_the_connection_breaks() {
    let (server, identities) = site();
    let mut tool = server.mosquitto("mosquitto_sub", "dev-1", Some(&identities[0]));
    tool.args(["-t", "v1/dev-1/#", "--will-topic", "v1/dev-1/status/system", "--will-payload", STATUS]);
    let here = tool.args(["--will-qos", "1"]).spawn();
    server.until_online("dev-1", true);
    drop(here);
    until("the will is heard", || (server.device("dev-1")["firmware_version"] == "1.4.2").then_some(()));
}

#[test]
fn a_suspended_device_is_cut_off_refused_and_let_in_again() {
    let (server, identities) = site();
    let one = Some(&identities[0]);
    let online = |key| server.device(key)["online"] == true;
    let here =
        server.mosquitto("mosquitto_sub", "dev-1", one).args(["-V", "mqttv5", "-t", "v1/dev-1/#"]).spawn();
    let mut other =
        server.mosquitto("mosquitto_sub", "dev-2", Some(&identities[1])).args(["-t", "v1/dev-2/#"]).spawn();
    until("both are online", || (online("dev-1") && online("dev-2")).then_some(()));
    let sessions = server.api.get("/sessions").expect(200).json();
    assert_eq!(sessions["items"].as_array().map(Vec::len), Some(2), "{sessions}");

    server.api.post("/devices/dev-1/suspend", &json!({})).expect(200);
    here.done().refused();
    server.until_online("dev-1", false);
    refused(&server, one);
    assert!(other.runs() && online("dev-2"), "the other one is not disturbed");

    server.api.post("/devices/dev-1/activate", &json!({})).expect(200);
    publish(&server, one, "dev-1", "v1/dev-1/status/system").run().ok();
}

#[test]
fn a_revoked_certificate_is_cut_off_and_refused_while_a_new_one_works() {
    let (server, identities) = site();
    let one = Some(&identities[0]);
    let here =
        server.mosquitto("mosquitto_sub", "dev-1", one).args(["-V", "mqttv5", "-t", "v1/dev-1/#"]).spawn();
    server.until_online("dev-1", true);
    let list = server.api.get("/devices/dev-1/certificates").expect(200).json();
    let serial = list["items"][0]["serial"].as_str().expect("a serial").to_owned();
    let path = format!("/api/v1/devices/dev-1/certificates/{serial}");
    let revoked = server.api.call(&["--request", "DELETE"], &path);
    assert!((200..300).contains(&revoked.status), "{revoked:?}");
    here.done().refused();
    refused(&server, one);

    let made = crate::harness::make_csr("dev-1");
    let body = json!({ "csr": made.csr });
    let answer = server.api.post("/devices/dev-1/certificates", &body);
    assert!((200..300).contains(&answer.status), "{answer:?}");
    let issued = answer.json()["certificate"].clone();
    let text = |field: &str| issued[field].as_str().expect("PEM").to_owned();
    let chain = text("certificate_pem") + "\n" + &text("chain_pem");
    let fresh = Identity::write(&server.path(""), "dev-1-new", &made.private_key, &chain);
    publish(&server, Some(&fresh), "dev-1", "v1/dev-1/status/system").run().ok();
}

#[test]
fn paho_finds_the_same_in_both_versions_of_mqtt() {
    let Some(python) = python() else { return };
    let (server, identities) = site();
    let folder = server.path("");
    let foreign = Identity::foreign(&folder, "dev-1");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/paho_client.py");
    let mut tool = Tool::new(python);
    tool.arg(script).arg(server.ports.mqtts.to_string()).arg(server.roots());
    tool.arg(&identities[0].certificate).arg(&identities[0].key);
    tool.arg(&foreign.certificate).arg(&foreign.key);
    let done = tool.run().ok();
    let found: Value = serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    for version in ["3.1.1", "5"] {
        let expected = json!({
            "connects": true,
            "own publish": "acknowledged",
            "own subscription": "granted",
            "foreign subscription": "refused",
            "foreign publish": "refused",
            "no certificate": "refused",
            "foreign authority": "refused",
            "foreign client id": "refused",
            "forged will": "refused",
        });
        assert_eq!(found[version], expected, "MQTT {version}: {done:?}");
    }
    assert_eq!(server.device("dev-1")["firmware_version"], "paho-5");
    assert_eq!(server.device("dev-2")["status"], Value::Null);
}
