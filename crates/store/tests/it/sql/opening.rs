//! Opening a database and its schema.

use std::os::unix::fs::PermissionsExt as _;

use argosy_proto::Sha256Hash;
use argosy_store::sql::{MAX_FIRST_ARTIFACT_ID, NoObserver, OpenError, SchemaError, SoleError, SqlRegistry};

use super::databases::{Database, Engine, options};
use super::fixture::{NOW, begin};

async fn refusal(uri: &str) -> OpenError {
    SqlRegistry::connect(uri, &options(), NoObserver).await.expect_err("it is refused")
}

#[tokio::test]
async fn migrations_are_applied_once_and_told() {
    for engine in Engine::available() {
        let database = Database::bare(engine).await;
        let registry = database.open().await;
        let missing = registry.check_schema().await.unwrap_err();
        assert!(matches!(missing, SchemaError::Older { found: 0, .. }), "{engine:?}: {missing}");
        let applied = registry.migrate().await.unwrap();
        assert_eq!(applied.first().map(|m| m.version), Some(1), "{engine:?}");
        assert!(registry.migrate().await.unwrap().is_empty(), "{engine:?}");
        registry.check_schema().await.unwrap();
        registry.close().await;
        assert!(database.open().await.migrate().await.unwrap().is_empty(), "{engine:?}");
        database.remove().await;
    }
}

/// A database that is shared by mistake: the second server is refused, and gets it when the first one is gone.
#[tokio::test]
async fn a_database_on_a_server_is_had_by_one_argosy_at_a_time() {
    for engine in Engine::available() {
        let (database, registry) = Database::fresh(engine).await;
        let other = database.open().await;
        let mut first = registry.sole_use().await.unwrap();
        if engine == Engine::Sqlite {
            other.sole_use().await.expect("the data folder's lock keeps it");
        } else {
            let error = other.sole_use().await.unwrap_err();
            assert!(matches!(error, SoleError::Taken { .. }), "{engine:?}: {error}");
            assert!(error.to_string().contains("another argosy"), "{error}");
        }
        first.check().await.unwrap();
        drop(first);
        let mut second = other.sole_use().await.unwrap();
        second.check().await.unwrap();
        drop(second);
        registry.close().await;
        other.close().await;
        database.remove().await;
    }
}

