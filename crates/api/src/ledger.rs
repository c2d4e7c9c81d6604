//! Dead letters and the audit trail.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Time;

/// A message of a device that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterView {
    /// Row id.
    pub id: i64,
    /// From which device, by its connection.
    pub key: String,
    /// Its topic.
    pub topic: String,
    /// What is wrong with it.
    pub reason: String,
    /// Its payload as text, where bytes that are not UTF-8 are replaced; cut.
    pub payload: String,
    /// When it came.
    pub received_at: Time,
}

/// Who did what, when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// Row id.
    pub id: i64,
    /// When.
    pub at: Time,
    /// Who: `user:alice`, `token:ci`, `system`.
    pub actor: String,
    /// What: `deployment.create`, …
    pub action: String,
    /// To what: `deployment:12`, …
    pub subject: String,
    /// More.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}
