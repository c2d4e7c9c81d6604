//! SQLite's write-ahead log is folded into its file beside the writers, so that no commit has to do it.

use std::sync::Arc;
use std::time::Duration;

use argosy_engine::Shutdown;
use argosy_store::sql::SqlRegistry;

/// Between two rounds.
const EVERY: Duration = Duration::from_millis(500);

/// Folds twice a second. A failure costs time, not data: the next commit that finds the log long folds it itself.
pub(crate) async fn run(registry: Arc<SqlRegistry>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.soft() => return,
        }
        if let Err(error) = registry.fold_log().await {
            let error = anyhow::Error::new(error);
            tracing::debug!(error = format!("{error:#}"), "the database's log was not folded: {error:#}");
        }
    }
}
