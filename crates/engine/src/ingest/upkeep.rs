//! What the series store needs from time to time: rows moved into their partitions, old ones removed.

use std::sync::Arc;
use std::time::Duration;

use crate::{Engine, Shutdown};

/// How often.
const EVERY: Duration = Duration::from_secs(5);

/// The task.
pub(crate) async fn run(engine: Arc<Engine>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.soft() => return,
        }
        match engine.ports.series.maintain(engine.now()).await {
            Ok(done) if done.removed_partitions > 0 => {
                let removed = done.removed_partitions;
                tracing::info!(
                    removed,
                    "{removed} parts of the series were removed: they were old, or there was too much"
                );
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = %crate::dispatch::chain(&error), "the series store could not be kept in order; it is tried again");
            }
        }
    }
}
