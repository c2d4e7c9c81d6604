//! Fresh databases on every engine that is there.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use argosy_store::sql::{NoObserver, SqlOptions, SqlRegistry};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use tempfile::TempDir;

/// An engine to test on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
    Mysql,
}

impl Engine {
    /// The engines that are there; says which are not.
    pub(crate) fn available() -> Vec<Self> {
        let mut engines = vec![Self::Sqlite];
        for (engine, variable) in [(Self::Postgres, POSTGRES), (Self::Mysql, MYSQL)] {
            if std::env::var_os(variable).is_some() {
                engines.push(engine);
            } else {
                eprintln!("not tested on {engine:?}: {variable} is not set");
            }
        }
        engines
    }
}

const POSTGRES: &str = "ARGOSY_TEST_POSTGRES_URL";
const MYSQL: &str = "ARGOSY_TEST_MYSQL_URL";

/// A database that nobody else uses, with an up-to-date schema unless it is said to be bare.
pub(crate) struct Database {
    pub(crate) uri: String,
    server: Option<(String, String)>,
    folder: Option<TempDir>,
}

/// Every table, those that refer to others first.
const TABLES: [&str; 35] = [
    "deployment_contents",
    "content_history",
    "device_contents",
    "device_shown",
    "renewals",
    "revocations",
    "imported_identities",
    "crl_numbers",
    "deployment_tallies",
    "fleet_tallies",
    "name_grams",
    "sessions",
    "api_tokens",
    "users",
    "device_updates",
    "deployments",
    "firmware_history",
    "certificates",
    "device_status",
    "devices",
    "firmware",
    "contents",
    "artifacts",
    "uploads",
    "products",
    "device_groups",
    "regions",
    "outbox",
    "inbox",
    "audit",
    "idempotency",
    "registration_codes",
    "registration_tries",
    "server_hold",
    "deferred_messages",
];

/// Small: many tests run at once against one server.
pub(crate) fn options() -> SqlOptions {
    SqlOptions { readers: 2, ..SqlOptions::default() }
}

impl Database {
    /// Makes one without a schema.
    pub(crate) async fn bare(engine: Engine) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let variable = match engine {
            Engine::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let uri = format!("sqlite:{}", folder.path().join("registry.db").display());
                return Self { uri, server: None, folder: Some(folder) };
            }
            Engine::Postgres => POSTGRES,
            Engine::Mysql => MYSQL,
        };
        let server = std::env::var(variable).expect("the server's URI");
        let name = format!("argosy_t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let set = if engine == Engine::Mysql { " CHARACTER SET utf8mb4" } else { "" };
        administer(&server, format!("CREATE DATABASE {name}{set}")).await;
        let (base, _) = server.rsplit_once('/').expect("a URI with a database");
        Self { uri: format!("{base}/{name}"), server: Some((server, name)), folder: None }
    }

    /// Makes one and opens it.
    pub(crate) async fn fresh(engine: Engine) -> (Self, SqlRegistry) {
        let database = Self::bare(engine).await;
        let registry = database.open().await;
        registry.migrate().await.expect("the schema is made");
        (database, registry)
    }

    /// Opens it (once more).
    pub(crate) async fn open(&self) -> SqlRegistry {
        SqlRegistry::connect(&self.uri, &options(), NoObserver).await.expect("the database opens")
    }

    /// SQLite's file.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join("registry.db"))
    }

    /// Removes all rows: far cheaper than a new database on a server (and than TRUNCATE, which makes new files).
    pub(crate) async fn clear(&self) {
        self.statement(&TABLES.map(|table| format!("DELETE FROM {table}")).join("; ")).await;
    }

    /// Runs a statement behind the registry's back.
    pub(crate) async fn statement(&self, statement: &str) {
        administer(&self.uri, statement.to_owned()).await;
    }

    /// Removes it from its server. Not on drop: what a failed test leaves may be looked at.
    pub(crate) async fn remove(self) {
        if let Some((server, name)) = &self.server {
            administer(server, format!("DROP DATABASE {name}")).await;
        }
    }
}

async fn administer(uri: &str, statement: String) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(uri).await.expect("the server answers");
    connection.execute(AssertSqlSafe(statement)).await.expect("the statement runs");
    connection.close().await.expect("the connection closes");
}
