//! Outbox, audit, idempotency; and the inbox of an earlier version.

use argosy_proto::{InboxId, OutboxId};
use async_trait::async_trait;

use crate::Timestamp;
use crate::model::{AuditEntry, IdempotencyRecord, InboxRow, OutboxRow};
use crate::page::{Page, PageRequest};
use crate::ports::PortResult;

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
    /// What an earlier version kept for the series store that it did not have, oldest first, `limit` at most; empty when its table
    /// is gone.
    async fn old_inbox(&mut self, limit: u32) -> PortResult<Vec<InboxRow>>;
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
    /// Removes rows of the old inbox up to and including `upto`: they are elsewhere now.
    async fn drained_old_inbox(&mut self, upto: InboxId) -> PortResult<()>;
    /// Removes the old inbox if it is there and empty; `false` if there was nothing to remove.
    async fn drop_old_inbox(&mut self) -> PortResult<bool>;
    /// Appends to the audit trail.
    async fn insert_audit(&mut self, entry: &AuditEntry) -> PortResult<()>;
    /// Keeps an answer.
    async fn insert_idempotency(&mut self, record: &IdempotencyRecord) -> PortResult<()>;
    /// Completes the record of `key`, which was kept without its answer; `false` if there is none.
    async fn answer_idempotency(&mut self, key: &str, status: u16, body: &str) -> PortResult<bool>;
    /// Removes the record of `key`, if there is one.
    async fn forget_idempotency(&mut self, key: &str) -> PortResult<()>;
    /// Removes answers kept before `before`.
    async fn delete_idempotency(&mut self, before: Timestamp) -> PortResult<u64>;
}
