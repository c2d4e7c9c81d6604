//! Live connections of devices.

pub(crate) mod kick;
pub(crate) mod list;
