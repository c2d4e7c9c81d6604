//! What the broker's hooks, its sockets' observers and the port share.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argosy_domain::ports::{Clock, DeviceEvents};
use parking_lot::Mutex;
use rmqtt::context::ServerContext;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::{CertificateReader, Limits, PlainAllow};
use super::links::{Link, Links};
use crate::LinkMetrics;
use crate::metrics::{add, down};

/// What is known once the listeners are bound.
pub(super) struct Bindings {
    pub(super) events: Arc<dyn DeviceEvents>,
    pub(super) reader: CertificateReader,
    pub(super) plain: PlainAllow,
    pub(super) broker: ServerContext,
    pub(super) runtime: Handle,
}

pub(super) struct Core {
    pub(super) limits: Limits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<LinkMetrics>,
    pub(super) links: Links,
    /// No new connection is taken any more.
    pub(super) stopping: CancellationToken,
    /// The ends of connections that nobody else sees through.
    pub(super) endings: TaskTracker,
    bindings: OnceLock<Bindings>,
    log: Mutex<LogBudget>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Core {
    pub(super) fn new(limits: Limits, clock: Arc<dyn Clock>, metrics: Arc<LinkMetrics>) -> Self {
        Self {
            limits,
            clock,
            metrics,
            links: Links::default(),
            stopping: CancellationToken::new(),
            endings: TaskTracker::new(),
            bindings: OnceLock::new(),
            log: Mutex::new(LogBudget::new()),
        }
    }

    /// `false` if it was bound before.
    pub(super) fn bind(&self, bindings: Bindings) -> bool {
        self.bindings.set(bindings).is_ok()
    }

    /// Sessions in the broker's memory.
    pub(super) fn sessions(&self) -> usize {
        self.bindings.get().map_or(0, |bound| usize::try_from(bound.broker.sessions.count()).unwrap_or(0))
    }

    /// Nothing comes before the listeners are bound.
    pub(super) fn bindings(&self) -> &Bindings {
        self.bindings.get().expect("hooks and observers exist only from binding on")
    }

    pub(super) fn events(&self) -> &dyn DeviceEvents {
        &*self.bindings().events
    }

    /// Whether a line about a connection may be logged: a flood of failing connections must not become a flood of lines. The
    /// counters have them all.
    pub(super) fn log_budget(&self) -> bool {
        self.log.lock().take(Instant::now())
    }

    /// The device of `link` is there.
    pub(super) async fn begin(&self, link: &Arc<Link>) -> bool {
        let begun = link.begin(self.events()).await;
        if begun {
            add(&self.metrics.connected, 1);
        }
        begun
    }

    /// `link` is over, whoever finds out first.
    pub(super) async fn end(&self, link: &Arc<Link>) {
        self.links.release(link);
        if link.end(self.events()).await {
            down(&self.metrics.connected);
        }
    }

    /// The socket of `link` is gone. Usually its session has seen that through; but a session that never began to run (its
    /// CONNACK could not be written) tells nobody and stays in the broker's table.
    pub(super) fn closed(self: Arc<Self>, link: Arc<Link>) {
        if link.identity().is_none() {
            return;
        }
        let runtime = self.bindings().runtime.clone();
        let core = self.clone();
        self.endings.spawn_on(
            async move {
                core.end(&link).await;
                if let Some(session) = link.session() {
                    let id = session.id.clone();
                    let mut entry = core.bindings().broker.extends.shared().await.entry(id.clone());
                    if let Err(error) = entry.remove_with(&id).await {
                        tracing::warn!(%error, "a session could not be removed from the broker's table");
                    }
                }
            },
            &runtime,
        );
    }
}

/// A number of lines for each stretch of time.
struct LogBudget {
    since: Instant,
    left: u32,
}

impl LogBudget {
    const LINES: u32 = 50;
    const STRETCH: Duration = Duration::from_secs(10);

    fn new() -> Self {
        Self { since: Instant::now(), left: Self::LINES }
    }

    fn take(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= Self::STRETCH {
            *self = Self { since: now, left: Self::LINES };
        }
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }
}
