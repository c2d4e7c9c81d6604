//! What holds for every operation: credentials, and the committed description.

use std::path::Path;

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, TestServer};

/// Operations that need no credentials: health, the public roots and lists of revoked certificates, the description, and the way in.
const OPEN: &[(&str, &str)] = &[
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/api/v1/ca/roots.pem"),
    ("get", "/crl/{file}"),
    ("get", "/api/v1/openapi.json"),
    ("post", "/api/v1/login"),
];

fn operations() -> Vec<(String, String)> {
    let api: Value = serde_json::from_str(argosy_http::openapi::text()).unwrap();
    let paths = api["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| {
        item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

#[tokio::test]
async fn every_operation_but_health_needs_credentials() {
    let server = TestServer::start().await;
    let all = operations();
    assert!(all.len() > 50, "{}", all.len());
    for (method, path) in all {
        let at =
            path.replace("{name}", "x").replace("{code}", "x").replace("{key}", "x").replace("{id}", "1");
        let at = at.replace("{serial}", "1").replace("{file}", "device.crl");
        let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let answer = server.anyone().json(verb, &at, &json!({})).await;
        if OPEN.contains(&(method.as_str(), path.as_str())) {
            assert_ne!(answer.status.as_u16(), 401, "{method} {path}");
        } else {
            answer.problem(401, "unauthorized");
        }
    }
}

#[tokio::test]
async fn a_viewer_changes_nothing() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    // There is no operation that makes users yet: the viewer is made in the registry, with the administrator's password.
    let hash = {
        let mut read = server.engine.registry().read().await.unwrap();
        read.user_by_name("admin").await.unwrap().unwrap().password_hash
    };
    let mut work = server.engine.registry().begin("test").await.unwrap();
    let role = argosy_domain::model::Role::Viewer;
    work.insert_user("eve", &hash, role, false, server.engine.now()).await.unwrap();
    work.commit().await.unwrap();
    let login = json!({ "name": "eve", "password": PASSWORD });
    let session = server.anyone().post("/api/v1/login", &login).await.expect(200).session();
    let viewer = server.anyone().with_cookie(&session);
    viewer.get("/api/v1/devices").await.expect(200);
    viewer.post("/api/v1/groups", &json!({ "name": "g" })).await.problem(403, "read_only");
    let upload = admin.post("/api/v1/uploads", &json!({ "file_name": "a.bin" })).await.expect(201).json();
    viewer.put_bytes(upload["upload_path"].as_str().unwrap(), vec![1; 10]).await.problem(403, "read_only");
}

#[test]
fn the_committed_description_is_the_one_that_is_served() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/argosy.json");
    // Where the program cannot be built yet (a new operation that it lacks a command for), this writes the file too.
    if std::env::var_os("ARGOSY_WRITE_OPENAPI").is_some() {
        std::fs::write(&file, argosy_http::openapi::text()).unwrap();
    }
    let committed = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        committed == argosy_http::openapi::text(),
        "run `cargo xtask openapi` and commit openapi/argosy.json"
    );
}

#[test]
fn every_code_of_a_problem_is_in_the_table() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/status-codes.md");
    let table = std::fs::read_to_string(file).unwrap_or_default();
    for code in argosy_api::ProblemCode::ALL {
        let row = format!("| {} | `{}` |", code.status(), code.as_str());
        assert!(table.contains(&row), "docs/status-codes.md lacks the row {row}");
    }
}

#[test]
fn words_are_described_as_they_are_sent() {
    let api: Value = serde_json::from_str(argosy_http::openapi::text()).unwrap();
    let described = &api["components"]["schemas"]["UpdateState"]["enum"];
    let sent: Vec<&str> = argosy_api::UpdateState::ALL.iter().map(|s| s.as_str()).collect();
    assert_eq!(described, &json!(sent));
}
