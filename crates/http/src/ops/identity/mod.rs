//! Imported CAs and devices, revocations and their lists, certificates that have ended.

pub(crate) mod allow_expired;
pub(crate) mod crl;
pub(crate) mod import_ca;
pub(crate) mod import_devices;
pub(crate) mod imported_cas;
pub(crate) mod remove_ca;
pub(crate) mod revocations;
