//! The hold of a restored server, and what waits for its end.

use argosy_domain::model::{DeferredMessage, Hold};
use argosy_domain::ports::{HoldRead, HoldWrite, MAX_DEFERRED, PortResult};
use argosy_proto::DeviceKey;
use async_trait::async_trait;

use super::batch::Batch;
use super::dialect::{Column, bytes, int, text};
use super::query::Query;
use super::row::{Columns, Decoded};
use super::session::Session;

const DEFERRED: &[Column] =
    &[text("device_key"), text("topic"), bytes("payload"), text("context"), int("received_at")];

fn hold(row: &mut Columns<'_>) -> Decoded<Hold> {
    Ok(Hold { since: row.time()?, reason: row.text()?, backup_at: row.opt_time()? })
}

fn message(row: &mut Columns<'_>) -> Decoded<DeferredMessage> {
    Ok(DeferredMessage {
        id: row.int()?,
        key: row.key()?,
        topic: row.text()?,
        payload: row.bytes()?,
        context: row.text()?,
        received_at: row.time()?,
    })
}

#[async_trait]
impl HoldRead for Session {
    async fn hold(&mut self) -> PortResult<Option<Hold>> {
        self.one("hold", Query::new("SELECT since, reason, backup_at FROM server_hold WHERE slot = 1"), hold)
            .await
    }

    async fn deferred_count(&mut self) -> PortResult<u64> {
        self.count("deferred_count", Query::new("SELECT COUNT(*) FROM deferred_messages")).await
    }

    async fn deferred(&mut self, after: i64, limit: u32) -> PortResult<Vec<DeferredMessage>> {
        let query = Query::new(
            "SELECT id, device_key, topic, payload, context, received_at FROM deferred_messages \
             WHERE id > ? ORDER BY id LIMIT ?",
        );
        self.all("deferred", query.bind(after).bind(i64::from(limit)), message).await
    }

    async fn outbox_count(&mut self) -> PortResult<u64> {
        self.count("outbox_count", Query::new("SELECT COUNT(*) FROM outbox")).await
    }
}

#[async_trait]
impl HoldWrite for Session {
    async fn set_hold(&mut self, hold: &Hold) -> PortResult<()> {
        const OPERATION: &str = "set_hold";
        self.clear_hold().await?;
        let query =
            Query::new("INSERT INTO server_hold (slot, since, reason, backup_at) VALUES (1, ?, ?, ?)");
        let query = query.bind(hold.since).bind(hold.reason.as_str()).bind(hold.backup_at);
        self.run(OPERATION, query).await.map(drop)
    }

    async fn clear_hold(&mut self) -> PortResult<bool> {
        Ok(self.run("clear_hold", Query::new("DELETE FROM server_hold WHERE slot = 1")).await? > 0)
    }

    async fn insert_deferred(&mut self, message: &DeferredMessage) -> PortResult<()> {
        const OPERATION: &str = "insert_deferred";
        let mut batch = Batch::numbered(self.dialect, DEFERRED);
        batch.row(&[
            message.key.as_str().into(),
            message.topic.as_str().into(),
            hex::encode(&message.payload).into(),
            message.context.as_str().into(),
            message.received_at.into(),
        ]);
        self.insert_all(OPERATION, "deferred_messages", batch).await?;
        // The newest row that is one too many goes, and all before it.
        let query = Query::new(
            "SELECT id FROM deferred_messages WHERE device_key = ? AND topic = ? ORDER BY id DESC LIMIT 1 OFFSET ?",
        );
        let query = query.bind(message.key.as_str()).bind(message.topic.as_str());
        let surplus = query.bind(i64::try_from(MAX_DEFERRED).unwrap_or(i64::MAX));
        if let Some(last) = self.one(OPERATION, surplus, |row| row.int()).await? {
            let query =
                Query::new("DELETE FROM deferred_messages WHERE device_key = ? AND topic = ? AND id <= ?");
            let query = query.bind(message.key.as_str()).bind(message.topic.as_str()).bind(last);
            self.run(OPERATION, query).await?;
        }
        Ok(())
    }

    async fn delete_deferred(&mut self, id: i64) -> PortResult<bool> {
        let query = Query::new("DELETE FROM deferred_messages WHERE id = ?").bind(id);
        Ok(self.run("delete_deferred", query).await? > 0)
    }

    async fn delete_deferred_of(&mut self, key: &DeviceKey) -> PortResult<u64> {
        let query = Query::new("DELETE FROM deferred_messages WHERE device_key = ?").bind(key.as_str());
        self.run("delete_deferred_of", query).await
    }
}
