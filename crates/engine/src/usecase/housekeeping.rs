//! What is cleaned away with time: uploads nobody registered, expired sessions, old answers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::error::EngineResult;
use crate::{Engine, Shutdown};

/// How often.
const EVERY: Duration = Duration::from_secs(60);

pub(crate) async fn run_housekeeping(engine: Arc<Engine>, shutdown: Shutdown) {
    loop {
        engine.resend_renewals().await;
        if let Err(error) = engine.clean().await {
            tracing::warn!(error = %crate::dispatch::chain(&error), "housekeeping failed; it is tried again in a minute");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.soft() => return,
        }
    }
}

impl Engine {
    /// One round of cleaning; at start it also removes staged bytes whose upload is not known (cut off by a crash).
    ///
    /// # Errors
    /// When a port fails; what was cleaned stays clean.
    pub async fn clean(&self) -> EngineResult<()> {
        let now = self.now();
        let expired = self.ports.registry.read().await?.expired_uploads(now, 500).await?;
        for upload in &expired {
            self.ports.blobs.discard(&upload.id).await?;
        }
        let mut work = self.ports.registry.begin("housekeeping").await?;
        for upload in &expired {
            work.delete_upload(&upload.id).await?;
        }
        work.delete_expired_sessions(now).await?;
        work.delete_registration_history(self.registration_history_from(now)).await?;
        work.delete_idempotency(now - Duration::from_secs(u64::from(self.config.idempotency_ttl_s))).await?;
        work.commit().await?;
        if !self.is_held() {
            self.judge_deferred().await?;
        }
        self.discard_orphans().await
    }

    async fn discard_orphans(&self) -> EngineResult<()> {
        let staged = self.ports.blobs.staged().await?;
        let mut orphans = HashSet::new();
        for id in staged {
            if !self.making.stages(&id) && self.ports.registry.read().await?.upload(&id).await?.is_none() {
                orphans.insert(id);
            }
        }
        for id in orphans {
            self.ports.blobs.discard(&id).await?;
        }
        Ok(())
    }
}
