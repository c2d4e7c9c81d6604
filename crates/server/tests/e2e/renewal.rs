//! A board's order of renewal against the real server: it overwrites its private key, asks, and loses answers in every way.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use argosy_pki::{Serial, leaf_facts};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SignatureScheme, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use serde_json::{Value, json};

use crate::harness::{Server, authority_pair, curl, until};

/// What stands in a board's flash, or its RAM: not checked against each other, as mbedTLS does not.
#[derive(Debug, Clone)]
struct Held {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Held {
    fn serial(&self) -> String {
        leaf_facts(&self.chain[0]).expect("a certificate").serial.to_string()
    }
}

#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A connection of a board, MQTT 3.1.1, hand-made.
struct Line {
    tls: StreamOwned<ClientConnection, TcpStream>,
    /// What was published to it, by topic.
    seen: Vec<(String, Value)>,
    id: u16,
}

impl Line {
    /// Connects and waits for CONNACK; the code is what CONNACK says, an error is a handshake or connection that ends.
    fn open(server: &Server, held: &Held, client_id: &str) -> io::Result<Result<Self, u8>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        let pem = std::fs::read(server.roots()).expect("the roots");
        for root in CertificateDer::pem_slice_iter(&pem) {
            roots.add(root.expect("a root")).expect("a root");
        }
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(held.key.clone()));
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).expect("a key");
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12])
            .expect("TLS 1.2")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.client_auth_cert_resolver =
            Arc::new(Shows(Arc::new(CertifiedKey::new(held.chain.clone(), key))));
        let name = ServerName::try_from("localhost").expect("a name");
        let socket = TcpStream::connect(("127.0.0.1", server.ports.mqtts))?;
        socket.set_read_timeout(Some(Duration::from_secs(60)))?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let mut line = Self { tls: StreamOwned::new(connection, socket), seen: Vec::new(), id: 0 };
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60];
        body.extend_from_slice(&u16::try_from(client_id.len()).expect("short").to_be_bytes());
        body.extend_from_slice(client_id.as_bytes());
        line.send(0x10, &body)?;
        match line.packet()? {
            (0x20, body) if body[1] == 0 => Ok(Ok(line)),
            (0x20, body) => Ok(Err(body[1])),
            (other, _) => Err(io::Error::other(format!("packet {other:x}"))),
        }
    }

    fn send(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let mut packet = vec![kind];
        let mut left = body.len();
        loop {
            let low = u8::try_from(left % 128).expect("seven bits");
            left /= 128;
            packet.push(if left > 0 { low | 0x80 } else { low });
            if left == 0 {
                break;
            }
        }
        packet.extend_from_slice(body);
        self.tls.write_all(&packet)?;
        self.tls.flush()
    }

    fn packet(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut byte = [0];
        self.tls.read_exact(&mut byte)?;
        let kind = byte[0];
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            self.tls.read_exact(&mut byte)?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.tls.read_exact(&mut body)?;
        Ok((kind, body))
    }

    /// The next packet that is no message to it; messages are kept and acknowledged.
    fn step(&mut self) -> io::Result<u8> {
        let (kind, body) = self.packet()?;
        if kind & 0xf0 == 0x30 {
            let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
            let topic = String::from_utf8_lossy(&body[2..2 + length]).into_owned();
            let qos = (kind >> 1) & 3;
            let payload = &body[2 + length + if qos > 0 { 2 } else { 0 }..];
            self.seen.push((topic, serde_json::from_slice(payload).expect("JSON")));
            if qos > 0 {
                let id = [body[2 + length], body[3 + length]];
                self.send(0x40, &id)?;
            }
        }
        Ok(kind)
    }

    /// Publishes at QoS 1 without waiting for anything.
    fn publish(&mut self, topic: &str, payload: &Value) -> io::Result<()> {
        self.id += 1;
        let mut body = u16::try_from(topic.len()).expect("short").to_be_bytes().to_vec();
        body.extend_from_slice(topic.as_bytes());
        body.extend_from_slice(&self.id.to_be_bytes());
        body.extend_from_slice(payload.to_string().as_bytes());
        self.send(0x32, &body)
    }

    fn until_acknowledged(&mut self) -> io::Result<()> {
        while self.step()? != 0x40 {}
        Ok(())
    }

    /// The next answer to a renewal.
    fn answer(&mut self) -> io::Result<Value> {
        loop {
            if let Some(at) = self.seen.iter().position(|(topic, _)| topic.ends_with("/cert/request/ack")) {
                return Ok(self.seen.remove(at).1);
            }
            self.step()?;
        }
    }

    /// Answers that come before the reply to a ping.
    fn answers_at_hand(&mut self) -> usize {
        self.send(0xc0, &[]).expect("a ping");
        while self.step().expect("a reply") != 0xd0 {}
        self.seen.iter().filter(|(topic, _)| topic.ends_with("/cert/request/ack")).count()
    }
}

