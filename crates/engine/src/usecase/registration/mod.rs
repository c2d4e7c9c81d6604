//! Registration by a one-time code: making codes, taking them back, and (in [`attempt`]) judging what a device sends.
//!
//! A code lives minutes, is used once, and stands nowhere but in the answer to the call that made it: what is kept is its keyed
//! hash. How likely a guess is to hit is the number of open codes in a million; tries are counted by device, and slowed down all
//! together.

mod attempt;
mod key;
mod pace;

use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::model::{LockRule, NewRegistrationCode, RegistrationCode, checked_name};
use argosy_domain::ports::{CodeInsert, Entropy, PortErrorKind};
use argosy_proto::{GroupId, ProductId, RegionId, RegistrationCodeId};
use serde_json::json;

pub use key::SecretKey;
use key::{RegistrationKey, draw_code};
use pace::Pace;

use super::{Actor, audit};
use crate::Engine;
use crate::error::{EngineError, EngineResult};

/// Draws before it is said that no free code was found: with as many open as may be, each finds one with a probability of 99 % or more.
const DRAWS: usize = 16;
/// Ended codes are listed for so long.
const HISTORY: Duration = Duration::from_secs(30 * 86_400);

/// Limits of registration.
#[derive(Debug, Clone)]
pub struct RegistrationRules {
    /// A code can be used for so many seconds.
    pub code_ttl_s: u32,
    /// Codes open at once at most.
    pub max_open: u32,
    /// Wrong codes that lock a device.
    pub max_wrong: u32,
    /// For so many seconds.
    pub lock_s: u32,
    /// Codes judged a second, all devices together.
    pub tries_per_second: u32,
    /// The server's key; `None`: one that lasts until the engine is dropped.
    pub key: Option<SecretKey>,
}

impl Default for RegistrationRules {
    fn default() -> Self {
        Self { code_ttl_s: 300, max_open: 1000, max_wrong: 5, lock_s: 900, tries_per_second: 10, key: None }
    }
}

/// What registration keeps in memory.
pub(crate) struct Registration {
    key: RegistrationKey,
    pace: Pace,
    lock: LockRule,
}

impl Registration {
    pub(crate) fn new(rules: &RegistrationRules, entropy: &dyn Entropy) -> Self {
        let secret = rules.key.clone().unwrap_or_else(|| SecretKey::draw(entropy));
        let lock = LockRule {
            tries: rules.max_wrong.max(1),
            lock: Duration::from_secs(u64::from(rules.lock_s.max(1))),
        };
        Self { key: RegistrationKey::new(&secret), pace: Pace::new(rules.tries_per_second), lock }
    }
}

/// What a code is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRequest {
    /// Only a device of this product can use it.
    pub product: ProductId,
    /// Where the device is placed.
    pub group: GroupId,
    /// Where the device is placed.
    pub region: RegionId,
    /// What the device is called; `None`: as the registry or the device itself calls it.
    pub device_name: Option<String>,
}

/// A code just made: the only time its digits are known.
pub struct NewCode {
    /// Its row.
    pub row: RegistrationCode,
    /// The six digits. A secret.
    pub code: String,
}

impl std::fmt::Debug for NewCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewCode").field("row", &self.row).finish_non_exhaustive()
    }
}

impl Engine {
    /// Makes a code.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] for a bad name, [`EngineError::NotFound`] for a product, group or region that is not there;
    /// `too_many_codes` when as many are open as may be.
    pub async fn create_registration_code(
        &self,
        actor: &Actor,
        request: CodeRequest,
    ) -> EngineResult<NewCode> {
        actor.may_change()?;
        self.not_held()?;
        let device_name =
            request.device_name.as_deref().map(|n| checked_name("device_name", n)).transpose()?;
        for _ in 0..DRAWS {
            let code = draw_code(&*self.ports.entropy);
            let now = self.now();
            let new = NewRegistrationCode {
                mac: self.registration.key.mac(&code),
                product: request.product,
                group: request.group,
                region: request.region,
                device_name: device_name.clone(),
                created_by: actor.user,
                actor: actor.name.clone(),
                created_at: now,
                expires_at: now + Duration::from_secs(u64::from(self.config.registration.code_ttl_s)),
            };
            let mut work = self.ports.registry.begin("registration code").await?;
            if work.product(request.product).await?.is_none() {
                return Err(EngineError::not_found("product", request.product));
            }
            if work.group(request.group).await?.is_none() {
                return Err(EngineError::not_found("group", request.group));
            }
            if work.region(request.region).await?.is_none() {
                return Err(EngineError::not_found("region", request.region));
            }
            let id = match work.insert_registration_code(&new, self.config.registration.max_open).await {
                Ok(CodeInsert::Kept(id)) => id,
                Ok(CodeInsert::Taken) => continue,
                Ok(CodeInsert::Full) => return Err(self.too_many_codes()),
                // Another process has just made the same one.
                Err(error) if error.kind == PortErrorKind::Conflict => continue,
                Err(error) => return Err(error.into()),
            };
            let detail = json!({
                "product_id": new.product.get(), "group_id": new.group.get(), "region_id": new.region.get(),
                "expires_at": new.expires_at,
            });
            audit(&mut *work, actor, "registration_code.create", subject(id), detail, now).await?;
            let row = work.registration_code(id).await?;
            work.commit().await?;
            let row = row.ok_or_else(|| EngineError::not_found("registration code", id))?;
            return Ok(NewCode { row, code });
        }
        Err(self.too_many_codes())
    }

    fn too_many_codes(&self) -> EngineError {
        let message = format!(
            "{} registration codes are open, and no more may be (registration.max_open); wait until some expire, or revoke some",
            self.config.registration.max_open
        );
        EngineError::conflict("too_many_codes", message)
    }

    /// Takes a code back.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; `code_ended` for one that was used, has expired or was taken back before.
    pub async fn revoke_registration_code(
        &self,
        actor: &Actor,
        id: RegistrationCodeId,
    ) -> EngineResult<RegistrationCode> {
        actor.may_change()?;
        let now = self.now();
        let mut work = self.ports.registry.begin("registration code").await?;
        let revoked = work.revoke_registration_code(id, &actor.name, now).await?;
        let Some(code) = work.registration_code(id).await? else {
            return Err(EngineError::not_found("registration code", format!("id:{id}")));
        };
        if !revoked {
            let message = format!("the code cannot be revoked: it is {}", code.state(now));
            return Err(EngineError::conflict("code_ended", message));
        }
        audit(&mut *work, actor, "registration_code.revoke", subject(id), json!({}), now).await?;
        work.commit().await?;
        Ok(code)
    }

    /// Seals an answer that holds a secret, so that it can be kept for a repeat of the call.
    pub fn seal_answer(&self, purpose: &str, body: &str) -> String {
        self.registration.key.seal(&*self.ports.entropy, purpose, body)
    }

    /// An answer that was sealed for the same purpose; `None`: the server's key is another one by now.
    pub fn open_answer(&self, purpose: &str, sealed: &str) -> Option<String> {
        self.registration.key.open(purpose, sealed)
    }

    /// Before when ended codes are cleaned away.
    pub(crate) fn registration_history_from(&self, now: Timestamp) -> Timestamp {
        let lock = Duration::from_secs(u64::from(self.config.registration.lock_s));
        now - HISTORY.max(lock)
    }
}

fn subject(id: RegistrationCodeId) -> String {
    format!("registration_code:{id}")
}
