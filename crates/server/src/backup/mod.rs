//! Backups: what is in one ([`format`]), how it is written ([`write`], [`make`]) and read ([`read`], [`restore`]).
//!
//! A backup is a tar file inside an age file (<https://age-encryption.org/v1>): `age -d` and `tar t` show what is in it, without
//! this program. The registry is in it as text that any engine can be filled from; its last entry is a manifest with the size and hash of
//! every other one, so that nothing can be missing from its end. The age format itself notices every changed byte.

mod format;
mod hashed;
mod make;
mod read;
mod restore;
mod write;

pub(crate) use make::ServerBackups;
pub(crate) use read::{Opener, verify};
pub(crate) use restore::{OpenerArgs, RestoreArgs, passphrase, restore};
pub(crate) use write::reseal;