fn new_key() -> (Vec<u8>, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "what the board calls itself");
    let csr = params.serialize_request(&key).and_then(|csr| csr.pem()).expect("a request");
    (key.serialize_der(), csr)
}

fn chain_of(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().expect("certificates")
}

/// A device with its factory identity.
fn board(server: &Server) -> Held {
    server.product();
    let identity = &server.enrol(&["dev-1"])[0];
    let pem = std::fs::read_to_string(&identity.key).expect("a key");
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a key").secret_der().to_vec();
    Held { chain: chain_of(&std::fs::read_to_string(&identity.certificate).expect("a file")), key }
}

fn open(server: &Server, held: &Held) -> Line {
    Line::open(server, held, "dev-1")
        .expect("a connection")
        .map_err(|code| format!("CONNACK {code}"))
        .expect("in")
}

const ASK: &str = "v1/dev-1/cert/request";

fn certificate_in(answer: &Value) -> Vec<CertificateDer<'static>> {
    assert_eq!(answer["status"], "OK", "{answer}");
    assert!(answer["root_ca"].as_str().expect("roots").contains("BEGIN CERTIFICATE"));
    let chain = chain_of(answer["client_ca"].as_str().expect("a chain"));
    assert_eq!(chain.len(), 2, "leaf and intermediate");
    assert_eq!(
        leaf_facts(&chain[0]).expect("a leaf").common_name,
        "dev-1",
        "the subject asked for is ignored"
    );
    chain
}

#[test]
fn a_board_that_overwrites_its_key_and_loses_every_answer_is_never_shut_out() {
    let mut server = Server::start();
    let factory = board(&server);
    let mut line = open(&server, &factory);
    // Its flash has the new key from here on, and the old certificate.
    let (key, csr) = new_key();
    let flash = Held { chain: factory.chain.clone(), key };
    line.publish(ASK, &json!({ "csr": csr, "timestamp": "2025-01-01T00:00:00Z" })).expect("sent");
    line.until_acknowledged().expect("PUBACK");
    drop(line);
    // It reconnects with what it has in RAM, and loses the answer once more.
    let first = certificate_in(&open(&server, &factory).answer().expect("an answer nobody asked for"));
    // The server dies and comes back; the board still has the old key in RAM.
    server.crash();
    let again = certificate_in(&open(&server, &factory).answer().expect("the answer again"));
    assert_eq!(first, again, "no second certificate");
    // The board restarts: an old certificate, and a key that does not belong to it, are all that it has.
    let stranger = Held { chain: factory.chain.clone(), key: new_key().0 };
    assert!(Line::open(&server, &stranger, "dev-1").is_err(), "a key that nobody asked a certificate for");
    let mut line = open(&server, &flash);
    let answer = line.answer().expect("the answer to a board that lost everything");
    assert_eq!(certificate_in(&answer), first);
    line.publish("v1/dev-1/test", &json!({ "message": "still here" })).expect("sent");
    line.until_acknowledged().expect("it may do everything");
    drop(line);
    // It asks again because it can: the same certificate.
    let mut line = open(&server, &flash);
    line.answer().expect("first what it had coming");
    line.publish(ASK, &json!({ "csr": csr })).expect("sent");
    assert_eq!(certificate_in(&line.answer().expect("an answer")), first);
    drop(line);
    // At last it stores it.
    let renewed = Held { chain: first, key: flash.key.clone() };
    let mut line = open(&server, &renewed);
    assert_eq!(line.answers_at_hand(), 0, "the new one has been seen");
    let listed = server.api.get("/devices/dev-1/certificates").expect(200).json();
    let of = |serial: &str| {
        let all = listed["items"].as_array().expect("a list");
        all.iter().find(|c| c["serial"] == serial).expect("listed").clone()
    };
    assert_eq!(listed["items"].as_array().expect("a list").len(), 2);
    assert_eq!(of(&renewed.serial())["retires_at"], Value::Null);
    assert!(of(&factory.serial())["retires_at"].is_string(), "{listed}");
    open(&server, &factory);
    assert!(Line::open(&server, &flash, "dev-1").is_err(), "the pair of old and new has done its work");
}

