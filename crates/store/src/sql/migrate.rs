//! Migrations, compiled into the program: one folder a dialect, the same numbers in each, forward only, never edited.
//!
//! To add one: a file with the next number in each of the three folders, and its line in [`SOURCES`].

use sqlx::migrate::{Migrate as _, Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::{Any, SqlSafeStr as _, SqlStr};

use super::dialect::Dialect;

macro_rules! sources {
    ($($version:literal $name:literal),* $(,)?) => {
        /// Number, name, and the text for SQLite, PostgreSQL and MySQL.
        const SOURCES: &[(i64, &str, [&str; 3])] = &[$((
            $version,
            $name,
            [
                include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
                include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
                include_str!(concat!("../../migrations/mysql/", $name, ".sql")),
            ],
        )),*];
    };
}
sources! {
    1 "0001_registry",
    2 "0002_content",
    3 "0003_registration",
    4 "0004_certificates",
    5 "0005_tallies",
    6 "0006_series",
    7 "0007_hold",
}

/// A migration that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    /// Its number.
    pub version: i64,
    /// Its file's name.
    pub name: &'static str,
}

/// Why the schema is not, or cannot be made, what this program needs.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A newer program has been here.
    #[error(
        "the database was written by a newer version of Argosy (its schema is number {found}, this program knows up to {known}): \
         start that version, or restore the backup that was made before it"
    )]
    Newer {
        /// The schema's number.
        found: i64,
        /// The newest number known here.
        known: i64,
    },
    /// Migrations are missing.
    #[error("the database's schema is number {found}, this program needs {known}: run `argosy migrate`")]
    Older {
        /// The schema's number; 0: none.
        found: i64,
        /// The number that is needed.
        known: i64,
    },
    /// A migration broke off half-way (MySQL cannot undo one).
    #[error(
        "migration {version} broke off half-way: restore the backup that was made before it, then start again"
    )]
    BrokenOff {
        /// Its number.
        version: i64,
    },
    /// The migration that was applied is not the one that this program knows by that number.
    #[error("migration {version} of this database is not the one that this program was built with")]
    Changed {
        /// Its number.
        version: i64,
    },
    /// The state of the schema could not be read.
    #[error("could not read the state of the database's schema")]
    Read(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A migration failed.
    #[error("could not migrate the database")]
    Apply(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The newest schema that this program knows.
fn newest() -> i64 {
    SOURCES.iter().map(|(version, ..)| *version).max().unwrap_or(0)
}

fn migrator(dialect: Dialect) -> Migrator {
    let migrations = SOURCES.iter().map(|(version, name, texts)| {
        let text = match dialect {
            Dialect::Sqlite => texts[0],
            Dialect::Postgres => texts[1],
            Dialect::Mysql => texts[2],
        };
        let text: SqlStr = text.into_sql_str();
        Migration::new(*version, (*name).into(), MigrationType::Simple, text, false)
    });
    Migrator::with_migrations(migrations.collect())
}

async fn applied(connection: &mut PoolConnection<Any>) -> Result<Vec<i64>, SchemaError> {
    let table = Migrator::DEFAULT.table_name;
    let read = async {
        connection.ensure_migrations_table(&table).await?;
        let broken_off = connection.dirty_version(&table).await?;
        let applied = connection.list_applied_migrations(&table).await?;
        Ok::<_, sqlx::migrate::MigrateError>((broken_off, applied))
    };
    let (broken_off, applied) = read.await.map_err(|error| SchemaError::Read(error.into()))?;
    if let Some(version) = broken_off {
        return Err(SchemaError::BrokenOff { version });
    }
    let found = applied.iter().map(|m| m.version).max().unwrap_or(0);
    if found > newest() {
        return Err(SchemaError::Newer { found, known: newest() });
    }
    Ok(applied.iter().map(|m| m.version).collect())
}

/// Applies what is missing; returns what was applied.
pub(super) async fn migrate(
    dialect: Dialect,
    connection: &mut PoolConnection<Any>,
) -> Result<Vec<AppliedMigration>, SchemaError> {
    use sqlx::migrate::MigrateError;
    let before = applied(connection).await?;
    migrator(dialect).run_direct(None, &mut **connection, false).await.map_err(|error| match error {
        MigrateError::Dirty(version) => SchemaError::BrokenOff { version },
        MigrateError::VersionMismatch(version) => SchemaError::Changed { version },
        MigrateError::VersionMissing(found) => SchemaError::Newer { found, known: newest() },
        other => SchemaError::Apply(other.into()),
    })?;
    let new = SOURCES.iter().filter(|(version, ..)| !before.contains(version));
    Ok(new.map(|(version, name, _)| AppliedMigration { version: *version, name }).collect())
}

/// Makes the schema that these migrations made, on an empty database: what was dumped with it fits into no other.
pub(super) async fn migrate_to(
    dialect: Dialect,
    connection: &mut PoolConnection<Any>,
    migrations: &[i64],
) -> Result<(), SchemaError> {
    if let Some(found) =
        migrations.iter().copied().find(|version| !SOURCES.iter().any(|(v, ..)| v == version))
    {
        return Err(SchemaError::Newer { found, known: newest() });
    }
    applied(connection).await?;
    let all = migrator(dialect);
    let wanted = all.iter().filter(|migration| migrations.contains(&migration.version)).cloned().collect();
    let migrator = Migrator::with_migrations(wanted);
    migrator
        .run_direct(None, &mut **connection, false)
        .await
        .map_err(|error| SchemaError::Apply(error.into()))
}

/// Whether the schema is exactly the one that this program needs.
pub(super) async fn check(connection: &mut PoolConnection<Any>) -> Result<(), SchemaError> {
    let found = applied(connection).await?.into_iter().max().unwrap_or(0);
    if found < newest() {
        return Err(SchemaError::Older { found, known: newest() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_one_by_one_and_stand_in_the_files_names() {
        for (i, (version, name, texts)) in SOURCES.iter().enumerate() {
            assert_eq!(usize::try_from(*version).unwrap(), i + 1);
            assert!(name.starts_with(&format!("{version:04}_")), "{name}");
            assert!(texts.iter().all(|text| !text.trim().is_empty()));
        }
    }

    /// Databases of every engine that there is to try: SQLite, and servers whose URI is in the environment.
    fn databases(folder: &std::path::Path) -> Vec<String> {
        let servers = ["ARGOSY_TEST_POSTGRES_URL", "ARGOSY_TEST_MYSQL_URL"];
        let servers = servers.iter().filter_map(|variable| std::env::var(variable).ok());
        servers.chain([format!("sqlite:{}", folder.join("registry.db").display())]).collect()
    }

    #[tokio::test]
    async fn deployments_of_the_first_schema_keep_what_they_sent() {
        use super::super::connect;
        use super::super::options::SqlOptions;
        use super::super::query::Query;
        use super::super::session::Session;
        use super::super::uri::DatabaseUri;
        use argosy_domain::model::DeploymentPayload;
        use argosy_domain::ports::{CatalogWrite as _, DeploymentsRead as _};
        use argosy_proto::{ArtifactId, FirmwareId, ProductId};

        let folder = tempfile::tempdir().unwrap();
        for uri in databases(folder.path()) {
            let options = SqlOptions { readers: 2, ..SqlOptions::default() };
            let name = format!("argosy_first_{}", std::process::id());
            let first = DatabaseUri::parse(&uri).unwrap();
            let dialect = first.dialect;
            let at_server = dialect != Dialect::Sqlite;
            let admin = connect::open(&first, &options).await.unwrap();
            if at_server {
                let mut session = Session::reader(admin.writer.acquire().await.unwrap(), dialect);
                session.run("test", Query::new(format!("CREATE DATABASE {name}"))).await.unwrap();
            }
            let own =
                if at_server { format!("{}/{name}", uri.rsplit_once('/').unwrap().0) } else { uri.clone() };
            let pools = connect::open(&DatabaseUri::parse(&own).unwrap(), &options).await.unwrap();
            let mut connection = pools.writer.acquire().await.unwrap();
            migrate_to(dialect, &mut connection, &[1]).await.unwrap();
            let mut session = Session::reader(connection, dialect);
            let hash = "a".repeat(64);
            let old = [
                "INSERT INTO products VALUES (7, 'kiosk', 'kiosk', 'esp32', 'raw', 1000, NULL, 1)".to_owned(),
                format!("INSERT INTO artifacts VALUES (9, '{hash}', 500, 1)"),
                "INSERT INTO firmware VALUES (3, 7, '1.0', 'app \"x\".bin', '1.0', 'app \"x\".bin', 9, '', '{}', 'released', 1)"
                    .to_owned(),
                format!(
                    "INSERT INTO deployments VALUES (12, 'old', 'old', 3, '{{}}', '{{\"max_in_flight\":1,\"rate_per_s\":1,\
                     \"attempt_timeout_s\":10,\"offline_grace_s\":1,\"max_attempts\":1,\"expires_at\":null}}', 1, '{hash}', 500, \
                     '1.0', 'running', 1, 4, 2, 1, 2, NULL)"
                ),
                "INSERT INTO device_updates VALUES (12, 5, 'd', 'pending', 0, 0, 0, 500, NULL, NULL, NULL, NULL, NULL, 0)"
                    .to_owned(),
            ];
            for statement in old {
                session.run("test", Query::new(statement)).await.unwrap();
            }
            drop(session);
            let mut connection = pools.writer.acquire().await.unwrap();
            migrate(dialect, &mut connection).await.unwrap();
            let mut session = Session::reader(connection, dialect);
            let stored = session.deployment(argosy_proto::DeploymentId(12)).await.unwrap().unwrap();
            assert_eq!(stored.spec.payload, DeploymentPayload::Firmware(FirmwareId(3)), "{dialect:?}");
            assert_eq!((stored.product, stored.size, stored.version.as_str()), (ProductId(7), 500, "1.0"));
            assert_eq!((stored.generation, stored.plan_cursor, stored.finished_at), (2, 4, None));
            let file = &stored.files[0];
            assert_eq!((file.artifact, file.size, file.name.as_str()), (ArtifactId(9), 500, "app \"x\".bin"));
            assert_eq!(stored.image().unwrap().to_string(), hash);
            let updates = session.pending_updates(stored.id, argosy_proto::DeviceId(0), 10).await.unwrap();
            assert_eq!((updates.len(), updates[0].files, updates[0].files_done), (1, 0, 0));
            let firmware = session.delete_firmware(FirmwareId(3)).await;
            assert!(firmware.is_err(), "{dialect:?}: a deployment refers to it");
            drop(session);
            pools.reader.close().await;
            pools.writer.close().await;
            if at_server {
                let mut session = Session::reader(admin.writer.acquire().await.unwrap(), dialect);
                session.run("test", Query::new(format!("DROP DATABASE {name}"))).await.unwrap();
            }
        }
    }
}
