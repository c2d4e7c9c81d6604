//! Contents.

pub(crate) mod change;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod devices;
pub(crate) mod files;
pub(crate) mod get;
pub(crate) mod list;
