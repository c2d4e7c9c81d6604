//! Backups, and the hold of a restored server.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{DeploymentState, Time};

/// Asks for a backup. The answer is the backup itself: an age file for that recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateBackupRequest {
    /// The public key that it is encrypted to: `age1…`. The server never learns what opens it.
    pub recipient: String,
}

/// Whether the server is held, and what it would send if it were resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldView {
    /// Whether it is held: it records, dispatches nothing and issues nothing.
    pub held: bool,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the backup was made that it was restored from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_at: Option<Time>,
    /// Deployments that go on when it is resumed, oldest first.
    #[serde(default)]
    pub deployments: Vec<HeldDeployment>,
    /// Requests and cancels that were decided and not sent: they are sent at once.
    #[serde(default)]
    pub outbox: u64,
    /// Requests of devices for certificates that came while it was held: they are answered at once.
    #[serde(default)]
    pub certificate_requests: u64,
}

/// A deployment that goes on when the server is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldDeployment {
    /// Row id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: DeploymentState,
    /// Devices that are still to be sent it.
    pub pending: u64,
    /// Devices that had been sent it: they are asked again if they say nothing.
    pub in_flight: u64,
    /// Devices that are done with it, however it ended.
    pub done: u64,
}
