//! curl as the outside judge: TLS, ranges, resumed downloads, refused URLs.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use argosy_proto::{DeploymentId, DeviceKey, Sha256Hash};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Builder, PASSWORD, TestServer, pattern};

const SIZE: usize = 1_572_864;

/// A server certificate for `ota.test`, and the file that curl trusts.
fn tls(folder: &Path) -> Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["ota.test".to_owned()]).unwrap();
    std::fs::write(folder.join("root.pem"), made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

struct Site {
    server: TestServer,
    folder: tempfile::TempDir,
    url: String,
}

impl Site {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Builder { tls: Some(tls(folder.path())), ..Builder::default() }.start().await;
        let bytes = pattern(SIZE);
        std::fs::write(folder.path().join("app.bin"), &bytes).unwrap();
        let body = argosy_domain::testing::bytes_stream([bytes.into()], None);
        let id = "0123456789abcdef0123456789abcdef";
        let staged = server.engine.blobs().stage(id, body, 10_000_000).await.unwrap();
        server.engine.blobs().promote(id, &staged.hash).await.unwrap();
        let url = signed(&server, &staged.hash);
        Self { server, folder, url }
    }

    fn absolute(&self, path: &str) -> String {
        format!("https://ota.test:{}{path}", self.server.address.port())
    }

    async fn curl(&self, arguments: &[&str]) -> Output {
        let port = self.server.address.port();
        let mut command = Command::new("curl");
        command.current_dir(self.folder.path()).args(["--silent", "--show-error", "--max-time", "60"]);
        command.args(["--noproxy", "*", "--cacert", "root.pem"]);
        command.args(["--resolve", &format!("ota.test:{port}:127.0.0.1")]).args(arguments);
        command.output().await.expect("curl is needed for this test")
    }

    async fn status(&self, arguments: &[&str]) -> (String, Output) {
        let mut all = vec!["--output", "answer", "--write-out", "%{http_code}"];
        all.extend_from_slice(arguments);
        let output = self.curl(&all).await;
        (String::from_utf8_lossy(&output.stdout).into_owned(), output)
    }

    fn answer(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("answer")).unwrap_or_default()
    }
}

fn signed(server: &TestServer, hash: &Sha256Hash) -> String {
    let key = DeviceKey::new("vm-1").unwrap();
    let until = server.engine.now() + Duration::from_secs(600);
    server.signer.sign_for_device(hash, "app.bin", &key, DeploymentId(1), until).as_str().to_owned()
}

#[tokio::test]
async fn curl_downloads_over_both_versions_of_tls() {
    let site = Site::start().await;
    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        let url = site.absolute(&site.url);
        let (status, output) = site.status(&[version[0], version[1], version[2], &url]).await;
        assert_eq!(status, "200", "{}", String::from_utf8_lossy(&output.stderr));
        assert!(site.answer() == pattern(SIZE));
    }
}

#[tokio::test]
async fn curl_takes_ranges_and_goes_on_where_it_was_cut() {
    let site = Site::start().await;
    let url = site.absolute(&site.url);
    let (status, _) = site.status(&["--range", "1000000-1000099", &url]).await;
    assert_eq!(status, "206");
    assert!(site.answer() == pattern(SIZE)[1_000_000..1_000_100]);
    let (status, _) = site.status(&["--range", "-5", &url]).await;
    assert_eq!(status, "206");
    assert!(site.answer() == pattern(SIZE)[SIZE - 5..]);
    let (status, _) = site.status(&["--range", "9999999-", &url]).await;
    assert_eq!(status, "416");

    let part = site.folder.path().join("resumed");
    std::fs::write(&part, &pattern(SIZE)[..700_000]).unwrap();
    let output = site.curl(&["--continue-at", "-", "--output", "resumed", &url]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(std::fs::read(&part).unwrap() == pattern(SIZE));

    let head = site.curl(&["--head", &url]).await;
    let head = String::from_utf8_lossy(&head.stdout).to_lowercase();
    for line in ["http/1.1 200 ok", "accept-ranges: bytes", &format!("content-length: {SIZE}"), "etag: \""] {
        assert!(head.contains(line), "{head}");
    }
}

#[tokio::test]
async fn curl_is_told_what_is_wrong_with_a_url() {
    let site = Site::start().await;
    let code = |answer: Vec<u8>| {
        let problem: Value = serde_json::from_slice(&answer).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    };
    let tampered = site.absolute(&site.url.replace("&x=", "&x=9"));
    assert_eq!(site.status(&[&tampered]).await.0, "403");
    assert_eq!(code(site.answer()), "url_tampered");
    let hash = "ab".repeat(32);
    let foreign = site.absolute(&format!("/d/{hash}{}", site.url.get(67..).unwrap()));
    assert_eq!(site.status(&[&foreign]).await.0, "403");
    assert_eq!(code(site.answer()), "url_foreign");
    site.server.clock.advance(Duration::from_secs(600));
    assert_eq!(site.status(&[&site.absolute(&site.url)]).await.0, "403");
    assert_eq!(code(site.answer()), "url_expired");
}

#[tokio::test]
async fn curl_uploads_with_a_cookie_that_never_leaves_tls() {
    let site = Site::start().await;
    let first = json!({ "name": "admin", "password": site.server.first_password }).to_string();
    let change = json!({ "current": site.server.first_password, "new": PASSWORD }).to_string();
    let jar = ["--cookie", "jar", "--cookie-jar", "jar"];
    let json_type = ["--header", "Content-Type: application/json"];
    let login = site.absolute("/api/v1/login");
    let (status, _) = site.status(&[&jar[..], &json_type[..], &["--data", &first, &login]].concat()).await;
    assert_eq!(status, "200");
    let cookies = std::fs::read_to_string(site.folder.path().join("jar")).unwrap();
    assert!(cookies.contains("#HttpOnly_ota.test\tFALSE\t/\tTRUE\t"), "{cookies}");
    let password = site.absolute("/api/v1/me/password");
    let (status, _) =
        site.status(&[&jar[..], &json_type[..], &["--data", &change, &password]].concat()).await;
    assert_eq!(status, "200");
    let uploads = site.absolute("/api/v1/uploads");
    let asked = ["--data", "{\"file_name\":\"app.bin\"}", &uploads];
    let (status, _) = site.status(&[&jar[..], &json_type[..], &asked].concat()).await;
    assert_eq!(status, "201");
    let upload: Value = serde_json::from_slice(&site.answer()).unwrap();
    let url = upload["upload_url"].as_str().unwrap();
    assert!(url.starts_with("https://ota.test:"), "{url}");
    let (status, _) = site.status(&[&jar[..], &["--upload-file", "app.bin", url]].concat()).await;
    assert_eq!(status, "200");
    let received: Value = serde_json::from_slice(&site.answer()).unwrap();
    assert_eq!(received["size"], SIZE);
}
