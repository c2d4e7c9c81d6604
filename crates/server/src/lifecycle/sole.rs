//! Watches that the database stays ours alone.

use std::time::Duration;

use argosy_engine::Shutdown;
use argosy_store::sql::{SoleError, SoleUse};

/// Between two looks. A database that was started anew has let go of us until then.
const EVERY: Duration = Duration::from_secs(5);

/// Looks until shutdown; ends, and with it the server, when another one has the database.
pub(crate) async fn run(mut sole: SoleUse, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.soft() => break,
        }
        match sole.check().await {
            Ok(()) => {}
            Err(error @ SoleError::Taken { .. }) => {
                tracing::error!("{error}; this one ends");
                return;
            }
            // Whoever needs the database says so too.
            Err(error) => tracing::warn!("{error}; asking again"),
        }
    }
    // Kept until the last unit of work is done.
    shutdown.hard().await;
}
