//! How many downloads run at once. Those over the limit wait in order of arrival, each for a limited time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The gate.
#[derive(Debug)]
pub(crate) struct DownloadGate {
    slots: Arc<Semaphore>,
    patience: Duration,
}

impl DownloadGate {
    pub(crate) fn new(slots: usize, patience: Duration) -> Self {
        Self { slots: Arc::new(Semaphore::new(slots.clamp(1, Semaphore::MAX_PERMITS))), patience }
    }

    /// A slot, held until the permit is dropped; `None` when none came free in time.
    pub(crate) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Some(slot);
        }
        tokio::time::timeout(self.patience, Arc::clone(&self.slots).acquire_owned()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_too_long_is_refused_and_a_freed_slot_goes_to_who_waits() {
        let impatient = DownloadGate::new(1, Duration::from_millis(10));
        let _held = impatient.enter().await.expect("free");
        assert!(impatient.enter().await.is_none());

        let gate = DownloadGate::new(1, Duration::from_secs(60));
        let held = gate.enter().await.expect("free");
        let (waited, ()) = tokio::join!(gate.enter(), async move { drop(held) });
        assert!(waited.is_some());
    }
}
