//! `argosy migrate`: bring the schema up to date without serving.

use std::process::ExitCode;

use argosy_store::sql::{NoObserver, SqlRegistry};

use super::lock::DataLock;
use crate::args::{ConfigArgs, Failure, print_whole};

/// Migrates; the server must not be running on the same folder.
pub(crate) fn migrate(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    let config = args.load()?.config;
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
        let applied = registry
            .migrate()
            .await
            .map_err(|error| Failure::because("cannot bring the database up to date", &error))?;
        let location = registry.location();
        registry.close().await;
        let lines: String =
            applied.iter().map(|one| format!("applied {}: {}\n", one.version, one.name)).collect();
        Ok::<_, Failure>(if applied.is_empty() {
            format!("{location} is up to date already\n")
        } else {
            format!("{lines}{location} is up to date\n")
        })
    })?;
    print_whole(&text)
}
