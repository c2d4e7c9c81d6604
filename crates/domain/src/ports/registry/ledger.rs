//! Outbox, inbox, audit, idempotency.

use argosy_proto::{DeviceKey, InboxId, OutboxId};
use async_trait::async_trait;

use crate::Timestamp;
use crate::model::{AuditEntry, IdempotencyRecord, InboxKind, InboxRow, OutboxRow};
use crate::page::{Page, PageRequest};
use crate::ports::PortResult;

/// Which inbox rows: every field that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboxFilter {
    /// Of this kind.
    pub kind: Option<InboxKind>,
    /// From this device (exact).
    pub key: Option<DeviceKey>,
}

impl InboxFilter {
    /// Everything of a kind.
    pub const fn kind(kind: InboxKind) -> Self {
        Self { kind: Some(kind), key: None }
    }
}

/// Which audit entries: every field that is set must hold, exactly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// By this actor (`user:alice`).
    pub actor: Option<String>,
    /// This action (`deployment.cancel`).
    pub action: Option<String>,
    /// On this subject (`device:vm-1`).
    pub subject: Option<String>,
}

/// Reads of the ledger.
#[async_trait]
pub trait LedgerRead {
    /// Outbox rows with id > `after`, by id, `limit` at most.
    async fn outbox(&mut self, after: OutboxId, limit: u32) -> PortResult<Vec<OutboxRow>>;
    /// Inbox rows, newest first (descending id).
    async fn inbox(&mut self, filter: &InboxFilter, page: &PageRequest) -> PortResult<Page<InboxRow>>;
    /// Audit entries, newest first (descending id).
    async fn audit(&mut self, filter: &AuditFilter, page: &PageRequest) -> PortResult<Page<AuditEntry>>;
    /// A kept answer.
    async fn idempotency(&mut self, key: &str) -> PortResult<Option<IdempotencyRecord>>;
}

/// Writes of the ledger. Constraint: `idempotency.key`.
#[async_trait]
pub trait LedgerWrite {
    /// Appends to the outbox; ids in the order given. Bulk.
    async fn insert_outbox(&mut self, rows: &[OutboxRow]) -> PortResult<()>;
    /// Removes rows that were sent, or that have become void. Bulk.
    async fn delete_outbox(&mut self, ids: &[OutboxId]) -> PortResult<()>;
    /// Appends to the inbox. Bulk.
    async fn insert_inbox(&mut self, rows: &[InboxRow]) -> PortResult<()>;
    /// Removes inbox rows up to and including `upto` of a kind (drained), or the oldest beyond `keep`; returns how many.
    async fn trim_inbox(
        &mut self,
        kind: InboxKind,
        upto: Option<InboxId>,
        keep: Option<u64>,
    ) -> PortResult<u64>;
    /// Appends to the audit trail.
    async fn insert_audit(&mut self, entry: &AuditEntry) -> PortResult<()>;
    /// Keeps an answer.
    async fn insert_idempotency(&mut self, record: &IdempotencyRecord) -> PortResult<()>;
    /// Removes answers kept before `before`.
    async fn delete_idempotency(&mut self, before: Timestamp) -> PortResult<u64>;
}
