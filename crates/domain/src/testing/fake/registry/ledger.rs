//! Outbox, inbox, audit, idempotency.

use argosy_proto::{AuditId, InboxId, OutboxId};
use async_trait::async_trait;

use super::Session;
use super::table::{Order, page};
use crate::Timestamp;
use crate::model::{AuditEntry, IdempotencyRecord, InboxRow, OutboxRow};
use crate::page::{Page, PageRequest};
use crate::ports::{AuditFilter, LedgerRead, LedgerWrite, PortError, PortResult};

#[async_trait]
impl LedgerRead for Session {
    async fn outbox(&mut self, after: OutboxId, limit: u32) -> PortResult<Vec<OutboxRow>> {
        let rows = self.state.outbox.values().filter(|r| r.id > after);
        Ok(rows.take(limit as usize).cloned().collect())
    }

    async fn old_inbox(&mut self, limit: u32) -> PortResult<Vec<InboxRow>> {
        Ok(self.state.inbox.values().take(limit as usize).cloned().collect())
    }

    async fn audit(&mut self, filter: &AuditFilter, request: &PageRequest) -> PortResult<Page<AuditEntry>> {
        let is = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|w| w == is);
        let rows = self.state.audit.values();
        let rows = rows.filter(|e| {
            is(&filter.actor, &e.actor) && is(&filter.action, &e.action) && is(&filter.subject, &e.subject)
        });
        let rows = rows.map(|e| (e.id.get(), e.clone()));
        page("audit", rows, Order::NewestFirst, request)
    }

    async fn idempotency(&mut self, key: &str) -> PortResult<Option<IdempotencyRecord>> {
        Ok(self.state.idempotency.get(key).cloned())
    }
}

#[async_trait]
impl LedgerWrite for Session {
    async fn insert_outbox(&mut self, rows: &[OutboxRow]) -> PortResult<()> {
        for row in rows {
            let id = OutboxId(self.state.new_id());
            self.state.outbox.insert(id, OutboxRow { id, ..row.clone() });
        }
        Ok(())
    }

    async fn delete_outbox(&mut self, ids: &[OutboxId]) -> PortResult<()> {
        for id in ids {
            self.state.outbox.remove(id);
        }
        Ok(())
    }

    async fn drained_old_inbox(&mut self, upto: InboxId) -> PortResult<()> {
        self.state.inbox.retain(|id, _| *id > upto);
        Ok(())
    }

    async fn drop_old_inbox(&mut self) -> PortResult<bool> {
        Ok(false)
    }

    async fn insert_audit(&mut self, entry: &AuditEntry) -> PortResult<()> {
        let id = AuditId(self.state.new_id());
        self.state.audit.insert(id, AuditEntry { id, ..entry.clone() });
        Ok(())
    }

    async fn insert_idempotency(&mut self, record: &IdempotencyRecord) -> PortResult<()> {
        if self.state.idempotency.contains_key(&record.key) {
            return Err(PortError::conflict("insert_idempotency", "idempotency.key"));
        }
        self.state.idempotency.insert(record.key.clone(), record.clone());
        Ok(())
    }

    async fn answer_idempotency(&mut self, key: &str, status: u16, body: &str) -> PortResult<bool> {
        let Some(record) = self.state.idempotency.get_mut(key) else { return Ok(false) };
        record.status = status;
        body.clone_into(&mut record.body);
        Ok(true)
    }

    async fn forget_idempotency(&mut self, key: &str) -> PortResult<()> {
        self.state.idempotency.remove(key);
        Ok(())
    }

    async fn delete_idempotency(&mut self, before: Timestamp) -> PortResult<u64> {
        let count = self.state.idempotency.len();
        self.state.idempotency.retain(|_, record| record.created_at >= before);
        Ok((count - self.state.idempotency.len()) as u64)
    }
}
