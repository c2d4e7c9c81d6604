//! Backups, and the hold of a restored server.

pub(crate) mod create;
pub(crate) mod hold;
pub(crate) mod resume;
