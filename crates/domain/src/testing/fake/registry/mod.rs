//! The registry in memory, with the transactions of a real one: a unit of work writes to its own copy (made table by table, on
//! the first write), and commit swaps it in. One unit of work at a time; one that is dropped leaves nothing.

mod accounts;
mod catalog;
mod content;
mod deployments;
mod devices;
mod hold;
mod identities;
mod ledger;
mod registration;
mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argosy_proto::{
    ArtifactId, AuditId, ContentId, DeploymentId, DeviceId, DeviceKey, FirmwareId, GroupId, HistoryId,
    InboxId, OutboxId, ProductId, RegionId, RegistrationCodeId, TokenId, UserId,
};
use async_trait::async_trait;

use self::table::Table;
use super::lock::{AsyncLock, LockGuard};
use crate::model::{
    ApiToken, Artifact, AuditEntry, Certificate, Content, ContentChange, DeferredMessage, Deployment, Device,
    DeviceUpdate, Firmware, FirmwareChange, Group, Hold, IdempotencyRecord, ImportedBy, ImportedIdentity,
    InboxRow, OutboxRow, Product, Region, RegistrationCode, Renewal, Revocation, Session as LoginSession,
    ShownContents, Upload, User, WrongTries,
};
use crate::ports::{PortError, PortErrorKind, PortResult, ReadSession, Registry, UnitOfWork};

/// The fake registry. Clones share the data.
#[derive(Debug, Clone, Default)]
pub struct FakeRegistry(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    writer: AsyncLock,
    committed: Mutex<Committed>,
}

#[derive(Debug, Default)]
struct Committed {
    state: State,
    commits: Vec<&'static str>,
    failing: usize,
}

/// Everything that is stored.
#[derive(Debug, Clone, Default)]
struct State {
    next_id: i64,
    products: Table<ProductId, Product>,
    groups: Table<GroupId, Group>,
    regions: Table<RegionId, Region>,
    artifacts: Table<ArtifactId, Artifact>,
    uploads: Table<String, Upload>,
    firmware: Table<FirmwareId, Firmware>,
    contents: Table<ContentId, Content>,
    shown: Table<DeviceId, ShownContents>,
    content_history: Table<HistoryId, ContentChange>,
    devices: Table<DeviceId, Device>,
    device_keys: Table<DeviceKey, DeviceId>,
    /// By (issuer, serial); the number is the order of insertion.
    certificates: Table<(String, String), (i64, Certificate)>,
    /// By (device, public key).
    renewals: Table<(DeviceId, Vec<u8>), Renewal>,
    /// By the order of insertion.
    revocations: Table<i64, Revocation>,
    /// By (issuer, kind, value).
    imported: Table<(String, ImportedBy, String), ImportedIdentity>,
    crl_numbers: Table<String, i64>,
    history: Table<HistoryId, FirmwareChange>,
    deployments: Table<DeploymentId, Deployment>,
    updates: Table<(DeploymentId, DeviceId), DeviceUpdate>,
    users: Table<UserId, User>,
    sessions: Table<String, LoginSession>,
    tokens: Table<TokenId, ApiToken>,
    outbox: Table<OutboxId, OutboxRow>,
    inbox: Table<InboxId, InboxRow>,
    audit: Table<AuditId, AuditEntry>,
    idempotency: Table<String, IdempotencyRecord>,
    codes: Table<RegistrationCodeId, RegistrationCode>,
    wrong_tries: Table<DeviceId, WrongTries>,
    hold: Option<Hold>,
    deferred: Table<i64, DeferredMessage>,
}

impl State {
    /// One sequence for all tables: an id taken for one of another kind then meets no row by chance.
    const fn new_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }
}

/// A read session, and (with the writer's lock) a unit of work.
#[derive(Debug)]
struct Session {
    state: State,
    unit: Option<Unit>,
}

#[derive(Debug)]
struct Unit {
    purpose: &'static str,
    shared: Arc<Shared>,
    _writer: LockGuard,
}

impl FakeRegistry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Purposes of all units of work that were committed, in order.
    pub fn commits(&self) -> Vec<&'static str> {
        self.0.committed().commits.clone()
    }

    /// Makes the next `count` commits fail as unavailable; what they wrote is lost.
    pub fn fail_next_commits(&self, count: usize) {
        self.0.committed().failing = count;
    }
}

impl Shared {
    fn committed(&self) -> MutexGuard<'_, Committed> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Registry for FakeRegistry {
    async fn read(&self) -> PortResult<Box<dyn ReadSession>> {
        Ok(Box::new(Session { state: self.0.committed().state.clone(), unit: None }))
    }

    async fn begin(&self, purpose: &'static str) -> PortResult<Box<dyn UnitOfWork>> {
        let writer = self.0.writer.acquire().await;
        let state = self.0.committed().state.clone();
        let unit = Unit { purpose, shared: self.0.clone(), _writer: writer };
        Ok(Box::new(Session { state, unit: Some(unit) }))
    }

    async fn ping(&self) -> PortResult<()> {
        Ok(())
    }
}

#[async_trait]
impl UnitOfWork for Session {
    async fn commit(self: Box<Self>) -> PortResult<()> {
        let Self { state, unit } = *self;
        let Some(unit) = unit else {
            return Err(PortError::new("registry.commit", PortErrorKind::Internal));
        };
        let mut committed = unit.shared.committed();
        if committed.failing > 0 {
            committed.failing -= 1;
            return Err(PortError::new("registry.commit", PortErrorKind::Unavailable));
        }
        committed.state = state;
        committed.commits.push(unit.purpose);
        Ok(())
    }

    async fn rollback(self: Box<Self>) -> PortResult<()> {
        Ok(())
    }
}
