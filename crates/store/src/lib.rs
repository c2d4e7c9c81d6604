//! placeholder
pub mod blob;
