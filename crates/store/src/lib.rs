//! What Argosy keeps: the registry (`sql`), the binaries (`blob`) and what happened (`series`). A back end is chosen by URI.

pub mod blob;
pub mod series;
pub mod sql;
