//! The use cases that both planes share, and the tasks that keep the promises: ingest, dispatch, housekeeping.
//!
//! No adapter is named here: everything outside is a port of `argosy_domain::ports`. To add a use case, add a file to
//! `usecase/` with an `impl Engine` block; to add a background task, spawn it on the [`Supervisor`].

mod dispatch;
pub mod download;
mod error;
mod events;
mod ingest;
mod metrics;
mod presence;
mod supervise;
mod usecase;

use std::sync::{Arc, OnceLock};

use argosy_domain::Timestamp;
use argosy_domain::ports::{
    BlobStore, CertificateAuthority, Clock, ContentMaker, DeviceLink, Entropy, Registry, RevocationJournal,
    SeriesStore,
};
use tokio::sync::{Notify, Semaphore};

pub use dispatch::DownloadLinks;
pub use error::{EngineError, EngineResult};
pub use events::{Change, Feed};
pub use ingest::IngestLimits;
pub use metrics::EngineMetrics;
pub use presence::Presence;
pub use supervise::{Shutdown, Supervisor};
pub use usecase::*;

/// Limits and habits of the engine; the server's configuration fills it.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Bytes of one upload at most.
    pub max_upload_bytes: u64,
    /// An upload that nothing was registered from is cleaned away after so many seconds.
    pub upload_ttl_s: u32,
    /// Validity of a download URL, in minutes; `timeout` on the wire, never below 5.
    pub url_minutes: u32,
    /// A person's session, in seconds.
    pub session_ttl_s: u32,
    /// Kept answers of creating calls, in seconds.
    pub idempotency_ttl_s: u32,
    /// Limits of ingest.
    pub ingest: IngestLimits,
    /// Limits of registration by code.
    pub registration: RegistrationRules,
    /// Habits of certificates' lives.
    pub identity: IdentityRules,
    /// A device that has downloaded all contents and says nothing of what it shows has succeeded after so many seconds.
    pub contents_settle_s: u32,
    /// Contents made at once: each takes one core, and memory for a few decoded pictures.
    pub content_makers: u32,
    /// Devices that reconnect after a restart spread over so many seconds (told to them in `hello/ack`).
    pub reconnect_jitter_s: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            max_upload_bytes: 256 * 1024 * 1024,
            upload_ttl_s: 3600,
            url_minutes: 60,
            session_ttl_s: 12 * 3600,
            idempotency_ttl_s: 24 * 3600,
            ingest: IngestLimits::default(),
            registration: RegistrationRules::default(),
            identity: IdentityRules::default(),
            contents_settle_s: 180,
            content_makers: 1,
            reconnect_jitter_s: 30,
        }
    }
}

/// What the engine is built from.
pub struct Ports {
    /// The registry.
    pub registry: Arc<dyn Registry>,
    /// The series store.
    pub series: Arc<dyn SeriesStore>,
    /// The blob store.
    pub blobs: Arc<dyn BlobStore>,
    /// The certificate authority.
    pub authority: Arc<dyn CertificateAuthority>,
    /// Revocations, outside the data folder.
    pub journal: Arc<dyn RevocationJournal>,
    /// Makes content of pictures.
    pub media: Arc<dyn ContentMaker>,
    /// Signs download addresses.
    pub links: Arc<dyn DownloadLinks>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

/// The heart of the server. Cheap to share: everything is behind [`Arc`]s.
pub struct Engine {
    config: EngineConfig,
    ports: Ports,
    link: OnceLock<Arc<dyn DeviceLink>>,
    feed: Feed,
    presence: Presence,
    metrics: EngineMetrics,
    transitions: ingest::TransitionQueue,
    fact_queue: ingest::FactQueue,
    briefs: ingest::Briefs,
    heard: ingest::Heard,
    writing_heard: tokio::sync::Mutex<()>,
    facts: dispatch::FactsCache,
    shown: dispatch::ShownCache,
    making: usecase::Making,
    /// Rung when there may be something to dispatch.
    wake_dispatch: Notify,
    ready: dispatch::ReadyDevices,
    logins: usecase::LoginLimiter,
    registration: usecase::Registration,
    hold: usecase::HoldFlag,
    backups: OnceLock<Arc<dyn argosy_domain::ports::BackupMaker>>,
    renewals: usecase::Renewals,
    crls: usecase::CrlCache,
    /// Certificates that are signed at a time for renewals.
    signing: Semaphore,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Builds the engine; nothing runs yet ([`Engine::start`]).
    pub fn new(config: EngineConfig, ports: Ports) -> Arc<Self> {
        let transitions = ingest::TransitionQueue::new(&config.ingest);
        let fact_queue = ingest::FactQueue::new(&config.ingest);
        let making = usecase::Making::new(config.content_makers);
        let registration = usecase::Registration::new(&config.registration, &*ports.entropy);
        Arc::new(Self {
            config,
            ports,
            link: OnceLock::new(),
            feed: Feed::new(),
            presence: Presence::default(),
            metrics: EngineMetrics::default(),
            transitions,
            fact_queue,
            briefs: ingest::Briefs::default(),
            heard: ingest::Heard::default(),
            writing_heard: tokio::sync::Mutex::new(()),
            facts: dispatch::FactsCache::default(),
            shown: dispatch::ShownCache::default(),
            making,
            wake_dispatch: Notify::new(),
            ready: dispatch::ReadyDevices::default(),
            logins: usecase::LoginLimiter::default(),
            registration,
            hold: usecase::HoldFlag::default(),
            backups: OnceLock::new(),
            renewals: usecase::Renewals::default(),
            crls: usecase::CrlCache::default(),
            signing: Semaphore::new(2),
        })
    }

