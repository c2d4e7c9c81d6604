//! Health, metrics, the description and the page.

use crate::harness::TestServer;

#[tokio::test]
async fn health_and_the_roots_are_open_to_anyone() {
    let server = TestServer::start().await;
    let anyone = server.anyone();
    assert_eq!(anyone.get("/healthz").await.expect(200).body, "ok\n");
    insta::assert_json_snapshot!(anyone.get("/readyz").await.expect(200).shown());
    let roots = anyone.get("/api/v1/ca/roots.pem").await.expect(200);
    assert_eq!(
        (roots.body.as_ref(), roots.header("content-type").as_deref()),
        (&b"fake root\n"[..], Some("application/x-pem-file"))
    );
    let api = anyone.get("/api/v1/openapi.json").await.expect(200);
    assert_eq!(api.json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn the_page_is_the_console_or_says_that_there_is_none() {
    let server = TestServer::start().await;
    let page = server.anyone().get("/").await.expect(200);
    assert_eq!(page.header("content-type").as_deref(), Some("text/html; charset=utf-8"));
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    if !argosy_http::console_is_built() {
        for link in ["/api/v1/openapi.json", "/healthz", "/readyz", "/api/v1/ca/roots.pem"] {
            assert!(text.contains(&format!("href=\"{link}\"")), "{link}");
            server.anyone().get(link).await.expect(200);
        }
        return;
    }
    // The page's nonce is the policy's, and another one each time.
    let policy = page.header("content-security-policy").unwrap();
    let nonce = policy.split_once("'nonce-").unwrap().1.split('\'').next().unwrap().to_owned();
    assert!(text.contains(&format!("nonce=\"{nonce}\"")) && !text.contains("__CSP_NONCE__"), "{policy}");
    let again = server.anyone().get("/").await.expect(200);
    assert!(!again.header("content-security-policy").unwrap().contains(&nonce));
    // What it loads is there, and may be kept.
    let script = text.split("src=\"").nth(1).unwrap().split('"').next().unwrap();
    let asset = server.anyone().get(script).await.expect(200);
    assert_eq!(asset.header("cache-control").as_deref(), Some("public, max-age=31536000, immutable"));
    // An address of the console is its page; one that nobody asked for as a page is a problem.
    server.anyone().get("/device/vm-1").await.problem(404, "not_found");
}

#[tokio::test]
async fn answers_carry_the_headers_that_keep_browsers_safe() {
    let server = TestServer::start().await;
    for path in ["/", "/healthz", "/api/v1/me", "/nowhere"] {
        let answer = server.anyone().get(path).await;
        assert_eq!(answer.header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-frame-options").as_deref(), Some("DENY"), "{path}");
        assert!(
            answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn metrics_are_what_prometheus_reads() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let answer = admin.get("/metrics").await.expect(200);
    assert_eq!(answer.header("content-type").as_deref(), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let mut typed = std::collections::HashSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(typed.insert(rest.split(' ').next().unwrap()), "told twice: {line}");
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(typed.contains(series.split('{').next().unwrap()), "no type before {line}");
        }
    }
    for name in ["argosy_http_connections_total", "argosy_download_bytes_total", "argosy_devices_online"] {
        assert!(typed.contains(name), "{name}");
    }
}
