//! Logging in and out, passwords, tokens.

use std::time::Duration;

use serde_json::json;

use crate::harness::{PASSWORD, TestServer};

#[tokio::test]
async fn the_first_password_must_be_changed_before_anything_else() {
    let server = TestServer::start().await;
    let login = json!({ "name": "admin", "password": server.first_password });
    let answer = server.anyone().post("/api/v1/login", &login).await.expect(200);
    insta::assert_json_snapshot!(answer.shown());
    let cookie = answer.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "it would not come back over plain HTTP: {cookie}");

    let client = server.anyone().with_cookie(&answer.session());
    let refused = client.get("/api/v1/devices").await.problem(403, "password_change_required");
    insta::assert_json_snapshot!(refused);
    assert_eq!(client.get("/api/v1/me").await.expect(200).json()["must_change_password"], true);

    let change = |current: &str, new: &str| json!({ "current": current, "new": new });
    client.post("/api/v1/me/password", &change("wrong", PASSWORD)).await.problem(401, "wrong_password");
    client
        .post("/api/v1/me/password", &change(&server.first_password, "short"))
        .await
        .problem(422, "invalid");
    let changed =
        client.post("/api/v1/me/password", &change(&server.first_password, PASSWORD)).await.expect(200);
    let renewed = server.anyone().with_cookie(&changed.session());
    renewed.get("/api/v1/devices").await.expect(200);
    client.get("/api/v1/me").await.problem(401, "unauthorized");

    renewed.post("/api/v1/logout", &json!({})).await.expect(204);
    renewed.get("/api/v1/me").await.problem(401, "unauthorized");
}

#[tokio::test]
async fn guessing_has_to_wait() {
    let server = TestServer::start().await;
    let wrong = json!({ "name": "admin", "password": "guess" });
    for _ in 0..5 {
        server.anyone().post("/api/v1/login", &wrong).await.problem(401, "wrong_password");
    }
    let answer = server.anyone().post("/api/v1/login", &wrong).await;
    let wait: u64 = answer.header("retry-after").expect("when to try again").parse().unwrap();
    answer.problem(429, "too_many_requests");
    server.clock.advance(Duration::from_secs(wait));
    let right = json!({ "name": "admin", "password": server.first_password });
    server.anyone().post("/api/v1/login", &right).await.expect(200);
}

#[tokio::test]
async fn a_token_is_shown_once_and_refused_when_deleted() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let made = admin.post("/api/v1/tokens", &json!({ "name": "ci" })).await.expect(201).json();
    let client = server.anyone().with_token(made["token"].as_str().unwrap());
    assert_eq!(client.get("/api/v1/me").await.expect(200).json()["via"], "token");
    let listed = client.get("/api/v1/tokens").await.expect(200);
    insta::assert_json_snapshot!(listed.shown());
    assert!(!String::from_utf8_lossy(&listed.body).contains(made["token"].as_str().unwrap()));

    let first = client.get("/api/v1/tokens?limit=1").await.expect(200).json();
    let next = format!("/api/v1/tokens?limit=1&cursor={}", first["next"].as_str().unwrap());
    let second = client.get(&next).await.expect(200).json();
    assert_eq!((&second["items"][0]["id"], second.get("next")), (&made["id"], None));

    client.delete(&format!("/api/v1/tokens/{}", made["id"])).await.expect(204);
    let refused = client.get("/api/v1/me").await;
    assert!(refused.header("www-authenticate").is_some());
    refused.problem(401, "unauthorized");
    admin.delete("/api/v1/tokens/999").await.problem(404, "not_found");
    let past = json!({ "name": "x", "expires_at": "2020-01-01T00:00:00Z" });
    admin.post("/api/v1/tokens", &past).await.problem(422, "invalid");
}

#[tokio::test]
async fn an_expired_token_or_session_is_refused() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let soon = json!({ "name": "x", "expires_at": "2026-01-01T00:01:00Z" });
    let made = admin.post("/api/v1/tokens", &soon).await.expect(201).json();
    let client = server.anyone().with_token(made["token"].as_str().unwrap());
    let login = json!({ "name": "admin", "password": PASSWORD });
    let session = server.anyone().post("/api/v1/login", &login).await.expect(200).session();
    let person = server.anyone().with_cookie(&session);
    client.get("/api/v1/me").await.expect(200);
    person.get("/api/v1/me").await.expect(200);
    server.clock.advance(Duration::from_secs(61));
    client.get("/api/v1/me").await.problem(401, "unauthorized");
    server.clock.advance(Duration::from_secs(13 * 3600));
    person.get("/api/v1/me").await.problem(401, "unauthorized");
}

#[tokio::test]
async fn another_sites_page_cannot_use_a_session() {
    let server = TestServer::start().await;
    server.admin().await;
    let login = json!({ "name": "admin", "password": PASSWORD });
    let session = server.anyone().post("/api/v1/login", &login).await.expect(200).session();
    let browser = server.anyone().with_cookie(&session);
    let group = |name: &str| json!({ "name": name });
    let own = format!("http://{}", server.address);
    for (name, value, fine) in [
        ("sec-fetch-site", "cross-site", false),
        ("sec-fetch-site", "same-site", false),
        ("sec-fetch-site", "same-origin", true),
        ("origin", "https://evil.test", false),
        ("origin", "null", false),
        ("origin", own.as_str(), true),
    ] {
        let client = browser.with_header(name, value);
        let answer = client.post("/api/v1/groups", &group(&format!("{name} {fine} {}", value.len()))).await;
        assert_eq!(answer.status.as_u16(), if fine { 201 } else { 403 }, "{name}: {value}");
        client.get("/api/v1/groups").await.expect(200);
        let login = client.post("/api/v1/login", &login).await;
        assert_eq!(login.status.as_u16(), if fine { 200 } else { 403 }, "{name}: {value}");
    }
}
