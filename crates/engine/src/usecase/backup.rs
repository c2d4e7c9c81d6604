//! Making a backup: who may, and that it is audited. What it consists of is the maker's.

use std::sync::Arc;

use argosy_domain::ports::{BackupError, BackupMaker, ByteStream};
use serde_json::json;

use super::{Actor, audit};
use crate::Engine;
use crate::error::EngineError;

/// Why no backup is made.
#[derive(Debug, thiserror::Error)]
pub enum BackupRefusal {
    /// The caller may not, or the audit entry cannot be written.
    #[error(transparent)]
    Refused(#[from] EngineError),
    /// The maker could not.
    #[error(transparent)]
    Maker(#[from] BackupError),
}

impl Engine {
    /// Joins the maker of backups. Once.
    pub fn attach_backups(&self, maker: Arc<dyn BackupMaker>) {
        let _ = self.backups.set(maker);
    }

    /// A backup, encrypted to `recipient`.
    ///
    /// # Errors
    /// [`EngineError::Forbidden`] unless an administrator asks; [`BackupError`].
    pub async fn backup(&self, actor: &Actor, recipient: &str) -> Result<ByteStream, BackupRefusal> {
        actor.may_administer()?;
        let Some(maker) = self.backups.get() else {
            return Err(EngineError::conflict("no_backups", "this server makes no backups").into());
        };
        let now = self.now();
        let stream = maker.make(recipient, now).await?;
        // The recipient is a public key: whoever reads the trail can tell who can open it.
        let recorded = async {
            let mut work = self.ports.registry.begin("backup").await?;
            let detail = json!({ "recipient": recipient });
            audit(&mut *work, actor, "backup.create", "server".to_owned(), detail, now).await?;
            work.commit().await
        };
        recorded.await.map_err(EngineError::from)?;
        Ok(stream)
    }
}
