//! The words of the HTTP API: every request and response body, their query parameters, and their schemas.
//!
//! Shared by the server, the command line and the simulator, so that the three cannot drift apart. No web framework here.
//! To add an operation: its types go into the module of its subject, its handler into `argosy-http`, and
//! `cargo xtask openapi` rewrites `openapi/argosy.json`.
//!
//! Conventions: times are RFC 3339 UTC ([`Time`]); ids are integers; a path or a reference takes the natural name (device
//! key, product or group name, region code) or `id:42`. Unknown fields of a request are refused, so that a misspelt one is
//! not silently without effect; clients ignore unknown fields of a response.

mod auth;
mod backup;
mod catalog;
mod certificate;
mod content;
mod counts;
mod deployment;
mod device;
mod firmware;
mod identity;
mod ledger;
mod page;
mod problem;
mod registration;
mod session;
mod system;
mod telemetry;
mod time;
mod words;

pub use auth::*;
pub use backup::*;
pub use catalog::*;
pub use certificate::*;
pub use content::*;
pub use counts::*;
pub use deployment::*;
pub use device::*;
pub use firmware::*;
pub use identity::*;
pub use ledger::*;
pub use page::*;
pub use problem::*;
pub use registration::*;
pub use session::*;
pub use system::*;
pub use telemetry::*;
pub use time::*;
pub use words::*;

/// The prefix of every operation.
pub const PREFIX: &str = "/api/v1";

/// The header that makes a creating call safe to repeat: 1 to 128 visible ASCII characters, chosen by the client.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The cookie that carries a person's session.
pub const SESSION_COOKIE: &str = "argosy_session";
