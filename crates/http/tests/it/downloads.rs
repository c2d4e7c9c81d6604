//! Signed downloads: the URL, ranges, and what a caller without a right is told.

use std::time::Duration;

use argosy_proto::{DeploymentId, DeviceKey, Sha256Hash};
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Builder, Client, PASSWORD, TestServer, firmware, pattern, raw_product};

const SIZE: usize = 300_000;

/// A server with one firmware, and a device's URL to it.
async fn served(builder: Builder) -> (TestServer, Client, Value, String) {
    let server = builder.start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    let made = firmware(&admin, "1.0.0", &pattern(SIZE)).await;
    let url = device_url(&server, &made, 3600);
    (server, admin, made, url)
}

fn device_url(server: &TestServer, firmware: &Value, seconds: u64) -> String {
    let hash: Sha256Hash = firmware["sha256"].as_str().unwrap().parse().unwrap();
    let key = DeviceKey::new("vm-1").unwrap();
    let until = server.engine.now() + Duration::from_secs(seconds);
    server.signer.sign_for_device(&hash, "app.bin", &key, DeploymentId(3), until).as_str().to_owned()
}

fn names(answer: &Answer) -> Vec<(&'static str, Option<String>)> {
    [
        "content-type",
        "content-length",
        "content-range",
        "accept-ranges",
        "etag",
        "content-disposition",
        "cache-control",
    ]
    .into_iter()
    .map(|name| (name, answer.header(name)))
    .collect()
}

#[tokio::test]
async fn the_whole_file_and_its_parts_are_served() {
    let (server, _, made, url) = served(Builder::default()).await;
    let whole = server.anyone().get(&url).await.expect(200);
    assert!(whole.body == pattern(SIZE));
    insta::assert_json_snapshot!(names(&whole));
    assert_eq!(whole.header("etag").unwrap(), format!("\"{}\"", made["sha256"].as_str().unwrap()));
    for (range, start, end) in [
        ("bytes=0-9", 0, 10),
        ("bytes=131070-131080", 131_070, 131_081),
        ("bytes=299999-", 299_999, SIZE),
        ("bytes=-1000", 299_000, SIZE),
        ("bytes=100-999999999", 100, SIZE),
    ] {
        let part = server.anyone().with_header("range", range).get(&url).await.expect(206);
        assert!(part.body == pattern(SIZE)[start..end], "{range}");
        assert_eq!(part.header("content-range").unwrap(), format!("bytes {start}-{}/{SIZE}", end - 1));
    }
    for range in ["bytes=0-1,5-6", "bytes=5-1", "pages=1-2", "nonsense"] {
        let answer = server.anyone().with_header("range", range).get(&url).await.expect(200);
        assert_eq!(answer.body.len(), SIZE, "{range}");
    }
    let outside = server.anyone().with_header("range", "bytes=300000-").get(&url).await;
    assert_eq!(outside.header("content-range").unwrap(), format!("bytes */{SIZE}"));
    insta::assert_json_snapshot!(outside.problem(416, "range_not_satisfiable"));
}

