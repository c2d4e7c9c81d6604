//! What Argosy keeps: the registry (`sql`) and the binaries (`blob`). A back end is chosen by URI.

pub mod blob;
pub mod sql;
