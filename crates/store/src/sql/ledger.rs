//! Outbox, audit, idempotency; and the inbox of an earlier version.

use argosy_domain::Timestamp;
use argosy_domain::model::{AuditEntry, IdempotencyRecord, InboxRow, OutboxRow};
use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{AuditFilter, LedgerRead, LedgerWrite, PortResult};
use argosy_proto::{AuditId, DeploymentId, DeviceId, InboxId, OutboxId};
use async_trait::async_trait;

use super::batch::Batch;
use super::dialect::{Column, int, text};
use super::query::{Conditions, Query, json};
use super::row::{Columns, Decoded};
use super::session::{Order, Session};

fn outbox_row(row: &mut Columns<'_>) -> Decoded<OutboxRow> {
    Ok(OutboxRow {
        id: OutboxId(row.int()?),
        device: DeviceId(row.int()?),
        key: row.key()?,
        kind: row.word()?,
        deployment: DeploymentId(row.int()?),
        command_id: row.text()?,
        created_at: row.time()?,
    })
}

fn inbox_row(row: &mut Columns<'_>) -> Decoded<InboxRow> {
    Ok(InboxRow {
        id: InboxId(row.int()?),
        key: row.key()?,
        topic: row.text()?,
        kind: row.word()?,
        reason: row.opt_text()?,
        payload: row.bytes()?,
        received_at: row.time()?,
    })
}

fn audit_entry(row: &mut Columns<'_>) -> Decoded<AuditEntry> {
    Ok(AuditEntry {
        id: AuditId(row.int()?),
        at: row.time()?,
        actor: row.text()?,
        action: row.text()?,
        subject: row.text()?,
        detail: row.text()?,
    })
}

fn record(row: &mut Columns<'_>) -> Decoded<IdempotencyRecord> {
    Ok(IdempotencyRecord {
        key: row.text()?,
        request_hash: row.text()?,
        status: row.number()?,
        body: row.text()?,
        created_at: row.time()?,
    })
}

const OUTBOX: &[Column] = &[
    int("device_id"),
    text("device_key"),
    text("kind"),
    int("deployment_id"),
    text("command_id"),
    int("created_at"),
];

impl Session {
    /// Whether the inbox of an earlier version is still there.
    async fn has_old_inbox(&mut self, operation: &'static str) -> PortResult<bool> {
        let query = Query::new(self.dialect.has_table()).bind("inbox");
        let found = self.one(operation, query, |row| row.int()).await?;
        Ok(found.is_some_and(|count| count > 0))
    }
}

#[async_trait]
impl LedgerRead for Session {
    async fn outbox(&mut self, after: OutboxId, limit: u32) -> PortResult<Vec<OutboxRow>> {
        let query = Query::new(
            "SELECT id, device_id, device_key, kind, deployment_id, command_id, created_at FROM outbox \
             WHERE id > ? ORDER BY id LIMIT ?",
        );
        self.all("outbox", query.bind(after.get()).bind(i64::from(limit)), outbox_row).await
    }

    async fn old_inbox(&mut self, limit: u32) -> PortResult<Vec<InboxRow>> {
        const OPERATION: &str = "old_inbox";
        if !self.has_old_inbox(OPERATION).await? {
            return Ok(Vec::new());
        }
        let query = Query::new(
            "SELECT id, device_key, topic, kind, reason, payload, received_at FROM inbox ORDER BY id LIMIT ?",
        );
        self.all(OPERATION, query.bind(i64::from(limit)), inbox_row).await
    }

    async fn audit(&mut self, filter: &AuditFilter, page: &PageRequest) -> PortResult<Page<AuditEntry>> {
        const OPERATION: &str = "audit";
        let mut conditions = Conditions::default();
        for (is, wanted) in
            [("actor = ?", &filter.actor), ("action = ?", &filter.action), ("subject = ?", &filter.subject)]
        {
            if let Some(wanted) = wanted {
                conditions.and(Query::new(is).bind(wanted.as_str()));
            }
        }
        if let Some(before) = Order::NewestFirst.after(OPERATION, "id", page)? {
            conditions.and(before);
        }
        let mut query = Query::new("SELECT id, done_at, actor, action, subject, detail FROM audit");
        query.append(conditions.clause()).append(Order::NewestFirst.limit("id", page));
        self.page(OPERATION, page, query, audit_entry, |e| e.id.get()).await
    }

