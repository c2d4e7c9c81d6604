//! The registry as text: from every engine into every other one.

use std::collections::BTreeMap;
use std::path::Path;

use argosy_domain::Timestamp;
use argosy_domain::model::{AuditEntry, DeviceState, NewDevice, Role, Session};
use argosy_domain::ports::Registry;
use argosy_proto::{AuditId, DeviceKey, GroupId};
use argosy_store::sql::{LoadError, SqlRegistry};

use super::databases::{Database, Engine};

const NOW: Timestamp = Timestamp(1_767_225_600_123);
const HOSTILE: &[&str] = &[
    "100%_done",
    "back\\slash",
    "O'Brien \"quoted\"",
    "보일러 자판기 1호",
    "🔥🚒",
    "line\nbreak\ttab",
    "{\"json\": [1, null]}",
    "$1 ?1 :name",
    "a\u{301}",
    "\u{FFFF}\u{2028}",
];

/// Fills it with what has broken somebody's escaping; the id of a group that was deleted again.
async fn fill(registry: &SqlRegistry) -> GroupId {
    let mut unit = registry.begin("test").await.expect("a unit of work");
    let user = unit.insert_user("alice", "$argon2id$x", Role::Admin, false, NOW).await.expect("a user");
    let session =
        Session { token_hash: "ab".repeat(32), user, created_at: NOW, expires_at: Timestamp(i64::MAX) };
    unit.insert_session(&session).await.expect("a session");
    let product = unit.insert_product(&super::fixture::product("boiler"), NOW).await.expect("a product");
    let mut devices = Vec::new();
    for (number, text) in HOSTILE.iter().enumerate() {
        let entry = AuditEntry {
            id: AuditId(0),
            at: Timestamp(NOW.0 - i64::try_from(number).expect("small")),
            actor: format!("user:{text}"),
            action: "test".to_owned(),
            subject: (*text).to_owned(),
            detail: serde_json::json!({ "text": text }).to_string(),
        };
        unit.insert_audit(&entry).await.expect("an entry");
    }
    for number in 0..2_500 {
        devices.push(NewDevice {
            key: DeviceKey::new(format!("d{number}")).expect("a key"),
            name: HOSTILE[number % HOSTILE.len()].to_owned(),
            product,
            group: None,
            region: None,
            attributes: [("floor".to_owned(), HOSTILE[number % HOSTILE.len()].to_owned())].into(),
            state: DeviceState::Active,
        });
    }
    unit.insert_devices(&devices, NOW).await.expect("devices");
    let message = argosy_domain::model::DeferredMessage {
        id: 0,
        key: DeviceKey::new("d1").expect("a key"),
        topic: "v1/d1/cert/request".to_owned(),
        payload: (0..=255).collect(),
        context: "{}".to_owned(),
        received_at: NOW,
    };
    unit.insert_deferred(&message).await.expect("bytes");
    let gone = unit.insert_group("gone", NOW).await.expect("a group");
    assert!(unit.delete_group(gone).await.expect("deleted"));
    unit.commit().await.expect("commit");
    gone
}

/// The rows of a dump by table, in no order; a row by its columns' names, which stand in the order of the engine.
fn rows(dump: &Path) -> BTreeMap<String, Vec<String>> {
    let (mut tables, mut table, mut names) =
        (BTreeMap::<String, Vec<String>>::new(), String::new(), Vec::new());
    for line in std::fs::read_to_string(dump).expect("a dump").lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        if let Some(name) = value.get("table").and_then(|name| name.as_str()) {
            name.clone_into(&mut table);
            let columns = value["columns"].as_array().expect("columns");
            names = columns.iter().map(|c| c[0].as_str().expect("a name").to_owned()).collect::<Vec<_>>();
            tables.entry(table.clone()).or_default();
        } else if let Some(cells) = value.as_array() {
            let row: BTreeMap<&String, &serde_json::Value> = names.iter().zip(cells).collect();
            tables.entry(table.clone()).or_default().push(serde_json::json!(row).to_string());
        }
    }
    tables.values_mut().for_each(|rows| rows.sort());
    tables
}

/// Says where they differ, and not all that is in them.
fn same(first: &BTreeMap<String, Vec<String>>, second: &BTreeMap<String, Vec<String>>) {
    assert!(first.keys().eq(second.keys()), "other tables");
    for (table, rows) in first {
        let others = &second[table];
        let differs = rows.iter().zip(others).find(|(a, b)| a != b);
        assert!(
            rows.len() == others.len() && differs.is_none(),
            "{table}: {} and {} rows; {differs:?}",
            rows.len(),
            others.len()
        );
    }
}

