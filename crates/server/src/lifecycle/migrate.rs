//! `argosy migrate`: bring the schema up to date without serving.

use std::process::ExitCode;

use argosy_store::sql::{MAX_FIRST_ARTIFACT_ID, NoObserver, SqlRegistry};
use clap::Args;

use super::lock::DataLock;
use crate::args::{ConfigArgs, Failure, print_whole};

/// What to bring the database to.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Give new firmware and content files this id and higher ones: when a fleet moves here whose boards have files by the ids of
    /// another system (docs/migration.md). Never lowers what has been given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=MAX_FIRST_ARTIFACT_ID))]
    first_artifact_id: Option<i64>,
    /// Count everything again: make the counts and the search index anew from the tables (see `argosy doctor`)
    #[arg(long)]
    recount: bool,
}

/// Migrates; the server must not be running on the same folder.
pub(crate) fn migrate(args: &MigrateArgs) -> Result<ExitCode, Failure> {
    let config = args.config.load()?.config;
    let _lock =
        DataLock::take(&config.data_dir).map_err(|error| Failure::because("cannot migrate", &error))?;
    let uri = config.database.uri(&config.data_dir).map_err(Failure::usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because("cannot start", &error))?;
    let text = runtime.block_on(async {
        let registry = SqlRegistry::connect(&uri, &config.database.build(), NoObserver)
            .await
            .map_err(|error| Failure::because("cannot open the database", &error))?;
        let _alone = registry.sole_use().await.map_err(|error| Failure::because("cannot migrate", &error))?;
        let applied = registry
            .migrate()
            .await
            .map_err(|error| Failure::because("cannot bring the database up to date", &error))?;
        let mut ids = String::new();
        if args.recount {
            registry
                .rebuild_tallies()
                .await
                .map_err(|error| Failure::because("cannot count again", &error))?;
            ids.push_str("counts and search index were made anew\n");
        }
        if let Some(first) = args.first_artifact_id {
            let next = registry
                .raise_artifact_ids(first)
                .await
                .map_err(|error| Failure::because("cannot raise the ids of artifacts", &error))?;
            ids.push_str(&format!("the next artifact gets the id {next}\n"));
        }
        let location = registry.location();
        registry.close().await;
        let lines: String =
            applied.iter().map(|one| format!("applied {}: {}\n", one.version, one.name)).collect();
        Ok::<_, Failure>(if applied.is_empty() {
            format!("{location} is up to date already\n{ids}")
        } else {
            format!("{lines}{location} is up to date\n{ids}")
        })
    })?;
    print_whole(&text)
}
