//! The server certificate renews itself; running connections notice nothing.

use std::sync::Arc;
use std::time::Duration;

use argosy_domain::ports::Clock;
use argosy_engine::Shutdown;
use argosy_pki::ServerIdentity;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Looks once an hour. A failure leaves the old certificate in use, with a month to go, and is said every time.
pub(crate) async fn run(identity: Arc<ServerIdentity>, clock: Arc<dyn Clock>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.soft() => return,
        }
        let (identity, now) = (Arc::clone(&identity), clock.now());
        match tokio::task::spawn_blocking(move || identity.renew_if_due(now)).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(facts))) => {
                tracing::info!(serial = %facts.serial, "the server certificate was renewed: serial {}", facts.serial);
            }
            Ok(Err(error)) => {
                let error = anyhow::Error::new(error);
                tracing::error!(
                    error = format!("{error:#}"),
                    "the server certificate cannot be renewed: {error:#}"
                );
            }
            Err(error) => tracing::error!(%error, "renewing the server certificate panicked"),
        }
    }
}
