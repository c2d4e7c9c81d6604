//! A fleet with a history, made by a few statements of the engine itself.

use std::time::Instant;

use argosy_domain::Timestamp;
use argosy_domain::ports::Registry as _;
use argosy_store::sql::{Dialect, SqlRegistry};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};

pub(crate) const REGIONS: i64 = 50;
pub(crate) const GROUPS: i64 = 500;
pub(crate) const FINISHED: i64 = 20;
pub(crate) const SIZE: i64 = 1_572_864;
/// Of every so many devices one is in the second running deployment: those that the load works on.
pub(crate) const SECOND: i64 = 10;

/// How the engines write what the statements need.
struct Words(Dialect);

impl Words {
    /// The numbers 1…`n` as a table `t` with the column `i`.
    fn numbers(&self, n: i64) -> String {
        match self.0 {
            Dialect::Sqlite => format!(
                "(WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {n}) SELECT i FROM c) AS t"
            ),
            Dialect::Postgres => format!("generate_series(1::bigint, {n}::bigint) AS t(i)"),
            Dialect::Mysql => format!("(SELECT seq AS i FROM seq_1_to_{n}) AS t"),
        }
    }

    fn join(&self, parts: &[&str]) -> String {
        match self.0 {
            Dialect::Mysql => format!("CONCAT({})", parts.join(", ")),
            _ => format!("({})", parts.join(" || ")),
        }
    }

    fn text(&self, number: &str) -> String {
        format!("CAST({number} AS {})", if self.0 == Dialect::Mysql { "CHAR" } else { "TEXT" })
    }

    fn div(&self, a: &str, b: i64) -> String {
        format!("({a} {} {b})", if self.0 == Dialect::Mysql { "DIV" } else { "/" })
    }
}

/// The key of the `i`th device.
pub(crate) fn key(i: i64) -> String {
    format!("VM-{}", 10_000_000 + i)
}

fn firmware(artifact: i64, version: &str, at: i64) -> String {
    let facts = r#"{"format":"raw","chip":null,"project":null,"app_version":null,"idf_version":null,"segments":null}"#;
    format!(
        "INSERT INTO firmware (product_id, version, file_name, version_lower, file_name_lower, artifact_id, release_notes, facts, \
         state, created_at) VALUES (1, '{version}', 'app.bin', '{version}', 'app.bin', {artifact}, '', '{facts}', 'released', {at})"
    )
}

