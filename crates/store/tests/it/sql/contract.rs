//! The port's contract suite.

use argosy_domain::testing::registry;

use super::databases::{Database, Engine};

async fn keeps_the_contract(engine: Engine) {
    if !Engine::available().contains(&engine) {
        return;
    }
    let (database, registry) = Database::fresh(engine).await;
    for case in registry::cases() {
        eprintln!("{engine:?}: {}", case.name);
        (case.run)(&registry).await;
        let differences = registry.check_tallies().await.unwrap();
        assert!(differences.is_empty(), "{engine:?} {}: {differences:?}", case.name);
        database.clear().await;
    }
    registry.close().await;
    database.remove().await;
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    keeps_the_contract(Engine::Sqlite).await;
}

#[tokio::test]
async fn postgresql_keeps_the_contract() {
    keeps_the_contract(Engine::Postgres).await;
}

#[tokio::test]
async fn mysql_keeps_the_contract() {
    keeps_the_contract(Engine::Mysql).await;
}
