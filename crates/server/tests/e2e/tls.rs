//! TLS by openssl, downloads and uploads by curl.

use std::fs;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, SystemTime};

use argosy_domain::Timestamp;
use argosy_domain::testing::esp_image_of_size;
use argosy_engine::download::UrlSigner;
use argosy_proto::{DeploymentId, DeviceKey, Sha256Hash};
use serde_json::{Value, json};

use crate::harness::{Answer, CHIP, PRODUCT, SLOT, Server, Tool, curl, image, until};

/// A handshake, and what openssl says of it.
fn handshake(server: &Server, port: u16, more: &[&str]) -> (bool, String) {
    let roots = server.path("roots.pem");
    fs::write(&roots, server.api.get("/ca/roots.pem").expect(200).body).expect("a file");
    let mut tool = Tool::new("openssl");
    tool.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", "localhost"]);
    tool.args(["-verify_return_error", "-verify_hostname", "localhost", "-ign_eof"]);
    let mut running = tool.arg("-CAfile").arg(&roots).args(more).spawn();
    // A request that makes either listener answer and close.
    running.say("GET /healthz HTTP/1.0\r\n\r");
    drop(running.stdin.take());
    let done = running.done();
    (done.status.success(), format!("{}\n{}", done.out, done.err))
}

#[test]
fn the_chain_verifies_and_only_good_versions_are_spoken() {
    let server = Server::start();
    server.product();
    let device = &server.enrol(&["dev-1"])[0];
    let (certificate, key) = (device.certificate.display().to_string(), device.key.display().to_string());
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let (ok, said) = handshake(&server, server.ports.https, &[version]);
        assert!(ok && said.contains("Verify return code: 0 (ok)") && said.contains(name), "{said}");
        assert!(said.contains("200 OK"), "{said}");

        let with = [version, "-cert", &certificate, "-cert_chain", &certificate, "-key", &key];
        let (_, said) = handshake(&server, server.ports.mqtts, &with);
        assert!(said.contains("Verify return code: 0 (ok)") && said.contains(name), "{said}");
        assert!(
            !said.contains("alert certificate required") && !said.contains("alert handshake failure"),
            "{said}"
        );
        // The broker asks for a certificate (of whom, it does not say: imported authorities come and go), and goes no further without.
        let (_, said) = handshake(&server, server.ports.mqtts, &[version]);
        assert!(said.contains("Requested Signature Algorithms"), "{said}");
        assert!(said.contains("alert"), "{said}");
    }
    for port in [server.ports.https, server.ports.mqtts] {
        for version in ["-tls1", "-tls1_1"] {
            // openssl itself would refuse unless told not to.
            let (ok, said) = handshake(&server, port, &[version, "-cipher", "ALL:@SECLEVEL=0"]);
            assert!(!ok && said.contains("SSL alert number"), "{version}: {said}");
            assert!(said.contains("Cipher is (NONE)"), "{version}: {said}");
        }
    }
}

/// A firmware, and the address of its file for a device.
struct Served {
    server: Server,
    bytes: Vec<u8>,
    firmware: Value,
}

impl Served {
    fn start() -> Self {
        let server = Server::start();
        server.product();
        let bytes = image(300_000 / 16 * 16, "2.0.0");
        let firmware = server.firmware("2.0.0", &bytes);
        fs::write(server.roots(), server.api.get("/ca/roots.pem").expect(200).body).expect("a file");
        Self { server, bytes, firmware }
    }

    fn hash(&self) -> &str {
        self.firmware["sha256"].as_str().expect("a hash")
    }

    /// Path and query as the server signs them, `seconds` from now on good.
    fn signed(&self, secret: &[u8; 32], seconds: i64) -> String {
        #[expect(clippy::disallowed_methods, reason = "a test is a binary: it composes the real clock")]
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let until = Timestamp(i64::try_from(now.as_millis()).expect("a time") + seconds * 1000);
        let hash: Sha256Hash = self.hash().parse().expect("a hash");
        let key = DeviceKey::new("dev-1").expect("a key");
        UrlSigner::new(secret)
            .sign_for_device(&hash, "app.bin", &key, DeploymentId(1), until)
            .as_str()
            .to_owned()
    }

