//! Foreign clients: mosquitto_pub and mosquitto_sub.

use std::path::Path;
use std::process::{Output, Stdio};

use argosy_domain::ports::DeviceLink;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::harness::{Harness, key, start};
use crate::pki::{Authority, LIMIT};

struct Foreign {
    folder: tempfile::TempDir,
    port: u16,
}

impl Foreign {
    fn new(h: &Harness) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), h.servers.pem()).unwrap();
        for (name, serial) in [("dev-1", 11), ("dev-2", 12)] {
            h.devices.device(name, serial).write(folder.path(), name);
        }
        Self { folder, port: h.mtls.port() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, program: &str, certificate: Option<&str>) -> Command {
        let mut command = Command::new(program);
        command.args(["-h", "localhost", "-p", &self.port.to_string(), "-V", "mqttv311"]);
        command.arg("--cafile").arg(self.path().join("ca.crt"));
        if let Some(name) = certificate {
            command.arg("--cert").arg(self.path().join(format!("{name}.crt")));
            command.arg("--key").arg(self.path().join(format!("{name}.key")));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    async fn publish(&self, certificate: Option<&str>, id: &str, topic: &str, more: &[&str]) -> bool {
        self.publish_output(certificate, id, topic, more).await.status.success()
    }

    async fn publish_output(
        &self,
        certificate: Option<&str>,
        id: &str,
        topic: &str,
        more: &[&str],
    ) -> Output {
        let mut command = self.command("mosquitto_pub", certificate);
        command.args(["-i", id, "-t", topic, "-m", "{}", "-q", "1"]).args(more);
        tokio::time::timeout(LIMIT, command.output()).await.expect("mosquitto_pub hangs").unwrap()
    }
}

#[tokio::test]
async fn own_topics_yes() {
    let h = start().await;
    let foreign = Foreign::new(&h);
    assert!(foreign.publish(Some("dev-1"), "dev-1", "v1/dev-1/hello", &[]).await);
    assert!(foreign.publish(Some("dev-1"), "dev-1", "v1/dev-1/hello", &["-V", "mqttv5"]).await);
    assert_eq!(h.engine.messages().len(), 2);
}

#[tokio::test]
async fn foreign_topics_ids_and_certificates_no() {
    let h = start().await;
    let foreign = Foreign::new(&h);
    Authority::new("nobody").device("dev-1", 13).write(foreign.path(), "stranger");
    assert!(!foreign.publish(None, "dev-1", "v1/dev-1/hello", &[]).await, "no certificate");
    assert!(!foreign.publish(Some("stranger"), "dev-1", "v1/dev-1/hello", &[]).await, "foreign CA");
    assert!(!foreign.publish(Some("dev-1"), "dev-2", "v1/dev-2/hello", &[]).await, "foreign client id");
    let will = ["--will-topic", "v1/dev-2/hello", "--will-payload", "x"];
    assert!(!foreign.publish(Some("dev-1"), "dev-1", "v1/dev-1/hello", &will).await, "forged will");
    // mosquitto_pub reconnects for ever after a lost connection; with MQTT 5 it gets an answer instead.
    let output = foreign.publish_output(Some("dev-1"), "dev-1", "v1/dev-2/hello", &["-V", "mqttv5"]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Not authorized"), "{said}");
    assert_eq!(h.engine.messages(), []);
}

#[tokio::test]
async fn a_subscriber_gets_what_the_server_sends() {
    let h = start().await;
    let foreign = Foreign::new(&h);
    // Both ask for a session that outlives their connection.
    for (version, session) in [("mqttv311", &["-c"][..]), ("mqttv5", &["-c", "-x", "3600"])] {
        let mut command = foreign.command("mosquitto_sub", Some("dev-1"));
        command
            .args(["-i", "dev-1", "-t", "v1/dev-1/#", "-q", "1", "-v", "-C", "1", "-V", version])
            .args(session);
        let mut child = command.spawn().unwrap();
        h.until("connected", |h| h.broker.is_connected(&key("dev-1"))).await;
        h.send("dev-1", "update/request/firmware", "{firmware}").await;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(LIMIT, lines.next_line()).await.unwrap().unwrap();
        assert_eq!(line.as_deref(), Some("v1/dev-1/update/request/firmware {firmware}"), "{version}");
        assert!(child.wait().await.unwrap().success());
        h.until("gone", |h| !h.broker.is_connected(&key("dev-1"))).await;
        h.until("no session left", |h| h.broker.held_sessions() == 0).await;
    }
}

#[tokio::test]
async fn a_foreign_subscription_gets_nothing() {
    let h = start().await;
    let foreign = Foreign::new(&h);
    let mut command = foreign.command("mosquitto_sub", Some("dev-1"));
    command.args(["-i", "dev-1", "-t", "v1/dev-2/#", "-q", "1"]);
    let output = tokio::time::timeout(LIMIT, command.output()).await.expect("mosquitto_sub hangs").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("denied"), "its only subscription is refused: {said}");
}
