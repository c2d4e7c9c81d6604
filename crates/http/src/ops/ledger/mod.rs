//! Dead letters and the audit trail.

pub(crate) mod audit;
pub(crate) mod dead_letters;
