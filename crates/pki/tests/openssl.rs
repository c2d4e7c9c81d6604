//! OpenSSL as the outside judge: its requests, its verification of what we issue, its client against our listeners.
//!
//! The clock is fixed at [`NOW`] on both sides, so nothing here expires. The `openssl` program (3.0 or later) must be
//! installed.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

#[path = "openssl/crl.rs"]
mod crl;
#[path = "openssl/imported.rs"]
mod imported;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::ports::Entropy;
use argosy_pki::{
    Authority, AuthorityParams, CsrRefusal, Issued, KeyKind, ServerIdentity, ServerNames, ServingRules,
    leaf_facts, parse_csr,
};
use argosy_proto::DeviceKey;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls::{ServerConfig, ServerConnection, Stream};
use tempfile::TempDir;

/// 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp(1_767_225_600_000);

#[derive(Debug)]
struct Fixed(Timestamp);

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.as_millis().unsigned_abs())))
    }
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = (self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
        }
    }
}

struct Bench {
    dir: TempDir,
    authority: Arc<Authority>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let entropy = entropy();
        let params = AuthorityParams::default();
        let authority = Authority::open_or_create(&dir.path().join("pki"), &params, NOW, entropy).unwrap();
        fs::write(dir.path().join("root.pem"), authority.server_roots_pem()).unwrap();
        Self { dir, authority: Arc::new(authority) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn ca(&self, name: &str) -> PathBuf {
        self.path("pki/ca").join(name)
    }

    /// Runs `openssl` with `line` split at blanks, in the folder.
    fn openssl(&self, line: &str) -> Output {
        Command::new("openssl")
            .args(line.split_whitespace())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .output()
            .expect("the program openssl is needed for this test")
    }

    fn run(&self, line: &str) -> String {
        let output = self.openssl(line);
        assert!(output.status.success(), "openssl {line}: {}", text(&output));
        text(&output)
    }

    /// A request made by OpenSSL; the key stays in `device.key`.
    fn csr(&self, newkey: &str, more: &str) -> Vec<u8> {
        self.run(&format!(
            "req -new -newkey {newkey} -nodes -keyout device.key -out device.csr -subj /CN=ignored {more}"
        ));
        fs::read(self.path("device.csr")).unwrap()
    }

    /// A device certificate for a P-256 key of OpenSSL: `device.{key,pem}`, its intermediates in `chain.pem`.
    fn device(&self) -> Issued {
        let csr = self.csr("ec -pkeyopt ec_paramgen_curve:P-256", "");
        let issued = self.authority.issue_device(&DeviceKey::new("dev-1").unwrap(), &csr, NOW).unwrap();
        fs::write(self.path("device.pem"), issued.certificate_pem()).unwrap();
        fs::write(self.path("chain.pem"), issued.chain_pem()).unwrap();
        issued
    }

    fn server(&self) -> ServerIdentity {
        let names = ServerNames::new(["argosy.example", "127.0.0.1", "::1"]).unwrap();
        ServerIdentity::current(Arc::clone(&self.authority), names, ServingRules::default(), NOW).unwrap().0
    }

    /// The verdict of `openssl verify` at [`NOW`], with all of RFC 5280's rules.
    fn verify(&self, line: &str) -> Result<(), String> {
        let at = NOW.as_millis() / 1000;
        let output = self.openssl(&format!("verify -x509_strict -attime {at} {line}"));
        if output.status.success() { Ok(()) } else { Err(text(&output)) }
    }
}

fn entropy() -> Arc<Counter> {
    Arc::new(Counter(AtomicU64::new(1)))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn requests_of_openssl_are_accepted() {
    let bench = Bench::new();
    let kind = |newkey: &str, more: &str| parse_csr(&bench.csr(newkey, more)).unwrap().kind();
    assert_eq!(kind("ec -pkeyopt ec_paramgen_curve:P-256", ""), KeyKind::EcdsaP256);
    assert_eq!(kind("ec -pkeyopt ec_paramgen_curve:P-256", "-sha384"), KeyKind::EcdsaP256);
    assert_eq!(kind("ec -pkeyopt ec_paramgen_curve:P-256", "-sha512 -outform DER"), KeyKind::EcdsaP256);
    assert_eq!(kind("rsa:2048", "-newhdr"), KeyKind::Rsa(2048));
    assert_eq!(kind("rsa:3072", "-sha512 -text"), KeyKind::Rsa(3072));
    assert_eq!(kind("rsa:2048", "-addext subjectAltName=DNS:x.example"), KeyKind::Rsa(2048));
}

#[test]
fn other_requests_of_openssl_are_refused_with_the_reason() {
    let bench = Bench::new();
    let refusal = |newkey: &str, more: &str| parse_csr(&bench.csr(newkey, more)).unwrap_err();
    assert_eq!(refusal("rsa:1024", ""), CsrRefusal::RsaSize(1024));
    assert!(refusal("rsa:1024", "").to_string().contains("2048"));
    assert_eq!(refusal("ec -pkeyopt ec_paramgen_curve:P-384", ""), CsrRefusal::Curve("P-384".to_owned()));
    assert_eq!(
        refusal("ec -pkeyopt ec_paramgen_curve:secp256k1", ""),
        CsrRefusal::Curve("secp256k1".to_owned())
    );
    assert!(matches!(
        refusal("ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit", ""),
        CsrRefusal::Curve(_)
    ));
    assert_eq!(refusal("ed25519", ""), CsrRefusal::Algorithm("Ed25519".to_owned()));
    assert_eq!(refusal("rsa-pss", ""), CsrRefusal::Algorithm("RSASSA-PSS".to_owned()));
    assert_eq!(
        refusal("rsa:2048", "-sigopt rsa_padding_mode:pss"),
        CsrRefusal::SignatureAlgorithm("RSASSA-PSS".to_owned())
    );
    assert_eq!(refusal("rsa:2048", "-sha1"), CsrRefusal::SignatureAlgorithm("SHA-1 and RSA".to_owned()));
    assert_eq!(
        refusal("ec -pkeyopt ec_paramgen_curve:P-256", "-sha1"),
        CsrRefusal::SignatureAlgorithm("SHA-1 and ECDSA".to_owned())
    );
    // What engineers send by mistake: the key, and a certificate.
    assert_eq!(parse_csr(&fs::read(bench.path("device.key")).unwrap()).unwrap_err(), CsrRefusal::PrivateKey);
    let root = fs::read(bench.path("root.pem")).unwrap();
    assert_eq!(parse_csr(&root).unwrap_err(), CsrRefusal::OtherPem("CERTIFICATE"));
}

#[test]
fn a_device_certificate_is_for_clients_only() {
    let bench = Bench::new();
    let issued = bench.device();
    bench.verify("-CAfile root.pem -untrusted chain.pem -purpose sslclient device.pem").unwrap();
    let server = bench.verify("-CAfile root.pem -untrusted chain.pem -purpose sslserver device.pem");
    assert!(server.unwrap_err().contains("unsuitable certificate purpose"));
    let bare = bench.verify("-CAfile root.pem -purpose sslclient device.pem");
    assert!(bare.unwrap_err().contains("unable to get local issuer certificate"));
    fs::write(bench.path("server-ca.pem"), fs::read(bench.ca("server-ca.pem")).unwrap()).unwrap();
    bench.verify("-CAfile root.pem -untrusted server-ca.pem -purpose sslclient device.pem").unwrap_err();
    // What an external broker is given suffices without the device's help.
    fs::write(bench.path("trust.pem"), bench.authority.device_trust_pem()).unwrap();
    bench.verify("-CAfile trust.pem -purpose sslclient device.pem").unwrap();

    // The same facts, read by somebody else.
    let serial = bench.run("x509 -in device.pem -noout -serial");
    assert_eq!(serial.trim().to_lowercase(), format!("serial={}", issued.facts.serial));
    let issuer = bench.run("x509 -in device.pem -noout -issuer -nameopt RFC2253");
    assert_eq!(issuer.trim(), format!("issuer={}", issued.facts.issuer));
    let subject = bench.run("x509 -in device.pem -noout -subject -nameopt RFC2253");
    assert_eq!(subject.trim(), "subject=CN=dev-1");
    let dates = bench.run("x509 -in device.pem -noout -dates");
    assert_eq!(dates, "notBefore=Dec 31 23:00:00 2025 GMT\nnotAfter=Jan  1 00:00:00 2027 GMT\n");
    let public = |line: &str| bench.run(line);
    assert_eq!(
        public("x509 -in device.pem -noout -pubkey"),
        public("pkey -in device.key -pubout"),
        "the certified key is the device's own"
    );
}

#[test]
fn the_authority_is_constrained() {
    let bench = Bench::new();
    bench.device();
    let shows = |file: &Path, wanted: &[&str]| {
        let shown = bench.run(&format!("x509 -in {} -noout -text", file.display()));
        for part in wanted {
            assert!(shown.contains(part), "{}: no `{part}` in\n{shown}", file.display());
        }
    };
    let ca = "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign";
    let limit = "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:";
    let key = "X509v3 Subject Key Identifier";
    let issuer_key = "X509v3 Authority Key Identifier";
    shows(&bench.ca("root.pem"), &[ca, &format!("{limit}1"), key, "NIST CURVE: P-256", "ecdsa-with-SHA256"]);
    shows(
        &bench.ca("server-ca.pem"),
        &[ca, &format!("{limit}0"), key, issuer_key, "TLS Web Server Authentication\n"],
    );
    shows(
        &bench.ca("device-ca.pem"),
        &[ca, &format!("{limit}0"), key, issuer_key, "TLS Web Client Authentication\n"],
    );
    shows(
        &bench.path("device.pem"),
        &["X509v3 Key Usage: critical\n                Digital Signature\n", "CA:FALSE", key, issuer_key],
    );
    bench.verify(&format!("-CAfile root.pem {}", bench.ca("device-ca.pem").display())).unwrap();
    bench.verify(&format!("-CAfile root.pem {}", bench.ca("server-ca.pem").display())).unwrap();
}

#[test]
fn a_device_cannot_sign_another_certificate() {
    let bench = Bench::new();
    bench.device();
    fs::copy(bench.path("device.key"), bench.path("thief.key")).unwrap();
    bench.csr("ec -pkeyopt ec_paramgen_curve:P-256", "");
    bench.run("x509 -req -in device.csr -CA device.pem -CAkey thief.key -CAcreateserial -days 36500 -out forged.pem");
    let chain = fs::read_to_string(bench.path("device.pem")).unwrap()
        + &fs::read_to_string(bench.path("chain.pem")).unwrap();
    fs::write(bench.path("forged-chain.pem"), chain).unwrap();
    let verdict = bench.verify("-CAfile root.pem -untrusted forged-chain.pem -purpose sslclient forged.pem");
    assert!(verdict.unwrap_err().contains("invalid CA certificate"));
}

#[test]
fn the_server_certificate_is_for_its_names_and_for_servers_only() {
    let bench = Bench::new();
    let identity = bench.server();
    let file = identity.file();
    let pem = fs::read_to_string(&file).unwrap();
    let chain: Vec<&str> = pem.split_inclusive("-----END CERTIFICATE-----\n").collect();
    assert_eq!(chain.len(), 2, "leaf and intermediate");
    assert_eq!(chain[1], fs::read_to_string(bench.ca("server-ca.pem")).unwrap(), "the leaf comes first");
    fs::write(bench.path("chain.pem"), chain[1]).unwrap();
    let leaf = file.display();
    let good = format!("-CAfile root.pem -untrusted chain.pem -purpose sslserver {leaf}");
    bench.verify(&format!("-verify_hostname argosy.example {good}")).unwrap();
    bench.verify(&format!("-verify_ip 127.0.0.1 {good}")).unwrap();
    bench.verify(&format!("-verify_ip ::1 {good}")).unwrap();
    bench.verify(&format!("-verify_hostname other.example {good}")).unwrap_err();
    bench.verify(&format!("-CAfile root.pem -untrusted chain.pem -purpose sslclient {leaf}")).unwrap_err();
}

/// One connection of `openssl s_client` to a listener with `config`: what the server saw of the client, and what the client
/// said.
fn connect(bench: &Bench, config: &Arc<ServerConfig>, line: &str) -> (Result<Vec<Vec<u8>>, String>, String) {
    connect_at(bench, config, line, NOW)
}

fn connect_at(
    bench: &Bench,
    config: &Arc<ServerConfig>,
    line: &str,
    now: Timestamp,
) -> (Result<Vec<Vec<u8>>, String>, String) {
    let mut config = ServerConfig::clone(config);
    config.time_provider = Arc::new(Fixed(now));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = Stream::new(&mut tls, &mut socket);
        let mut byte = [0];
        stream.read_exact(&mut byte).map_err(|e| e.to_string())?;
        stream.write_all(b"welcome\n").map_err(|e| e.to_string())?;
        stream.conn.send_close_notify();
        stream.flush().map_err(|e| e.to_string())?;
        let peers = tls.peer_certificates().unwrap_or_default();
        Ok(peers.iter().map(|c| c.to_vec()).collect())
    });
    let at = now.as_millis() / 1000;
    let mut client = Command::new("openssl")
        .args(format!("s_client -connect 127.0.0.1:{port} -servername argosy.example").split_whitespace())
        .args(format!("-CAfile root.pem -attime {at} -verify_return_error").split_whitespace())
        .args("-verify_hostname argosy.example -ign_eof".split_whitespace())
        .args(line.split_whitespace())
        .current_dir(bench.dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A client that was turned away may be gone already.
    let _ = client.stdin.take().unwrap().write_all(b"x");
    let said = text(&client.wait_with_output().unwrap());
    // One that never came, for a wrong option: the server must not wait for it.
    drop(std::net::TcpStream::connect(("127.0.0.1", port)));
    (server.join().unwrap(), said)
}

#[test]
fn openssl_connects_to_mqtt_with_a_device_certificate_and_not_without() {
    let bench = Bench::new();
    let issued = bench.device();
    let mqtt = bench.server().mqtt_config(None).unwrap();
    for version in ["-tls1_2", "-tls1_3"] {
        for with in
            ["-cert device.pem -key device.key", "-cert device.pem -key device.key -cert_chain chain.pem"]
        {
            let (seen, said) = connect(&bench, &mqtt, &format!("{version} {with}"));
            let peers = seen.unwrap();
            assert_eq!(leaf_facts(&peers[0]).unwrap(), issued.facts);
            assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
            assert!(said.contains("welcome"), "{said}");
        }
        let (seen, said) = connect(&bench, &mqtt, version);
        assert!(seen.unwrap_err().contains("no certificates"), "{said}");
        assert!(!said.contains("welcome"), "{said}");
    }
    let (seen, _) = connect(&bench, &mqtt, "-tls1_1 -cipher DEFAULT@SECLEVEL=0");
    seen.unwrap_err();
}

#[test]
fn openssl_sees_the_whole_chain_over_https() {
    let bench = Bench::new();
    let https = bench.server().https_config().unwrap();
    for (version, suite) in
        [("-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256"), ("-tls1_3", "TLS_AES_128_GCM_SHA256")]
    {
        let (seen, said) = connect(&bench, &https, &format!("{version} -alpn h2,http/1.1"));
        assert!(seen.unwrap().is_empty(), "no client certificate is asked for");
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
        assert!(said.contains(&format!("Cipher is {suite}")), "{said}");
        assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
        assert!(said.contains("No client certificate CA names sent"), "{said}");
    }
    let (_, said) = connect(&bench, &https, "-verify_hostname other.example");
    assert!(said.contains("hostname mismatch"), "{said}");
}
