//! Starting and ending, and the commands that look at a server from outside.

mod admin;
mod arenas;
mod compose;
mod doctor;
mod files;
mod fold;
mod lock;
mod logging;
mod metrics;
mod migrate;
mod renew;
mod reset;
mod serve;
mod sole;

pub(crate) use self::doctor::doctor;
pub(crate) use self::lock::DataLock;
pub(crate) use self::migrate::{MigrateArgs, migrate};
pub(crate) use self::reset::{ResetPasswordArgs, reset_password};
pub(crate) use self::serve::serve;

/// The OpenAPI description, as it is committed.
pub(crate) fn openapi() -> String {
    argosy_http::openapi::text().to_owned()
}
