//! Task supervision and two-phase shutdown.
//!
//! No task is detached: each is spawned here with a name. A task that ends before shutdown was asked for, or panics, takes the
//! process down with its reason (a server that half works is worse than one that restarts). Shutdown is *soft* first (stop taking
//! work, finish what is in hand) and *hard* after a limit (drop everything; what is durable stays so).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The two signals of shutdown.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// Resolves when no new work is to be taken.
    pub async fn soft(&self) {
        self.soft.cancelled().await;
    }

    /// Resolves when everything is to be dropped.
    pub async fn hard(&self) {
        self.hard.cancelled().await;
    }

    /// Whether shutdown has begun.
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// The soft signal as a token, for libraries that take one.
    pub fn soft_token(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// The hard signal as a token.
    pub fn hard_token(&self) -> CancellationToken {
        self.hard.clone()
    }
}

/// Why the process goes down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDeath {
    /// The task's name.
    pub task: &'static str,
    /// What became of it.
    pub reason: String,
}

/// Keeps every task of the process.
#[derive(Debug, Clone, Default)]
pub struct Supervisor {
    tracker: TaskTracker,
    shutdown: Shutdown,
    death: Arc<Mutex<Option<TaskDeath>>>,
}

impl Supervisor {
    /// A supervisor without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// The signals, for a task to listen to.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// The tracker, for a library that spawns its own tasks on it (connections).
    pub fn tracker(&self) -> TaskTracker {
        self.tracker.clone()
    }

    /// Runs a task for the life of the process. It must end only after [`Shutdown::soft`].
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let supervisor = self.clone();
        // The inner task turns a panic into a value; the outer one judges it.
        let inner = self.tracker.spawn(task);
        self.tracker.spawn(async move {
            let reason = match inner.await {
                Ok(()) if supervisor.shutdown.is_stopping() => return,
                Ok(()) => "it ended by itself".to_owned(),
                Err(error) if error.is_panic() => format!("it panicked: {}", panic_text(error)),
                Err(_) => return,
            };
            tracing::error!(task = name, reason, "task {name} died: {reason}; the process goes down");
            supervisor.death.lock().get_or_insert(TaskDeath { task: name, reason });
            supervisor.shutdown.soft.cancel();
        });
    }

    /// Asks for shutdown.
    pub fn stop(&self) {
        self.shutdown.soft.cancel();
    }

    /// Waits until shutdown is asked for (by [`Supervisor::stop`] or a task's death), then for every task to end: `soft_limit` by
    /// themselves, then dropped. Returns the death that caused it, if one did.
    pub async fn finish(&self, soft_limit: Duration) -> Option<TaskDeath> {
        self.shutdown.soft().await;
        self.tracker.close();
        if tokio::time::timeout(soft_limit, self.tracker.wait()).await.is_err() {
            tracing::warn!("{} tasks did not end within {soft_limit:?}; dropping them", self.tracker.len());
            self.shutdown.hard.cancel();
            let _ = tokio::time::timeout(Duration::from_secs(2), self.tracker.wait()).await;
        }
        self.shutdown.hard.cancel();
        self.death.lock().clone()
    }
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let payload = error.into_panic();
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_takes_the_process_down_with_its_reason() {
        let supervisor = Supervisor::new();
        supervisor.spawn("bystander", {
            let shutdown = supervisor.shutdown();
            async move { shutdown.soft().await }
        });
        supervisor.spawn("doomed", async { panic!("the disk is on fire") });
        let death = supervisor.finish(Duration::from_secs(5)).await.expect("a death");
        assert_eq!(death.task, "doomed");
        assert!(death.reason.contains("the disk is on fire"), "{}", death.reason);
    }

    #[tokio::test]
    async fn a_task_that_ends_early_takes_the_process_down_too() {
        let supervisor = Supervisor::new();
        supervisor.spawn("short", async {});
        assert_eq!(supervisor.finish(Duration::from_secs(5)).await.map(|d| d.task), Some("short"));
    }

    #[tokio::test]
    async fn shutdown_is_soft_then_hard() {
        let supervisor = Supervisor::new();
        let seen = Arc::new(Mutex::new(Vec::new()));
        supervisor.spawn("stubborn", {
            let (shutdown, seen) = (supervisor.shutdown(), Arc::clone(&seen));
            async move {
                shutdown.soft().await;
                seen.lock().push("soft");
                shutdown.hard().await;
                seen.lock().push("hard");
            }
        });
        supervisor.stop();
        assert_eq!(supervisor.finish(Duration::from_millis(20)).await, None);
        assert_eq!(*seen.lock(), ["soft", "hard"]);
    }
}
