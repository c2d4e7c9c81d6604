//! Uploads.

pub(crate) mod create;
pub(crate) mod put;
