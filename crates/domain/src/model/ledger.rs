//! Rows that must not be lost: what is still to be sent, what came in, who did what, and what was already answered.

use argosy_proto::{AuditId, DeploymentId, DeviceId, DeviceKey, InboxId, OutboxId};
use serde::{Deserialize, Serialize};

use super::{UnknownWord, text_enum};
use crate::Timestamp;

text_enum! {
    /// What an outbox row sends.
    OutboxKind {
        /// An update request; built from its device update when it is sent, since its URL expires.
        Update = "update",
        /// A cancel of an update.
        Cancel = "cancel",
    }
}

/// Something that is to be sent to a device, written in the transaction that decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Row id (0 before it is stored).
    pub id: OutboxId,
    /// To whom.
    pub device: DeviceId,
    /// To whom, on the wire.
    pub key: DeviceKey,
    /// What.
    pub kind: OutboxKind,
    /// For which deployment.
    pub deployment: DeploymentId,
    /// The command it names.
    pub command_id: String,
    /// When it was decided.
    pub created_at: Timestamp,
}

text_enum! {
    /// Why a message stands in the inbox.
    InboxKind {
        /// A good message that waits for its own store.
        Message = "message",
        /// One that could not be understood.
        DeadLetter = "dead_letter",
    }
}

/// An upward message as an earlier version kept it, to be drained into the series store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// Row id (0 before it is stored).
    pub id: InboxId,
    /// From which device, by its connection.
    pub key: DeviceKey,
    /// Its topic, as it came (cut to 256 characters).
    pub topic: String,
    /// Why it is here.
    pub kind: InboxKind,
    /// For a dead letter: what is wrong with it.
    pub reason: Option<String>,
    /// Its payload (cut to the configured bound for a dead letter).
    pub payload: Vec<u8>,
    /// When it came.
    pub received_at: Timestamp,
}

/// Who did what, when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Row id (0 before it is stored).
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who: `user:alice`, `token:ci`, `system`.
    pub actor: String,
    /// What: `deployment.create`, `device.suspend`, …
    pub action: String,
    /// To what: `deployment:12`, `device:vm-1`, …
    pub subject: String,
    /// More, as a JSON object; never a secret.
    pub detail: String,
}

/// The kept answer of a creating call, so that a repeat of it is answered, not done again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The caller and the key it sent, hashed together.
    pub key: String,
    /// SHA-256 of method, path and body: the same key with another request is refused.
    pub request_hash: String,
    /// HTTP status of the answer; 0 while the call is carried out and there is no answer yet.
    pub status: u16,
    /// Body of the answer; without one, what was made, as the audit trail names it (`deployment:17`).
    pub body: String,
    /// When it was kept.
    pub created_at: Timestamp,
}
