//! Enrolment against a stand-in for Argosy's API.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use argosy_api::BatchDevicesRequest;
use parking_lot::Mutex;
use rcgen::CertificateSigningRequestParams;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::broker::Authority;
use crate::{EnrolError, Enrolment, IdentityStore, device_keys, enrol};

struct Api {
    authority: Authority,
    registered: Mutex<BTreeSet<String>>,
    calls: Mutex<Vec<String>>,
}

impl Api {
    async fn start() -> (Arc<Self>, SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let api = Arc::new(Self {
            authority: Authority::new(),
            registered: Mutex::default(),
            calls: Mutex::default(),
        });
        let mut task = JoinSet::new();
        let own = Arc::clone(&api);
        task.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("accepted");
                own.serve(stream).await;
            }
        });
        (api, address, task)
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let (head, body) = loop {
            assert!(stream.read_buf(&mut bytes).await.expect("read") > 0, "the request ends early");
            let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let head = String::from_utf8(bytes[..end].to_vec()).expect("a head");
            let length =
                head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
            if bytes.len() >= end + 4 + length.parse::<usize>().expect("a number") {
                break (head, bytes[end + 4..].to_vec());
            }
        };
        assert!(head.contains("Authorization: Bearer secret-token\r\n"), "{head}");
        let path = head.split(' ').nth(1).expect("a path").to_owned();
        let (status, answer) = self.answer(&path, &body);
        self.calls.lock().push(path);
        let answer = answer.to_string();
        let head = format!("HTTP/1.1 {status} So\r\nContent-Length: {}\r\n\r\n", answer.len());
        stream.write_all((head + &answer).as_bytes()).await.expect("written");
    }

    fn answer(&self, path: &str, body: &[u8]) -> (u16, Value) {
        assert_eq!(path, "/api/v1/devices/batch");
        let request: BatchDevicesRequest = serde_json::from_slice(body).expect("a request");
        let mut registered = self.registered.lock();
        if request.product == "wrong" {
            let problem = json!({
                "type": "urn:argosy:problem:unknown", "title": "Unknown", "status": 404,
                "detail": "there is no product wrong", "code": "unknown",
            });
            return (404, problem);
        }
        registered.extend(request.devices.iter().map(|device| device.key.clone()));
        let devices: Vec<Value> = request
            .devices
            .iter()
            .map(|d| json!({ "key": d.key, "id": 1, "certificate": d.csr.as_ref().map(|csr| self.issue(csr)) }))
            .collect();
        (201, json!({ "devices": devices, "roots_pem": self.authority.pem() }))
    }

    fn issue(&self, csr: &str) -> Value {
        let request = CertificateSigningRequestParams::from_pem(csr).expect("a certificate request");
        json!({
            "serial": "01", "not_before": "2025-01-01T00:00:00Z", "not_after": "2035-01-01T00:00:00Z",
            "certificate_pem": self.authority.sign(request), "chain_pem": self.authority.pem(),
        })
    }
}

fn enrolment(address: SocketAddr) -> Enrolment {
    Enrolment {
        api: format!("http://{address}/"),
        token: "secret-token".into(),
        ca_pem: None,
        product: "board".into(),
        group: None,
        region: None,
        certificates: true,
    }
}

#[tokio::test]
async fn missing_devices_are_registered_in_batches_and_kept() {
    let (api, address, _task) = Api::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let keys = device_keys("sim-", "1..502").expect("keys");
    let mut store = IdentityStore::open(folder.path()).expect("a store");
    assert_eq!(enrol(&enrolment(address), &mut store, &keys).await.expect("enrolled"), 502);
    assert_eq!(api.calls.lock().len(), 2, "500 and 2");
    assert_eq!(enrol(&enrolment(address), &mut store, &keys).await.expect("enrolled"), 0);

    let again = IdentityStore::open(folder.path()).expect("a store");
    assert_eq!(again.roots_pem(), Some(api.authority.pem().as_bytes()));
    for key in &keys {
        let certified = again.get(key).expect("an identity").certified(key).expect("usable");
        certified.keys_match().expect("the certificate is for the key");
        assert_eq!(certified.cert.len(), 2, "leaf and chain");
    }
}

#[tokio::test]
async fn a_fleet_whose_folder_is_lost_gets_new_certificates() {
    let (api, address, _task) = Api::start().await;
    let keys = device_keys("sim-", "1..3").expect("keys");
    let mut chains = Vec::new();
    for _ in 0..2 {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = IdentityStore::open(folder.path()).expect("a store");
        assert_eq!(enrol(&enrolment(address), &mut store, &keys).await.expect("enrolled"), 3);
        chains.push(store.get(&keys[0]).expect("an identity").chain.clone());
    }
    assert_ne!(chains[0], chains[1]);
    assert_eq!(api.registered.lock().len(), 3);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_words() {
    let (_api, address, _task) = Api::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = IdentityStore::open(folder.path()).expect("a store");
    let wrong = Enrolment { product: "wrong".into(), ..enrolment(address) };
    let error =
        enrol(&wrong, &mut store, &device_keys("", "1..1").expect("keys")).await.expect_err("refused");
    assert!(
        matches!(&error, EnrolError::Refused { status: 404, message, .. } if message == "there is no product wrong")
    );
}