/// A fleet that moves here has files by ids of the older system.
#[tokio::test]
async fn artifact_ids_begin_where_they_are_told_and_are_never_lowered() {
    for engine in Engine::available() {
        let (database, registry) = Database::fresh(engine).await;
        let insert = async |registry: &SqlRegistry, hash: u8| {
            let mut unit = begin(registry).await;
            let id = unit.insert_artifact(&Sha256Hash([hash; 32]), 1, NOW).await.unwrap();
            unit.commit().await.unwrap();
            id.get()
        };
        assert_eq!(registry.raise_artifact_ids(5_000).await.unwrap(), 5_000, "{engine:?}");
        assert_eq!(registry.raise_artifact_ids(100).await.unwrap(), 5_000, "{engine:?}: not lowered");
        registry.close().await;
        // Kept over a restart, before anything was given.
        let registry = database.open().await;
        assert_eq!(insert(&registry, 1).await, 5_000, "{engine:?}");
        assert_eq!(registry.raise_artifact_ids(5_001).await.unwrap(), 5_001, "{engine:?}");
        assert_eq!(insert(&registry, 2).await, 5_001, "{engine:?}");
        assert_eq!(registry.raise_artifact_ids(7_000).await.unwrap(), 7_000, "{engine:?}");
        assert_eq!(insert(&registry, 3).await, 7_000, "{engine:?}");
        for wrong in [0, -1, MAX_FIRST_ARTIFACT_ID + 1] {
            let error = registry.raise_artifact_ids(wrong).await.unwrap_err();
            assert_eq!(error.constraint, Some("artifact.first_id"), "{engine:?} {wrong}");
        }
        registry.close().await;
        database.remove().await;
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_with_both_numbers() {
    for engine in Engine::available() {
        let (database, registry) = Database::fresh(engine).await;
        let yes = if engine == Engine::Mysql { "1" } else { "TRUE" };
        let checksum = if engine == Engine::Postgres { "'\\x00'" } else { "x'00'" };
        database
            .statement(&format!(
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (4711, 'later', {yes}, {checksum}, 0)"
            ))
            .await;
        for error in [registry.migrate().await.unwrap_err(), registry.check_schema().await.unwrap_err()] {
            assert!(matches!(error, SchemaError::Newer { found: 4711, .. }), "{engine:?}: {error:?}");
            assert!(error.to_string().contains("newer version"), "{error}");
        }
        registry.close().await;
        database.remove().await;
    }
}

#[tokio::test]
async fn another_programs_file_is_left_alone() {
    let database = Database::bare(Engine::Sqlite).await;
    database.open().await.close().await;
    database.statement("CREATE TABLE theirs (a INTEGER)").await;
    assert!(matches!(refusal(&database.uri).await, OpenError::NotOurs { .. }));
    std::fs::write(
        database.file().unwrap(),
        "this is a text file and no database at all, however long it is",
    )
    .unwrap();
    assert!(matches!(refusal(&database.uri).await, OpenError::Connect { .. }));
    assert!(matches!(refusal("sqlite:/nowhere/at/all/registry.db").await, OpenError::File { .. }));
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    let (database, registry) = Database::fresh(Engine::Sqlite).await;
    let mut unit = begin(&registry).await;
    unit.insert_group("a", NOW).await.unwrap();
    unit.commit().await.unwrap();
    let file = database.file().unwrap();
    for entry in std::fs::read_dir(file.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    for uri in ["postgres://argosy:s3cret@127.0.0.1:1/argosy", "mysql://argosy:s3cret@127.0.0.1:1/argosy"] {
        let options =
            argosy_store::sql::SqlOptions { wait: std::time::Duration::from_millis(200), ..options() };
        let error = SqlRegistry::connect(uri, &options, NoObserver).await.unwrap_err();
        let mut said = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            said.push_str(&format!(" {cause} {cause:?}"));
            source = cause.source();
        }
        assert!(said.contains("127.0.0.1:1/argosy") && !said.contains("s3cret"), "{said}");
    }
}

#[tokio::test]
async fn damage_is_found() {
    let (database, registry) = Database::fresh(Engine::Sqlite).await;
    assert_eq!(registry.find_damage().await.unwrap(), None);
    let mut unit = begin(&registry).await;
    for i in 0..500 {
        unit.insert_group(&format!("group {i}"), NOW).await.unwrap();
    }
    unit.commit().await.unwrap();
    registry.close().await;
    let file = database.file().unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(9).position(|w| w == b"group 250").unwrap();
    // The head of the page that holds it.
    let page = at / 4096 * 4096;
    bytes[page..page + 100].fill(0xff);
    std::fs::write(&file, bytes).unwrap();
    let registry = database.open().await;
    let found = registry.find_damage().await;
    assert!(!matches!(found, Ok(None)), "the damage was not seen");
}

#[tokio::test]
async fn the_log_is_folded_beside_the_writers() {
    let (database, registry) = Database::fresh(Engine::Sqlite).await;
    for i in 0..50 {
        let mut unit = begin(&registry).await;
        unit.insert_group(&format!("group {i}"), NOW).await.unwrap();
        if i == 20 {
            // The writer's turn is taken: what is committed is folded, and the wait for the turn does not lock anything.
            let folding = registry.fold_log();
            let (left, ()) = tokio::join!(folding, async { unit.commit().await.unwrap() });
            assert_eq!(left.unwrap(), 0);
        } else {
            unit.commit().await.unwrap();
        }
    }
    assert_eq!(registry.fold_log().await.unwrap(), 0);
    // The file alone holds everything now.
    let copy = database.file().unwrap().with_file_name("copy.db");
    std::fs::copy(database.file().unwrap(), &copy).unwrap();
    let copy =
        SqlRegistry::connect(&format!("sqlite:{}", copy.display()), &options(), NoObserver).await.unwrap();
    let mut session = argosy_domain::ports::Registry::read(&copy).await.unwrap();
    assert!(session.group_by_name("group 49").await.unwrap().is_some());
}