    /// Joins the device plane, which itself was built with this engine as its `DeviceEvents`. Once.
    pub fn attach_link(&self, link: Arc<dyn DeviceLink>) {
        let _ = self.link.set(link);
    }

    /// Starts the background tasks. Before any listener opens: it first marks every device offline, since after a
    /// crash the registry still has them online, and moves what an earlier version kept into the series store.
    ///
    /// # Errors
    /// When the registry cannot be written.
    pub async fn start(self: &Arc<Self>, supervisor: &Supervisor) -> EngineResult<()> {
        self.load_hold().await?;
        let now = self.now();
        let mut work = self.ports.registry.begin("start").await?;
        work.all_offline(now).await?;
        work.commit().await?;
        self.merge_revocations().await?;
        self.load_renewals().await?;
        self.presence.started(now);
        self.drain_old_inbox().await?;
        supervisor.spawn("transitions", ingest::run_transitions(Arc::clone(self), supervisor.shutdown()));
        supervisor.spawn("facts", ingest::run_facts(Arc::clone(self), supervisor.shutdown()));
        supervisor.spawn("series", ingest::run_upkeep(Arc::clone(self), supervisor.shutdown()));
        supervisor.spawn("heard", ingest::run_heard(Arc::clone(self), supervisor.shutdown()));
        supervisor.spawn("dispatch", dispatch::run(Arc::clone(self), supervisor.shutdown()));
        supervisor.spawn("sender", dispatch::run_sender(Arc::clone(self), supervisor.shutdown()));
        supervisor.spawn("housekeeping", usecase::run_housekeeping(Arc::clone(self), supervisor.shutdown()));
        Ok(())
    }

    /// The registry, for plain reads.
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.ports.registry
    }

    /// The series store, for plain reads.
    pub fn series(&self) -> &Arc<dyn SeriesStore> {
        &self.ports.series
    }

    /// The blob store.
    pub fn blobs(&self) -> &Arc<dyn BlobStore> {
        &self.ports.blobs
    }

    /// The certificate authority.
    pub fn authority(&self) -> &Arc<dyn CertificateAuthority> {
        &self.ports.authority
    }

    /// The device plane, once it is attached.
    pub fn link(&self) -> Option<&Arc<dyn DeviceLink>> {
        self.link.get()
    }

    /// The change feed.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Who is connected.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Counters.
    pub fn metrics(&self) -> &EngineMetrics {
        &self.metrics
    }

    /// Limits and habits.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Now, by the engine's clock.
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// Fills `bytes` from the engine's source of randomness: for nonces of pages.
    pub fn fill_random(&self, bytes: &mut [u8]) {
        self.ports.entropy.fill(bytes);
    }

    /// Rings the dispatcher: it looks at every deployment now instead of when its time has come.
    pub fn wake(&self) {
        self.wake_dispatch.notify_one();
    }
}