#[tokio::test]
async fn head_and_conditions_are_understood() {
    let (server, _, made, url) = served(Builder::default()).await;
    let etag = format!("\"{}\"", made["sha256"].as_str().unwrap());
    let head = server.anyone().send(Method::HEAD, &url, None, Vec::new().into()).await.expect(200);
    assert_eq!((head.header("content-length").as_deref(), head.body.len()), (Some("300000"), 0));
    let anyone = server.anyone();
    anyone.with_header("if-none-match", &format!("\"x\", W/{etag}")).get(&url).await.expect(304);
    anyone.with_header("if-none-match", "\"x\"").get(&url).await.expect(200);
    let ranged = anyone.with_header("range", "bytes=0-9");
    ranged.with_header("if-range", &etag).get(&url).await.expect(206);
    ranged.with_header("if-range", "\"another version\"").get(&url).await.expect(200);
    ranged.with_header("if-range", "Wed, 21 Oct 2015 07:28:00 GMT").get(&url).await.expect(200);
    let posted = anyone.post(&url, &json!({})).await;
    assert_eq!(posted.header("allow").as_deref(), Some("GET, HEAD"));
    posted.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn a_refused_url_says_why() {
    let (server, admin, made, url) = served(Builder::default()).await;
    let anyone = server.anyone();
    let other = firmware(&admin, "2.0.0", &pattern(500)).await;
    let other_hash = other["sha256"].as_str().unwrap();
    let foreign = url.replacen(made["sha256"].as_str().unwrap(), other_hash, 1);
    let tampered = url.replace("vm-1", "vm-2");
    let problems = [
        anyone.get(&foreign).await.problem(403, "url_foreign"),
        anyone.get(&tampered).await.problem(403, "url_tampered"),
        anyone.get(url.split('?').next().unwrap()).await.problem(403, "url_tampered"),
        {
            server.clock.advance(Duration::from_secs(3600));
            anyone.get(&url).await.problem(403, "url_expired")
        },
    ];
    insta::assert_json_snapshot!(problems);
    for path in ["/d/", "/d/x", "/d/x/y", "/d/../etc/passwd", &format!("/d/{other_hash}/a\"b")] {
        let answer = anyone.get(path).await;
        assert!(matches!(answer.status.as_u16(), 400 | 403 | 404), "{path}: {}", answer.status);
    }
}

#[tokio::test]
async fn a_persons_url_works_only_with_that_persons_session_or_token() {
    let (server, admin, made, _) = served(Builder::default()).await;
    let given = admin.get(&format!("/api/v1/firmware/{}/download-url", made["id"])).await.expect(200).json();
    let (path, url) = (given["path"].as_str().unwrap(), given["url"].as_str().unwrap());
    assert_eq!(url, format!("http://{}{path}", server.address));
    assert!(admin.get(path).await.expect(200).body == pattern(SIZE));
    let login = json!({ "name": "admin", "password": PASSWORD });
    let session = server.anyone().post("/api/v1/login", &login).await.expect(200).session();
    server.anyone().with_cookie(&session).get(path).await.expect(200);
    server.anyone().get(path).await.problem(403, "url_foreign");
    server.anyone().with_token("agy_nobody").get(path).await.problem(403, "url_foreign");
    server.clock.advance(Duration::from_secs(301));
    admin.get(path).await.problem(403, "url_expired");
}

#[tokio::test]
async fn a_file_that_was_removed_is_not_found() {
    let (server, _, made, url) = served(Builder::default()).await;
    let hash = made["sha256"].as_str().unwrap().parse().unwrap();
    server.engine.blobs().remove(&hash).await.unwrap();
    server.anyone().get(&url).await.problem(404, "not_found");
}

#[tokio::test]
async fn hundreds_at_once_get_their_bytes_within_a_small_budget() {
    let cache = argosy_engine::download::CacheConfig { capacity: 4 * 65_536, block: 65_536 };
    let mut builder = Builder { cache, ..Builder::default() };
    builder.api.downloads.max_concurrent = 16;
    let (server, _, _, url) = served(builder).await;
    let expected = pattern(SIZE);
    let downloads = (0..200).map(|n| {
        let (client, url, expected) = (server.anyone(), &url, &expected);
        async move {
            let start = n * 997 % SIZE;
            let answer = client.with_header("range", &format!("bytes={start}-")).get(url).await.expect(206);
            assert!(answer.body == expected[start..], "{n}");
        }
    });
    futures::future::join_all(downloads).await;
    let admin = server.admin_again().await;
    let metrics = String::from_utf8(admin.get("/metrics").await.expect(200).body.to_vec()).unwrap();
    let bytes: usize = (0..200).map(|n| SIZE - n * 997 % SIZE).sum();
    assert!(metrics.contains(&format!("\nargosy_download_bytes_total {bytes}\n")), "{metrics}");
    assert!(metrics.contains("\nargosy_downloads_complete_total 200\n"));
    assert!(metrics.contains("\nargosy_downloads_open 0\n"));
}

#[tokio::test]
async fn who_finds_no_slot_in_time_is_told_to_come_back() {
    let mut builder = Builder::default();
    builder.api.downloads.max_concurrent = 1;
    builder.api.downloads.patience = Duration::from_millis(50);
    builder.limits.send_buffer = Some(4096);
    let server = builder.start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    let made = firmware(&admin, "1.0.0", &pattern(4_000_000)).await;
    let url = device_url(&server, &made, 3600);
    // One that reads nothing holds the only slot.
    let mut slow = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET {url} HTTP/1.1\r\nhost: x\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut slow, request.as_bytes()).await.unwrap();
    slow.readable().await.unwrap();
    let refused = server.anyone().get(&url).await;
    assert_eq!(refused.header("retry-after").as_deref(), Some("10"));
    refused.problem(503, "unavailable");
    drop(slow);
    server.eventually("the slot is free", || async { server.anyone().get(&url).await.status == 200 }).await;
}
