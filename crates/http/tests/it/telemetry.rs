//! What devices told, read back.

use argosy_domain::ports::{DeviceEvents, Door, InboundMessage};
use argosy_proto::DeviceKey;
use serde_json::{Value, json};

use crate::harness::{TestServer, devices, raw_product};

async fn say(server: &TestServer, key: &str, topic: &str, payload: &str) {
    let message = InboundMessage {
        key: DeviceKey::new(key).unwrap(),
        topic: format!("v1/{key}/{topic}"),
        payload: payload.to_owned().into(),
        qos: 1,
        door: Door::Mtls,
        certificate: None,
    };
    DeviceEvents::message(&*server.engine, message).await.unwrap();
}

async fn fleet() -> (TestServer, crate::harness::Client) {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    raw_product(&admin).await;
    devices(&admin, &["vm-1", "vm-2"]).await;
    (server, admin)
}

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap()
}

#[tokio::test]
async fn the_latest_and_curves_and_rows_of_a_stream() {
    let (server, admin) = fleet().await;
    let status = r#"{"firmware_version":"1.2.3","advertisements":[{"id":4}],"system":{"cpu_usage":{"core_0":10,"core_1":30},"uptime":7},"network":{"connection_type":"wifi"}}"#;
    say(&server, "vm-1", "status/system", status).await;
    say(&server, "vm-1", "data/boiler", r#"{"celsius":80.5,"on":true,"mode":"eco"}"#).await;
    let latest = admin.get("/api/v1/devices/vm-1/latest").await.expect(200).json();
    assert_eq!(latest["status"]["system"]["cpu_usage"], json!({ "core_0": 10.0, "core_1": 30.0 }));
    assert_eq!(latest["status"]["advertisements"], json!([{ "id": 4 }]));
    assert_eq!(latest["streams"]["boiler"]["values"], json!({ "celsius": 80.5, "on": true, "mode": "eco" }));
    let device = admin.get("/api/v1/devices/vm-1").await.expect(200).json();
    assert_eq!(device["status"]["firmware_version"], "1.2.3");
    let nothing = admin.get("/api/v1/devices/vm-2/latest").await.expect(200).json();
    assert_eq!(nothing, json!({ "streams": {} }));

    let now = server.engine.now().0;
    let time = |ms: i64| argosy_api::Time(ms).to_string();
    let (from, to) = (time(now - 5000), time(now + 5000));
    let path = format!(
        "/api/v1/devices/vm-1/metrics?metric=cpu_0,cpu_core_1,boiler.celsius&from={from}&to={to}&points=10"
    );
    let found = admin.get(&path).await.expect(200).json();
    assert_eq!(found["step_ms"], 1000);
    for (place, value) in [10.0, 30.0, 80.5].into_iter().enumerate() {
        let points = found["curves"][place]["points"].as_array().unwrap();
        assert_eq!(points.len(), 10);
        let said: Vec<&Value> = points.iter().filter(|point| !point.is_null()).collect();
        assert_eq!(
            said,
            [&json!({ "min": value, "avg": value, "max": value, "count": 1 })],
            "the rest are gaps"
        );
    }
    let rows = admin.get("/api/v1/devices/vm-1/streams/boiler").await.expect(200).json();
    assert_eq!(items(&rows).len(), 1);
    for bad in ["metric=nonsense", "metric=", "metric=cpu_0&points=0", "metric=a.b.c,"] {
        let path = format!("/api/v1/devices/vm-1/metrics?{bad}");
        let status = admin.get(&path).await.status;
        assert!(status == 400 || (bad.starts_with("metric=a") && status == 200), "{bad}: {status}");
    }
}

#[tokio::test]
async fn logs_are_searched_over_the_fleet_and_of_one_device() {
    let (server, admin) = fleet().await;
    for (key, tag, text) in
        [("vm-1", "FLASH", "write failed"), ("vm-2", "NET", "no route"), ("vm-2", "FLASH", "ok again")]
    {
        say(&server, key, "status/error_log", &json!({ "error_tag": tag, "log": text }).to_string()).await;
    }
    let count = async |path: &str| items(&admin.get(path).await.expect(200).json()).len();
    assert_eq!(count("/api/v1/logs").await, 3);
    assert_eq!(count("/api/v1/logs?search=FLASH").await, 2);
    assert_eq!(count("/api/v1/logs?search=route").await, 1);
    assert_eq!(count("/api/v1/logs?tag=NET").await, 1);
    assert_eq!(count("/api/v1/devices/vm-2/logs").await, 2);
    assert_eq!(count("/api/v1/devices/vm-2/logs?search=failed").await, 0);
    // Page by page, each once.
    let first = admin.get("/api/v1/logs?limit=2").await.expect(200).json();
    let next = first["next"].as_str().unwrap();
    let second = admin.get(&format!("/api/v1/logs?limit=2&cursor={next}")).await.expect(200).json();
    assert_eq!((items(&first).len(), items(&second).len()), (2, 1));
    assert_eq!(items(&first)[0]["device"], "vm-2");
    assert_eq!(admin.get("/api/v1/logs?cursor=x").await.status, 400);
    assert_eq!(admin.get("/api/v1/devices/vm-1/logs?group=x").await.status, 400);
    assert_eq!(admin.get("/api/v1/devices/nobody/logs").await.status, 404);
    assert_eq!(server.anyone().get("/api/v1/logs").await.status, 401);
}

#[tokio::test]
async fn sales_are_summed_by_what_is_asked() {
    let (server, admin) = fleet().await;
    admin.post("/api/v1/groups", &json!({ "name": "north" })).await.expect(201);
    admin.patch("/api/v1/devices/vm-1", &json!({ "group": "north" })).await.expect(200);
    for (key, kind, variety) in
        [("vm-1", "coffee", "hot"), ("vm-1", "coffee", "iced"), ("vm-2", "tea", "hot")]
    {
        say(&server, key, "sales/data", &json!({ "type": kind, "sub_type": variety }).to_string()).await;
    }
    let sums = async |query: &str| {
        admin.get(&format!("/api/v1/sales?{query}")).await.expect(200).json()["sums"]
            .as_array()
            .unwrap()
            .clone()
    };
    assert_eq!(sums("").await, [json!({ "count": 3 })]);
    let by_device = sums("group_by=device").await;
    let counts: Vec<(&Value, &Value)> = by_device.iter().map(|sum| (&sum["device"], &sum["count"])).collect();
    assert_eq!(counts, [(&json!("vm-1"), &json!(2)), (&json!("vm-2"), &json!(1))]);
    let by_group = sums("group_by=group,day&utc_offset=%2B09:00").await;
    assert_eq!(by_group.len(), 2);
    assert!(by_group.iter().any(|sum| sum["group"]["name"] == "north" && sum["count"] == 2));
    assert!(by_group.iter().any(|sum| sum.get("group").is_none() && sum["count"] == 1));
    assert!(by_group.iter().all(|sum| sum["at"].as_str().unwrap().contains("T15:00:00")), "a Korean day");
    let items = sums("group_by=item&device=vm-1").await;
    assert_eq!(items.len(), 2);
    assert!(items.iter().all(|sum| sum["item"] == "coffee" && sum["count"] == 1));
    assert_eq!(sums("group=north").await, [json!({ "count": 2 })]);
    assert_eq!(admin.get("/api/v1/sales?group_by=week").await.status, 400);
    assert_eq!(admin.get("/api/v1/sales?utc_offset=9").await.status, 400);
    assert_eq!(admin.get("/api/v1/sales?group=nowhere").await.status, 422);
}