#[test]
fn wherever_the_server_dies_the_board_has_its_answer_in_the_end() {
    let mut server = Server::start();
    let mut held = board(&server);
    for round in 0..6_u64 {
        let (key, csr) = new_key();
        let mut line = open(&server, &held);
        line.publish(ASK, &json!({ "csr": csr })).expect("sent");
        // Nobody waits for anything: what is done by then is done.
        std::thread::sleep(Duration::from_millis(round * 4));
        server.kill();
        drop(line);
        server.launch();
        let mut line = open(&server, &held);
        if line.answers_at_hand() == 0 {
            // Not acknowledged: MQTT sends it again.
            line.publish(ASK, &json!({ "csr": csr })).expect("sent");
        }
        let chain = certificate_in(&line.answer().expect("an answer"));
        held = Held { chain, key };
        drop(line);
        assert_eq!(open(&server, &held).answers_at_hand(), 0);
        let listed = server.api.get("/devices/dev-1/certificates").expect(200).json();
        let count = listed["items"].as_array().expect("a list").len();
        assert_eq!(count as u64, round + 2, "one certificate a key: {listed}");
    }
}

#[test]
fn bad_requests_are_answered_and_harm_nobody() {
    let server = Server::start();
    let held = board(&server);
    let mut line = open(&server, &held);
    line.publish(
        ASK,
        &json!({ "csr": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n" }),
    )
    .expect("sent");
    let answer = line.answer().expect("an answer");
    assert_eq!(answer["status"], "BAD_CSR", "{answer}");
    assert!(answer["message"].as_str().expect("a reason").contains("PKCS #10"), "{answer}");
    line.publish(ASK, &json!({ "csr": new_key().1 })).expect("sent");
    certificate_in(&line.answer().expect("an answer"));
}

/// A certificate that the registry knows, with its time over: made with the authority's own key, since nobody waits a year.
fn ended(server: &Server, serial: &str) -> Held {
    let (issuer, chain) = authority_pair(&server.data(), "device-ca");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "dev-1");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.serial_number = Some(Serial::parse(serial).expect("a serial").to_bytes().into());
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let leaf = params.signed_by(&key, &issuer).expect("a certificate");
    Held { chain: chain_of(&(leaf.pem() + &chain)), key: key.serialize_der() }
}

#[test]
fn a_board_that_slept_past_its_end_comes_back_when_an_operator_says_so() {
    let server = Server::start();
    let factory = board(&server);
    let held = ended(&server, &factory.serial());
    let refused = |held: &Held| Line::open(&server, held, "dev-1").expect("a handshake").err();
    assert_eq!(refused(&held), Some(5));
    let path = format!("/devices/dev-1/certificates/{}/allow-expired", factory.serial());
    let soon =
        server.api.get("/devices/dev-1/certificates").expect(200).json()["items"][0]["not_before"].clone();
    server.api.post(&path, &json!({ "until": soon })).expect(422);
    let until = {
        #[expect(clippy::disallowed_methods, reason = "a test is a binary: it composes the real clock")]
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        argosy_api::Time(i64::try_from(now.as_millis()).expect("a time") + 3_600_000)
    };
    server.api.post(&path, &json!({ "until": until })).expect(204);
    let mut line = open(&server, &held);
    line.publish("v1/dev-1/hello", &json!({ "protocol": 1 })).expect("sent");
    line.until_acknowledged().expect("MQTT 3 has no other way to refuse it");
    let (key, csr) = new_key();
    line.publish(ASK, &json!({ "csr": csr })).expect("sent");
    let chain = certificate_in(&line.answer().expect("an answer"));
    assert!(line.seen.is_empty(), "nothing else comes to it: {:?}", line.seen);
    let session = &server.api.list("/sessions")[0];
    assert_eq!(session["certificate_serial"], factory.serial().as_str());
    drop(line);
    open(&server, &Held { chain, key });
    server.api.post(&path, &json!({ "until": null })).expect(204);
    assert_eq!(refused(&held), Some(5));
}

#[test]
fn a_revocation_cuts_is_listed_and_survives_a_restore() {
    let mut server = Server::start();
    let factory = board(&server);
    let mut line = open(&server, &factory);
    line.publish(ASK, &json!({ "csr": new_key().1 })).expect("sent");
    let other = leaf_facts(&certificate_in(&line.answer().expect("an answer"))[0])
        .expect("a leaf")
        .serial
        .to_string();

    // A copy of the data, as a backup would have it.
    server.stop(Duration::from_secs(60));
    let (data, copy) = (server.data(), server.path("copy"));
    let mut cp = std::process::Command::new("cp");
    assert!(cp.arg("-a").arg(&data).arg(&copy).status().expect("cp").success());
    server.launch();

    let revoke = |serial: &str| {
        let path = format!("/api/v1/devices/dev-1/certificates/{serial}?reason=key_compromise");
        server.api.call(&["-X", "DELETE"], &path).expect(204);
    };
    let mut line = open(&server, &factory);
    revoke(&other);
    line.answers_at_hand();
    revoke(&factory.serial());
    until("the connection is cut", || line.step().is_err().then_some(()));
    assert_eq!(Line::open(&server, &factory, "dev-1").expect("a handshake").err(), Some(5));

    let list = |server: &Server| {
        let file = server.path("list.pem");
        let answer = curl(&[&format!("{}/crl/device.pem", server.api.base())]).expect(200);
        std::fs::write(&file, &answer.body).expect("a file");
        let ca = server.data().join("pki/ca/device-ca.pem");
        let openssl = std::process::Command::new("openssl")
            .args(["crl", "-noout", "-verify", "-text", "-CAfile"])
            .arg(&ca)
            .arg("-in")
            .arg(&file)
            .output()
            .expect("openssl");
        let said =
            String::from_utf8_lossy(&openssl.stdout).into_owned() + &String::from_utf8_lossy(&openssl.stderr);
        assert!(said.contains("verify OK"), "{said}");
        said
    };
    let said = list(&server);
    for serial in [&factory.serial(), &other] {
        assert!(said.contains(&serial.to_uppercase()), "{serial} in {said}");
    }
    assert!(said.contains("Key Compromise"), "{said}");
    let der = curl(&[&format!("{}/crl/device.crl", server.api.base())]).expect(200);
    assert_eq!(der.header("content-type").as_deref(), Some("application/pkix-crl"));
    assert_eq!(curl(&[&format!("{}/crl/nobody.crl", server.api.base())]).status, 404);

    // The copy comes back, in which the certificates are good.
    server.stop(Duration::from_secs(60));
    std::fs::remove_dir_all(&data).expect("the data is gone");
    std::fs::rename(&copy, &data).expect("the copy is back");
    server.launch();
    assert_eq!(Line::open(&server, &factory, "dev-1").expect("a handshake").err(), Some(5));
    assert!(list(&server).contains(&factory.serial().to_uppercase()));
    assert_eq!(server.api.list("/revocations").len(), 2);
}
