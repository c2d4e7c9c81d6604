//! Backups as the use cases see them.

use async_trait::async_trait;

use super::{ByteStream, PortError};
use crate::Timestamp;

/// Why no backup is made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The recipient is none; the text says why and may be shown.
    #[error("{0}")]
    BadRecipient(String),
    /// One is being made.
    #[error("a backup is being made already")]
    Busy,
    /// A part could not be read.
    #[error(transparent)]
    Failed(#[from] PortError),
}

/// Makes backups of everything that the server keeps.
#[async_trait]
pub trait BackupMaker: Send + Sync + 'static {
    /// A consistent copy of everything as it is at `now` or shortly after, encrypted to `recipient` (`age1…`). Bounded memory: it is
    /// made while it is read. One at a time, until the stream is dropped.
    ///
    /// # Errors
    /// [`BackupError`]; what fails later ends the stream with an error.
    async fn make(&self, recipient: &str, now: Timestamp) -> Result<ByteStream, BackupError>;
}
