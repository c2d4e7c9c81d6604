//! The accept loop.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::stats::{add, sub};
use super::{HttpServer, Tls, connection};

/// After an error that would repeat at once (no more files), so that the loop does not spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the soft signal. Every connection is a task on the tracker.
pub(crate) async fn run(server: HttpServer, listener: TcpListener, tls: Tls) {
    loop {
        let slot = tokio::select! {
            slot = Arc::clone(&server.connections).acquire_owned() => slot,
            () = server.shutdown.soft() => return,
        };
        // The semaphore is never closed.
        let Ok(slot) = slot else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = server.shutdown.soft() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let stats = &server.app.stats;
        add(if matches!(tls, Tls::Off) { &stats.connections_plain } else { &stats.connections_tls }, 1);
        add(&stats.connections_open, 1);
        let (serving, tls) = (server.clone(), tls.clone());
        server.tracker.spawn(async move {
            let stats = Arc::clone(&serving.app.stats);
            let hard = serving.shutdown.hard_token();
            tokio::select! {
                () = connection::run(serving, stream, peer, tls) => {}
                () = hard.cancelled() => {}
            }
            sub(&stats.connections_open, 1);
            drop(slot);
        });
    }
}
