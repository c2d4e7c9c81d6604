//! The use cases, a file an area. Each checks its input, does its work in one short unit of work with its audit entry in it, and
//! tells the feed afterwards.

mod accounts;
mod backup;
mod catalog;
mod contents;
mod deployments;
mod devices;
mod firmware;
mod hold;
mod housekeeping;
mod idempotency;
mod identity;
mod registration;
mod reset;

use argosy_domain::Timestamp;
use argosy_domain::model::{AuditEntry, Role};
use argosy_domain::ports::{LedgerWrite, PortResult};
use argosy_proto::{AuditId, UserId};

pub(crate) use accounts::LoginLimiter;
pub use accounts::{LoggedIn, NewToken};
pub use backup::BackupRefusal;
pub(crate) use contents::Making;
pub use contents::{ContentFile, ContentPart, ContentRequest};
pub(crate) use deployments::CANCELED;
pub use deployments::{
    DeploymentChoice, DeploymentRequest, DeploymentSummary, FirmwareChoice, FiveWords, Preview,
};
pub use devices::{DeviceRequest, EnrolledDevice, MAX_DEVICES_PER_CALL};
pub use firmware::FirmwareRequest;
pub use hold::HeldWork;
pub(crate) use hold::HoldFlag;
pub(crate) use housekeeping::run_housekeeping;
pub use idempotency::{Claim, Idempotent, RequestHash};
pub use identity::{Crl, CrlFormat, IdentityRules, ImportRow, MAX_IMPORT_ROWS};
pub(crate) use identity::{CrlCache, Renewals};
pub(crate) use registration::Registration;
pub use registration::{CodeRequest, NewCode, RegistrationRules, SecretKey};
pub use reset::reset_password;

use crate::error::{EngineError, EngineResult};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// As the audit trail names it: `user:alice`, `token:ci`, `system`.
    pub name: String,
    /// On whose behalf.
    pub user: UserId,
    /// With which rights.
    pub role: Role,
    /// The password must be changed before anything else.
    pub must_change_password: bool,
    /// A creating call that may be repeated: what is made is noted in the unit of work that makes it.
    pub claim: Claim,
}

impl Actor {
    /// The server itself.
    pub fn system() -> Self {
        Self {
            name: "system".to_owned(),
            user: UserId(0),
            role: Role::Admin,
            must_change_password: false,
            claim: Claim::default(),
        }
    }

    /// Refuses a caller who may only read.
    ///
    /// # Errors
    /// [`EngineError::Forbidden`] with code `read_only`.
    pub fn may_change(&self) -> EngineResult<()> {
        if self.role == Role::Viewer {
            return Err(EngineError::Forbidden {
                code: "read_only",
                message: "this account may only read".to_owned(),
            });
        }
        Ok(())
    }

    /// Refuses a caller who is not an administrator.
    ///
    /// # Errors
    /// [`EngineError::Forbidden`] with code `admin_only`.
    pub fn may_administer(&self) -> EngineResult<()> {
        if self.role != Role::Admin {
            return Err(EngineError::Forbidden {
                code: "admin_only",
                message: "only an administrator may do this".to_owned(),
            });
        }
        Ok(())
    }
}

/// Writes an audit entry in the caller's unit of work. `detail` must hold no secret. The first one of a creating call that may be
/// repeated also notes that it was carried out: both are there, or neither is.
pub(crate) async fn audit<W: LedgerWrite + ?Sized>(
    work: &mut W,
    actor: &Actor,
    action: &str,
    subject: String,
    detail: serde_json::Value,
    at: Timestamp,
) -> PortResult<()> {
    if let Some(record) = actor.claim.take(&subject) {
        work.insert_idempotency(&record).await?;
    }
    let entry = AuditEntry {
        id: AuditId(0),
        at,
        actor: actor.name.clone(),
        action: action.to_owned(),
        subject,
        detail: detail.to_string(),
    };
    work.insert_audit(&entry).await
}
