//! Creating calls that may be repeated: the answer of the first is kept with its key, and a repeat is answered with it.
//!
//! That the call was carried out is noted in the unit of work that makes the thing, together with its audit entry, which names it; the
//! answer follows when it is written. After a crash in between a repeat is told what was made instead of making it again. Two repeats
//! at the same moment are kept apart in memory, and by the key's being unique.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use argosy_domain::model::IdempotencyRecord;
use argosy_domain::ports::PortErrorKind;
use aws_lc_rs::digest;
use parking_lot::Mutex;

use super::Actor;
use crate::Engine;
use crate::error::{EngineError, EngineResult};

/// The status of a record whose answer is not written yet. HTTP has none such.
const UNANSWERED: u16 = 0;

/// SHA-256 over what makes two requests the same: method, path, body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHash(String);

impl RequestHash {
    /// Hashes the parts, each with its length, so that no two requests run together.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        Self(hex::encode(context.finish()))
    }
}

/// The note of a creating call, until its unit of work takes it. Clones are one.
#[derive(Clone, Default)]
pub struct Claim(Arc<Mutex<Option<IdempotencyRecord>>>);

impl Claim {
    fn set(&self, record: IdempotencyRecord) {
        *self.0.lock() = Some(record);
    }

    /// The note, once, with the name of what was made.
    pub(super) fn take(&self, made: &str) -> Option<IdempotencyRecord> {
        let record = self.0.lock().take()?;
        Some(IdempotencyRecord { body: made.to_owned(), ..record })
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claim").field(&self.0.lock().is_some()).finish()
    }
}

/// A claim is a state of the call, not of who asks.
impl PartialEq for Claim {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Claim {}

/// What a caller's key means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idempotent {
    /// Carry the call out as the same actor, then [`Engine::keep_answer`].
    Fresh,
    /// It was carried out, and the server ended before it answered: do nothing again.
    Made {
        /// What was made, as the audit trail names it: `deployment:17`.
        subject: String,
    },
    /// Answer with this status and body; do nothing.
    Replay {
        /// HTTP status of the first answer.
        status: u16,
        /// Its body.
        body: String,
    },
}

impl Engine {
    /// Looks a caller's idempotency key up.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] for a bad key, `idempotency_mismatch` when the key was used for another request.
    pub async fn idempotent(
        &self,
        actor: &Actor,
        key: &str,
        request: &RequestHash,
    ) -> EngineResult<Idempotent> {
        if key.is_empty() || key.len() > 128 || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(EngineError::invalid(
                "Idempotency-Key",
                "an idempotency key is 1 to 128 printable ASCII characters",
            ));
        }
        let oldest = self.now() - Duration::from_secs(u64::from(self.config.idempotency_ttl_s));
        let scoped = scoped(actor, key);
        let mut found = self.ports.registry.read().await?.idempotency(&scoped).await?;
        if found.as_ref().is_some_and(|r| r.created_at <= oldest) {
            let mut work = self.ports.registry.begin("idempotency").await?;
            work.forget_idempotency(&scoped).await?;
            work.commit().await?;
            found = None;
        }
        match found {
            None => {
                actor.claim.set(self.record(scoped, request, UNANSWERED, String::new()));
                Ok(Idempotent::Fresh)
            }
            Some(record) if record.request_hash == request.0 && record.status == UNANSWERED => {
                Ok(Idempotent::Made { subject: record.body })
            }
            Some(record) if record.request_hash == request.0 => {
                Ok(Idempotent::Replay { status: record.status, body: record.body })
            }
            Some(_) => Err(EngineError::conflict(
                "idempotency_mismatch",
                "this idempotency key was used for another request; use a new key for a new request",
            )),
        }
    }

    /// Keeps the answer of a call that was carried out.
    ///
    /// # Errors
    /// When the registry cannot be written.
    pub async fn keep_answer(
        &self,
        actor: &Actor,
        key: &str,
        request: &RequestHash,
        status: u16,
        body: String,
    ) -> EngineResult<()> {
        let record = self.record(scoped(actor, key), request, status, body);
        let mut work = self.ports.registry.begin("idempotency").await?;
        if work.answer_idempotency(&record.key, status, &record.body).await? {
            return Ok(work.commit().await?);
        }
        // It made nothing that the audit trail knows.
        match work.insert_idempotency(&record).await {
            // The same call at the same moment was kept first.
            Err(error) if error.kind == PortErrorKind::Conflict => Ok(()),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(work.commit().await?),
        }
    }

    /// The call failed: its key may be used again, whatever it did before.
    ///
    /// # Errors
    /// When the registry cannot be written.
    pub async fn release_key(&self, actor: &Actor, key: &str) -> EngineResult<()> {
        if actor.claim.take("").is_some() {
            return Ok(());
        }
        let mut work = self.ports.registry.begin("idempotency").await?;
        work.forget_idempotency(&scoped(actor, key)).await?;
        Ok(work.commit().await?)
    }

    fn record(&self, key: String, request: &RequestHash, status: u16, body: String) -> IdempotencyRecord {
        IdempotencyRecord { key, request_hash: request.0.clone(), status, body, created_at: self.now() }
    }
}

fn scoped(actor: &Actor, key: &str) -> String {
    RequestHash::of(&[actor.name.as_bytes(), key.as_bytes()]).0
}