    async fn idempotency(&mut self, key: &str) -> PortResult<Option<IdempotencyRecord>> {
        let query =
            "SELECT record_key, request_hash, status, body, created_at FROM idempotency WHERE record_key = ?";
        self.one("idempotency", Query::new(query).bind(key), record).await
    }
}

#[async_trait]
impl LedgerWrite for Session {
    async fn insert_outbox(&mut self, rows: &[OutboxRow]) -> PortResult<()> {
        const OPERATION: &str = "insert_outbox";
        let mut batch = Batch::numbered(self.dialect, OUTBOX);
        for row in rows {
            batch.row(&[
                row.device.get().into(),
                row.key.as_str().into(),
                row.kind.as_str().into(),
                row.deployment.get().into(),
                row.command_id.as_str().into(),
                row.created_at.into(),
            ]);
        }
        self.insert_all(OPERATION, "outbox", batch).await
    }

    async fn delete_outbox(&mut self, ids: &[OutboxId]) -> PortResult<()> {
        const OPERATION: &str = "delete_outbox";
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = ids.iter().map(|id| id.get()).collect();
        let query = format!("DELETE FROM outbox WHERE id IN {}", self.dialect.ids());
        self.run(OPERATION, Query::new(query).bind(json(OPERATION, &ids)?)).await.map(drop)
    }

    async fn drained_old_inbox(&mut self, upto: InboxId) -> PortResult<()> {
        let query = Query::new("DELETE FROM inbox WHERE id <= ?").bind(upto.get());
        self.run("drained_old_inbox", query).await.map(drop)
    }

    async fn drop_old_inbox(&mut self) -> PortResult<bool> {
        const OPERATION: &str = "drop_old_inbox";
        if !self.old_inbox(1).await?.is_empty() || !self.has_old_inbox(OPERATION).await? {
            return Ok(false);
        }
        self.run(OPERATION, Query::new("DROP TABLE inbox")).await.map(|_| true)
    }

    async fn insert_audit(&mut self, entry: &AuditEntry) -> PortResult<()> {
        let query =
            Query::new("INSERT INTO audit (done_at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)")
                .bind(entry.at)
                .bind(entry.actor.as_str())
                .bind(entry.action.as_str())
                .bind(entry.subject.as_str())
                .bind(entry.detail.as_str());
        self.run("insert_audit", query).await.map(drop)
    }

    async fn insert_idempotency(&mut self, record: &IdempotencyRecord) -> PortResult<()> {
        let query = Query::new(
            "INSERT INTO idempotency (record_key, request_hash, status, body, created_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(record.key.as_str())
        .bind(record.request_hash.as_str())
        .bind(i64::from(record.status))
        .bind(record.body.as_str())
        .bind(record.created_at);
        self.run("insert_idempotency", query).await.map(drop)
    }

    async fn answer_idempotency(&mut self, key: &str, status: u16, body: &str) -> PortResult<bool> {
        let query = Query::new("UPDATE idempotency SET status = ?, body = ? WHERE record_key = ?")
            .bind(i64::from(status))
            .bind(body)
            .bind(key);
        Ok(self.run("answer_idempotency", query).await? > 0)
    }

    async fn forget_idempotency(&mut self, key: &str) -> PortResult<()> {
        let query = Query::new("DELETE FROM idempotency WHERE record_key = ?").bind(key);
        self.run("forget_idempotency", query).await.map(drop)
    }

    async fn delete_idempotency(&mut self, before: Timestamp) -> PortResult<u64> {
        let query = Query::new("DELETE FROM idempotency WHERE created_at < ?").bind(before);
        self.run("delete_idempotency", query).await
    }
}
