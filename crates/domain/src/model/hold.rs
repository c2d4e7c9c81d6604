//! A server that was restored from a backup is *held*: it accepts and records, dispatches nothing and issues nothing, until
//! an operator has looked at what it would send and resumes it.

use argosy_proto::DeviceKey;

use crate::Timestamp;

/// Why and since when the server is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Since when.
    pub since: Timestamp,
    /// Why, for people.
    pub reason: String,
    /// When the backup was made that it was restored from.
    pub backup_at: Option<Timestamp>,
}

/// A message that asks for something which a held server does not do; it is judged when the server resumes.
#[derive(Clone, PartialEq, Eq)]
pub struct DeferredMessage {
    /// Row id (0 before it is stored).
    pub id: i64,
    /// From which device, by its connection.
    pub key: DeviceKey,
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// How it came: door and certificate, as JSON of the engine's own.
    pub context: String,
    /// When it came.
    pub received_at: Timestamp,
}

impl core::fmt::Debug for DeferredMessage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DeferredMessage")
            .field("id", &self.id)
            .field("key", &self.key)
            .field("topic", &self.topic)
            .field("bytes", &self.payload.len())
            .field("received_at", &self.received_at)
            .finish_non_exhaustive()
    }
}
