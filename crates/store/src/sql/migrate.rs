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
}