    fn secret(&self) -> [u8; 32] {
        let bytes = fs::read(self.server.data().join("secrets/download-url.key")).expect("the key");
        bytes.try_into().expect("32 bytes")
    }

    fn get(&self, more: &[&str], path: &str) -> Answer {
        let url = format!("https://localhost:{}{path}", self.server.ports.https);
        let roots = self.server.roots().display().to_string();
        let mut all = vec!["--cacert", &roots];
        all.extend_from_slice(more);
        all.push(&url);
        curl(&all)
    }
}

#[test]
fn ranges_conditions_and_head_are_served() {
    let served = Served::start();
    let (url, bytes) = (served.signed(&served.secret(), 600), &served.bytes);
    let size = bytes.len();
    let whole = served.get(&[], &url).expect(200);
    assert!(whole.body == *bytes);
    let etag = whole.header("etag").expect("an ETag");
    assert_eq!(whole.header("accept-ranges").as_deref(), Some("bytes"));
    for (range, from, to) in [
        ("0-99", 0, 100),
        ("65530-65545", 65_530, 65_546),
        ("-500", size - 500, size),
        ("299000-", 299_000, size),
    ] {
        let part = served.get(&["--range", range], &url).expect(206);
        assert!(part.body == bytes[from..to], "{range}");
        assert_eq!(part.header("content-range"), Some(format!("bytes {from}-{}/{size}", to - 1)));
    }
    let outside = served.get(&["--range", &format!("{size}-")], &url);
    assert_eq!(outside.header("content-range"), Some(format!("bytes */{size}")));
    outside.problem(416, "range_not_satisfiable");
    let head = served.get(&["--head"], &url).expect(200);
    assert_eq!(head.header("content-length"), Some(size.to_string()));
    assert_eq!(head.header("etag").as_deref(), Some(etag.as_str()));
    let known = format!("if-none-match: {etag}");
    assert_eq!(served.get(&["--header", &known], &url).expect(304).body, b"");
    let (fits, not) = (format!("if-range: {etag}"), "if-range: \"other\"");
    served.get(&["--range", "0-99", "--header", &fits], &url).expect(206);
    served.get(&["--range", "0-99", "--header", not], &url).expect(200);
}

#[test]
fn a_url_that_is_not_as_it_was_given_names_what_is_wrong() {
    let served = Served::start();
    let secret = served.secret();
    let good = served.signed(&secret, 600);
    served.get(&[], &good).expect(200);
    let flip = |text: &str| {
        let last = if text.ends_with('0') { '1' } else { '0' };
        format!("{}{last}", &text[..text.len() - 1])
    };
    let other = served.server.firmware("3.0.0", &image(8192, "3.0.0"));
    let other = other["sha256"].as_str().expect("a hash");
    for (url, code) in [
        (flip(&good), "url_tampered"),
        (good.replace("dev-1", "dev-2"), "url_tampered"),
        (good.replace("&x=", "&x=9"), "url_tampered"),
        (good.split("&s=").next().expect("a part").to_owned(), "url_tampered"),
        (good.split('?').next().expect("a part").to_owned(), "url_tampered"),
        (good.replacen(served.hash(), other, 1), "url_foreign"),
        (served.signed(&[7; 32], 600), "url_foreign"),
        (served.signed(&secret, -1), "url_expired"),
    ] {
        let problem = served.get(&[], &url).problem(403, code);
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        assert!(!problem.to_string().contains("&s="), "a signature in the answer: {problem}");
    }
    assert!(!served.server.log().contains("&s="), "a signature in the log");
}

