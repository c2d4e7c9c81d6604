//! Prints what an idle connection costs; asserts nothing but that all of them stand.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::client::{Client, Connect};
use crate::harness::start;

const COUNT: u64 = 500;
/// `port folder`: this process is the clients.
const CHILD: &str = "ARGOSY_MQTT_TEST_CLIENTS";

fn resident_kb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The clients live in another process, so that only the broker's memory is measured.
#[tokio::test]
async fn memory_of_idle_connections() {
    let h = start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.crt"), h.servers.pem()).unwrap();
    for n in 0..COUNT {
        h.devices.device(&format!("dev-{n}"), 1000 + n).write(folder.path(), &format!("dev-{n}"));
    }
    // One connection first: what is made once is not counted.
    h.device("warm-up").await.ping().await;
    let before = resident_kb();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "measure::clients_of_another_process", "--ignored", "--nocapture"])
        .env(CHILD, format!("{} {}", h.mtls.port(), folder.path().display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    h.until("all connected", |h| h.broker.metrics().connected.load(Ordering::Relaxed) >= COUNT).await;
    let after = resident_kb();
    let each = after.saturating_sub(before) as f64 / COUNT as f64;
    println!("{COUNT} idle mTLS connections: {} kB, {each:.1} kB each", after.saturating_sub(before));
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
}

#[tokio::test]
#[ignore = "started by memory_of_idle_connections"]
async fn clients_of_another_process() {
    let Ok(parameters) = std::env::var(CHILD) else { return };
    let (port, folder) = parameters.split_once(' ').unwrap();
    let (port, folder): (u16, _) = (port.parse().unwrap(), PathBuf::from(folder));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.crt")).unwrap()).unwrap();
    let mut clients = Vec::new();
    for n in 0..COUNT {
        let name = format!("dev-{n}");
        let certificate = CertificateDer::from_pem_file(folder.join(format!("{name}.crt"))).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_client_auth_cert(vec![certificate], key)
        .unwrap();
        let mut client = Client::tls(([127, 0, 0, 1], port).into(), Arc::new(config)).await.unwrap();
        assert_eq!(client.connect(&Connect::new(&name)).await, Some(0));
        clients.push(client);
    }
    // Until the other process has measured.
    let mut line = String::new();
    BufReader::new(std::io::stdin()).read_line(&mut line).unwrap();
}
