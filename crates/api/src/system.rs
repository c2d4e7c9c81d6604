//! The server itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /readyz`: whether the server can do its work, and what keeps it from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyResponse {
    /// All checks are good.
    pub ready: bool,
    /// The server was restored and is held: it records, dispatches nothing and issues nothing until it is resumed.
    #[serde(default)]
    pub held: bool,
    /// One line a check.
    pub checks: Vec<ReadyCheck>,
}

/// One check of readiness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyCheck {
    /// What was asked: `registry`, `link`, …
    pub name: String,
    /// Whether it answered.
    pub ok: bool,
}
