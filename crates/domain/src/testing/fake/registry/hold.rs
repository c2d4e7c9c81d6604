//! The hold, and what waits for its end.

use argosy_proto::DeviceKey;
use async_trait::async_trait;

use super::Session;
use crate::model::{DeferredMessage, Hold};
use crate::ports::{HoldRead, HoldWrite, MAX_DEFERRED, PortResult};

#[async_trait]
impl HoldRead for Session {
    async fn hold(&mut self) -> PortResult<Option<Hold>> {
        Ok(self.state.hold.clone())
    }

    async fn deferred_count(&mut self) -> PortResult<u64> {
        Ok(self.state.deferred.len() as u64)
    }

    async fn deferred(&mut self, after: i64, limit: u32) -> PortResult<Vec<DeferredMessage>> {
        let rows = self.state.deferred.values().filter(|m| m.id > after);
        Ok(rows.take(limit as usize).cloned().collect())
    }

    async fn outbox_count(&mut self) -> PortResult<u64> {
        Ok(self.state.outbox.len() as u64)
    }
}

#[async_trait]
impl HoldWrite for Session {
    async fn set_hold(&mut self, hold: &Hold) -> PortResult<()> {
        self.state.hold = Some(hold.clone());
        Ok(())
    }

    async fn clear_hold(&mut self) -> PortResult<bool> {
        Ok(self.state.hold.take().is_some())
    }

    async fn insert_deferred(&mut self, message: &DeferredMessage) -> PortResult<()> {
        let id = self.state.new_id();
        self.state.deferred.insert(id, DeferredMessage { id, ..message.clone() });
        let of_it = self.state.deferred.values().filter(|m| m.key == message.key && m.topic == message.topic);
        let ids: Vec<i64> = of_it.map(|m| m.id).collect();
        for id in ids.iter().rev().skip(MAX_DEFERRED) {
            self.state.deferred.remove(id);
        }
        Ok(())
    }

    async fn delete_deferred(&mut self, id: i64) -> PortResult<bool> {
        Ok(self.state.deferred.remove(&id).is_some())
    }

    async fn delete_deferred_of(&mut self, key: &DeviceKey) -> PortResult<u64> {
        let count = self.state.deferred.len();
        self.state.deferred.retain(|_, m| m.key != *key);
        Ok((count - self.state.deferred.len()) as u64)
    }
}
