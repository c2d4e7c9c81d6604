//! Whether the server is held, and what waits for its end.

use argosy_proto::DeviceKey;
use async_trait::async_trait;

use crate::model::{DeferredMessage, Hold};
use crate::ports::PortResult;

/// Messages of one device that are kept while the server is held; of more, the oldest go.
pub const MAX_DEFERRED: usize = 8;

/// Reads of the hold.
#[async_trait]
pub trait HoldRead {
    /// The hold, if the server is held.
    async fn hold(&mut self) -> PortResult<Option<Hold>>;
    /// How many messages wait.
    async fn deferred_count(&mut self) -> PortResult<u64>;
    /// Messages that wait, with id > `after`, by id, `limit` at most.
    async fn deferred(&mut self, after: i64, limit: u32) -> PortResult<Vec<DeferredMessage>>;
    /// How many rows stand in the outbox.
    async fn outbox_count(&mut self) -> PortResult<u64>;
}

/// Writes of the hold.
#[async_trait]
pub trait HoldWrite {
    /// Holds the server, or changes the hold.
    async fn set_hold(&mut self, hold: &Hold) -> PortResult<()>;
    /// Ends the hold; `false`: there was none.
    async fn clear_hold(&mut self) -> PortResult<bool>;
    /// Keeps a message; of one device and topic the newest [`MAX_DEFERRED`] stay.
    async fn insert_deferred(&mut self, message: &DeferredMessage) -> PortResult<()>;
    /// Removes a message that was judged.
    async fn delete_deferred(&mut self, id: i64) -> PortResult<bool>;
    /// Removes all messages of a device.
    async fn delete_deferred_of(&mut self, key: &DeviceKey) -> PortResult<u64>;
}
