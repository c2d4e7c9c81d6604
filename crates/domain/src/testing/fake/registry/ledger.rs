//! Outbox, inbox, audit, idempotency.

use argosy_proto::{AuditId, InboxId, OutboxId};
use async_trait::async_trait;

use super::Session;
use super::table::{Order, page};
use crate::Timestamp;
use crate::model::{AuditEntry, IdempotencyRecord, InboxKind, InboxRow, OutboxRow};
use crate::page::{Page, PageRequest};
use crate::ports::{AuditFilter, InboxFilter, LedgerRead, LedgerWrite, PortError, PortResult};

#[async_trait]
impl LedgerRead for Session {
    async fn outbox(&mut self, after: OutboxId, limit: u32) -> PortResult<Vec<OutboxRow>> {
        let rows = self.state.outbox.values().filter(|r| r.id > after);
        Ok(rows.take(limit as usize).cloned().collect())
    }

    async fn inbox(&mut self, filter: &InboxFilter, request: &PageRequest) -> PortResult<Page<InboxRow>> {
        let rows = self.state.inbox.values().filter(|r| {
            filter.kind.is_none_or(|k| r.kind == k) && filter.key.as_ref().is_none_or(|k| r.key == *k)
        });
        page("inbox", rows.map(|r| (r.id.get(), r.clone())), Order::NewestFirst, request)
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

    async fn insert_inbox(&mut self, rows: &[InboxRow]) -> PortResult<()> {
        for row in rows {
            let id = InboxId(self.state.new_id());
            self.state.inbox.insert(id, InboxRow { id, ..row.clone() });
        }
        Ok(())
    }

    async fn trim_inbox(
        &mut self,
        kind: InboxKind,
        upto: Option<InboxId>,
        keep: Option<u64>,
    ) -> PortResult<u64> {
        let before = self.state.inbox.len();
        self.state.inbox.retain(|id, row| row.kind != kind || upto.is_none_or(|upto| *id > upto));
        if let Some(keep) = keep {
            let of_kind = self.state.inbox.values().filter(|r| r.kind == kind).count();
            let mut surplus = of_kind.saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
            self.state.inbox.retain(|_, row| {
                let goes = row.kind == kind && surplus > 0;
                surplus -= usize::from(goes);
                !goes
            });
        }
        Ok((before - self.state.inbox.len()) as u64)
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

    async fn delete_idempotency(&mut self, before: Timestamp) -> PortResult<u64> {
        let count = self.state.idempotency.len();
        self.state.idempotency.retain(|_, record| record.created_at >= before);
        Ok((count - self.state.idempotency.len()) as u64)
    }
}