async fn moves(from: Engine, to: Engine) {
    eprintln!("{from:?} to {to:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let (source, registry) = Database::fresh(from).await;
    let gone = fill(&registry).await;
    let first = folder.path().join("first.jsonl");
    let dumped = registry.dump(&first).await.expect("dumped");
    assert_eq!(dumped.tables.get("devices"), Some(&2_500));
    assert_eq!(dumped.tables.get("sessions"), None, "a cookie does not outlive a restore");
    assert!(!std::fs::read_to_string(&first).expect("text").contains(&"ab".repeat(32)));

    let target = Database::bare(to).await;
    let restored = target.open().await;
    let loaded = restored.load(&first, &dumped.migrations).await.expect("loaded");
    assert_eq!(loaded, dumped);
    restored.check_schema().await.expect("up to date");
    let second = folder.path().join("second.jsonl");
    assert_eq!(restored.dump(&second).await.expect("dumped"), dumped);
    same(&rows(&first), &rows(&second));

    // It works on, and gives no id a second time.
    let mut unit = restored.begin("test").await.expect("a unit of work");
    let next = unit.insert_group("next", NOW).await.expect("a group");
    assert!(next > gone, "{next} was given before");
    unit.commit().await.expect("commit");
    let again = restored.load(&first, &dumped.migrations).await;
    assert!(matches!(again, Err(LoadError::NotEmpty { .. })), "{again:?}");
    registry.close().await;
    restored.close().await;
    source.remove().await;
    target.remove().await;
}

#[tokio::test]
async fn a_dump_moves_a_registry_from_any_engine_to_any_other() {
    for from in Engine::available() {
        for to in Engine::available() {
            moves(from, to).await;
        }
    }
}

#[tokio::test]
async fn a_dump_is_of_one_moment() {
    for engine in Engine::available() {
        let folder = tempfile::tempdir().expect("a folder");
        let (database, registry) = Database::fresh(engine).await;
        fill(&registry).await;
        let dump = folder.path().join("dump.jsonl");
        // Every unit of work makes a group and a region: a dump that saw two moments would have more of the one than of the other.
        let writer = async {
            for number in 0..200 {
                let mut unit = registry.begin("test").await.expect("a unit of work");
                unit.insert_region(&format!("r{number}"), "x", NOW).await.expect("a region");
                unit.insert_group(&format!("g{number}"), NOW).await.expect("a group");
                unit.commit().await.expect("commit");
            }
        };
        let (summary, ()) = tokio::join!(registry.dump(&dump), writer);
        let tables = summary.expect("dumped").tables;
        assert_eq!(tables.get("device_groups"), tables.get("regions"), "{engine:?}");
        registry.close().await;
        database.remove().await;
    }
}

#[tokio::test]
async fn a_dump_that_is_damaged_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, registry) = Database::fresh(Engine::Sqlite).await;
    fill(&registry).await;
    let file = folder.path().join("dump.jsonl");
    let dumped = registry.dump(&file).await.expect("dumped");
    let text = std::fs::read_to_string(&file).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    let without = |skipped: usize| {
        let kept = lines.iter().enumerate().filter(|(at, _)| *at != skipped);
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let first_row = lines.iter().position(|line| line.starts_with('[')).expect("a row");
    for (what, damaged) in [
        ("a row is missing", without(first_row)),
        ("the end is missing", text[..text.len() / 2].to_owned()),
        (
            "a table of another name",
            text.replace("\"table\":\"devices\"", "\"table\":\"devices; DROP TABLE users\""),
        ),
        ("a column of another name", text.replace("[\"device_key\",\"text\"]", "[\"device_kay\",\"text\"]")),
        ("not JSON", text.replacen('[', "(", 1)),
    ] {
        std::fs::write(&file, damaged).expect("written");
        let target = Database::bare(Engine::Sqlite).await;
        let restored = target.open().await;
        let loaded = restored.load(&file, &dumped.migrations).await;
        assert!(loaded.is_err(), "{what}");
        restored.close().await;
    }
    std::fs::write(&file, &text).expect("written");
    let target = Database::bare(Engine::Sqlite).await;
    let newer: Vec<i64> = dumped.migrations.iter().copied().chain([9_999]).collect();
    let refused = target.open().await.load(&file, &newer).await;
    assert!(matches!(refused, Err(LoadError::Schema(_))), "{refused:?}");
    registry.close().await;
    source.remove().await;
}