/// Fills an empty registry; ids of devices are 1…`n`, of regions and groups from 1.
pub(crate) async fn make(registry: &SqlRegistry, uri: &str, n: i64, now: Timestamp) -> i64 {
    let w = Words(registry.dialect());
    let at = now.as_millis() - 86_400_000;
    let mut unit = registry.begin("dataset").await.expect("a unit of work");
    for i in 1..=REGIONS {
        unit.insert_region(&format!("KR-{i}"), &format!("지역 {i}"), now).await.expect("region");
    }
    for i in 1..=GROUPS {
        unit.insert_group(&format!("그룹 {i}"), now).await.expect("group");
    }
    unit.commit().await.expect("commit");

    let number = w.text("(10000000 + t.i)");
    let key = w.join(&["'VM-'", &number]);
    let low = w.join(&["'vm-'", &number]);
    let places = "CASE t.i % 7 WHEN 0 THEN '강남역' WHEN 1 THEN '서울역' WHEN 2 THEN '해운대' WHEN 3 THEN 'Lobby' \
                  WHEN 4 THEN '한라산' WHEN 5 THEN '대전역' ELSE 'Pier' END";
    let kinds = "CASE t.i % 3 WHEN 0 THEN ' 자판기' WHEN 1 THEN ' 보일러' ELSE ' kiosk' END";
    let floor = w.text(&w.div("t.i", 60));
    let name = w.join(&[places, "' '", &floor, "'호'", kinds]);
    let lower = format!("LOWER({name})");
    // Most are active, one of a hundred is suspended; five versions, one of them rare.
    let state = "CASE WHEN t.i % 100 = 99 THEN 'suspended' ELSE 'active' END";
    let version = "CASE WHEN t.i % 1000 = 7 THEN '0.9.0' WHEN t.i % 4 = 0 THEN '1.4.0' WHEN t.i % 4 = 1 THEN '1.4.1' \
                   WHEN t.i % 4 = 2 THEN '1.5.0' ELSE '1.6.0' END";
    let region = format!("1 + {} % {REGIONS}", w.div("t.i", 7));
    let group = format!("1 + t.i % {GROUPS}");
    let numbers = w.numbers(n);
    let zero = "0".repeat(64);
    let mut statements = vec![
        format!(
            "INSERT INTO products (name, name_lower, chip, image_format, slot_size, created_at) \
             VALUES ('board', 'board', 'esp32s3', 'raw', 4194304, {at})"
        ),
        format!("INSERT INTO artifacts (hash, size, created_at) VALUES ('{}', {SIZE}, {at})", "1".repeat(64)),
        format!("INSERT INTO artifacts (hash, size, created_at) VALUES ('{}', {SIZE}, {at})", "2".repeat(64)),
        firmware(1, "2.0.0", at),
        // Nobody has this one yet.
        firmware(2, "3.0.0", at),
        format!(
            "INSERT INTO devices (device_key, key_lower, name, name_lower, product_id, group_id, region_id, attributes, state, \
             firmware_version, image_hash, capabilities, created_at, updated_at) \
             SELECT {key}, {low}, {name}, {lower}, 1, {group}, {region}, '{{}}', {state}, {version}, '{zero}', '[]', {at}, {at} \
             FROM {numbers} ORDER BY t.i"
        ),
        format!(
            "INSERT INTO device_status (device_id, online, last_seen_at) SELECT id, 0, {at} FROM devices ORDER BY id"
        ),
    ];
    let total = FINISHED + 2;
    for id in 1..=total {
        let running = id > FINISHED;
        let (state, end) =
            if running { ("running", "NULL".to_owned()) } else { ("finished", at.to_string()) };
        // What the load works on may have many at a time; the other one has nobody to serve.
        let policy = serde_json::to_string(&argosy_domain::model::DeploymentPolicy {
            max_in_flight: 10_000,
            rate_per_s: 1_000,
            ..Default::default()
        })
        .expect("a policy");
        statements.push(format!(
            "INSERT INTO deployments (name, name_lower, firmware_id, product_id, files, target, policy, created_by, size, version, state, \
             planned, plan_cursor, generation, created_at, started_at, finished_at) \
             VALUES ('rollout {id}', 'rollout {id}', 1, 1, '[{{\"artifact\":1,\"hash\":\"{}\",\"size\":{SIZE},\"name\":\"app.bin\"}}]', \
             '{{}}', '{policy}', 1, {SIZE}, '2.0.0', '{state}', 1, {n}, 0, {at}, {at}, {end})",
            "1".repeat(64)
        ));
        // A finished one reached its share of the fleet; of the running ones one reaches nearly all, one the rest.
        let (which, state) = if id <= FINISHED {
            (
                format!("d.id % {FINISHED} = {}", id - 1),
                "CASE WHEN d.id % 50 = 0 THEN 'failed' ELSE 'succeeded' END",
            )
        } else if id == FINISHED + 1 {
            (
                format!("d.id % {SECOND} <> 0"),
                "CASE WHEN d.id % 3 = 0 THEN 'pending' WHEN d.id % 40 = 1 THEN 'timed_out' ELSE 'succeeded' END",
            )
        } else {
            (format!("d.id % {SECOND} = 0"), "'pending'")
        };
        statements.push(format!(
            "INSERT INTO device_updates (deployment_id, device_id, device_key, state, attempt, progress, downloaded_bytes, total_bytes, \
             dispatched_at, last_event_at, finished_at, revision, files, files_done) \
             SELECT {id}, u.id, u.device_key, u.s, CASE WHEN u.s = 'pending' THEN 0 ELSE 1 END, \
             CASE WHEN u.s = 'succeeded' THEN 100 ELSE 0 END, CASE WHEN u.s = 'succeeded' THEN {SIZE} ELSE 0 END, {SIZE}, \
             CASE WHEN u.s = 'pending' THEN NULL ELSE {at} END, CASE WHEN u.s = 'pending' THEN NULL ELSE {at} END, \
             CASE WHEN u.s = 'pending' THEN NULL ELSE {at} END, 0, 0, 0 \
             FROM (SELECT d.id, d.device_key, {state} AS s FROM devices d WHERE {which}) AS u ORDER BY u.id"
        ));
    }
    if registry.dialect() != Dialect::Sqlite {
        let tables = "devices, device_status, device_updates";
        statements.push(if registry.dialect() == Dialect::Postgres {
            format!("ANALYZE {tables}")
        } else {
            format!("ANALYZE TABLE {tables}")
        });
    }
    let began = Instant::now();
    let mut connection = AnyConnection::connect(uri).await.expect("the database answers");
    if registry.dialect() == Dialect::Sqlite {
        connection.execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144").await.expect("settings");
    }
    for statement in statements {
        let start = Instant::now();
        connection.execute(AssertSqlSafe(statement.clone())).await.expect("the statement runs");
        let took = start.elapsed();
        if took.as_millis() > 2_000 {
            eprintln!("{:6.1} s  {}…", took.as_secs_f64(), statement.get(..40).unwrap_or_default());
        }
    }
    connection.close().await.expect("it closes");
    let start = Instant::now();
    registry.rebuild_tallies().await.expect("tallies");
    eprintln!("{:6.1} s  tallies and search index", start.elapsed().as_secs_f64());
    if registry.dialect() == Dialect::Postgres {
        let mut connection = AnyConnection::connect(uri).await.expect("the database answers");
        connection.execute("ANALYZE").await.expect("analyze");
        connection.close().await.expect("it closes");
    }
    eprintln!("{:6.1} s  the whole dataset of {n} devices", began.elapsed().as_secs_f64());
    FINISHED + 1
}
