//! The server itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /readyz`: whether the server can do its work, and what keeps it from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyResponse {
    /// All checks are good.
    pub ready: bool,
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