#[test]
fn an_upload_is_not_readable_before_it_is_registered() {
    let served = Served::start();
    let bytes = image(8192, "9.0.0");
    let upload = served.server.upload("app.bin", &bytes);
    let hash = argosy_proto::Sha256Hash(sha256(&bytes));
    assert_eq!(served.server.files_in("blobs/staging"), std::slice::from_ref(&upload));
    let key = DeviceKey::new("dev-1").expect("a key");
    let signer = UrlSigner::new(&served.secret());
    let forever = Timestamp(i64::from(u32::MAX) * 1000);
    let url = signer.sign_for_device(&hash, "app.bin", &key, DeploymentId(1), forever);
    served.get(&[], url.as_str()).problem(404, "not_found");
    assert_eq!(served.server.api.call(&[], &format!("/api/v1/uploads/{upload}")).status, 405);
    let body = json!({ "upload_id": upload, "product": PRODUCT, "version": "9.0.0" });
    served.server.api.post("/firmware", &body).expect(201);
    assert!(served.get(&[], url.as_str()).expect(200).body == bytes);
    assert_eq!(served.server.files_in("blobs/staging"), Vec::<String>::new());
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("32 bytes")
}

#[test]
fn an_upload_that_is_cut_off_leaves_nothing() {
    let mut server = Server::start();
    server.product();
    let start = |server: &Server| {
        let asked = server.api.post("/uploads", &json!({ "file_name": "app.bin" })).expect(201).json();
        let url = asked["upload_url"].as_str().expect("an address").to_owned();
        let bearer = format!("authorization: Bearer {}", server.api.token());
        let mut tool = Tool::new("curl");
        tool.args(["-sS", "--noproxy", "*", "--max-time", "120", "-H", &bearer, "-H", "expect:"]);
        let mut running = tool.args(["--upload-file", "-", &url]).spawn();
        running.say(&"x".repeat(100_000));
        until("the upload is under way", || (!server.files_in("blobs/staging").is_empty()).then_some(()));
        running
    };
    // The client dies.
    let running = start(&server);
    drop(running);
    until("nothing is left of it", || server.files_in("blobs/staging").is_empty().then_some(()));
    // The server dies: it cleans up at its next start.
    let running = start(&server);
    server.kill();
    assert_eq!(server.files_in("blobs/staging").len(), 1);
    drop(running);
    server.launch();
    until("nothing is left of it", || server.files_in("blobs/staging").is_empty().then_some(()));
}

#[test]
fn a_bad_file_is_refused_with_what_is_wrong_with_it() {
    let server = Server::start();
    server.product();
    let good = image(20_000 / 16 * 16, "1.0.0");
    let other_chip = esp_image_of_size("esp32c3", 8192, 1, PRODUCT, "1.0.0");
    let oversize = esp_image_of_size(CHIP, SLOT + 16, 1, PRODUCT, "1.0.0");
    let mut corrupt = good.clone();
    corrupt[10_000] ^= 1;
    for (bytes, words) in [
        (other_chip, &["esp32c3", "esp32s3"][..]),
        (oversize, &["1048592", "1048576"]),
        (good[..good.len() - 40].to_vec(), &["cut", "trunc", "end"]),
        (corrupt, &["checksum", "hash", "corrupt"]),
        (vec![0x55; 4096], &["0xE9", "0x55"]),
        (b":020000040000FA\n:00000001FF\n".to_vec(), &["HEX"]),
    ] {
        let problem = server.try_firmware("1.0.0", &bytes).problem(422, "invalid");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(words.iter().any(|word| detail.contains(word)), "{words:?}: {detail}");
    }
    server.firmware("1.0.0", &good);
    // The same version and file name again, with other bytes.
    let again = server.try_firmware("1.0.0", &image(4096, "1.0.0"));
    again.problem(409, "firmware_exists");
    assert_eq!(server.api.list(&format!("/firmware?product={PRODUCT}")).len(), 1);
}

#[test]
fn who_connects_and_says_nothing_is_closed() {
    let server = crate::harness::Builder::default().set("mqtt.limits.connect_timeout_seconds=1").start();
    let silent = TcpStream::connect(("127.0.0.1", server.ports.mqtts)).expect("a connection");
    silent.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    let mut byte = [0_u8; 1];
    let read = std::io::Read::read(&mut &silent, &mut byte);
    assert!(
        matches!(read, Ok(0))
            || read.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset),
        "{read:?}"
    );
    let _ = silent.shutdown(Shutdown::Both);
}
