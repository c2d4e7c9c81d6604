//! Creating calls that may be repeated: the answer of the first is kept with its key, and a repeat is answered with it.
//!
//! The answer is kept after the call was carried out, in a transaction of its own. A crash in between lets a repeat be carried out
//! again; it then meets the unique names that every created thing but a deployment has. Two repeats at the same moment are kept apart in memory.

use std::time::Duration;

use argosy_domain::model::IdempotencyRecord;
use argosy_domain::ports::PortErrorKind;
use aws_lc_rs::digest;

use super::Actor;
use crate::Engine;
use crate::error::{EngineError, EngineResult};

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

/// What a caller's key means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idempotent {
    /// Carry the call out, then [`Engine::keep_answer`].
    Fresh,
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
        let found = self.ports.registry.read().await?.idempotency(&scoped(actor, key)).await?;
        match found.filter(|r| r.created_at > oldest) {
            None => Ok(Idempotent::Fresh),
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
        let record = IdempotencyRecord {
            key: scoped(actor, key),
            request_hash: request.0.clone(),
            status,
            body,
            created_at: self.now(),
        };
        let mut work = self.ports.registry.begin("idempotency").await?;
        match work.insert_idempotency(&record).await {
            // The same call at the same moment was kept first.
            Err(error) if error.kind == PortErrorKind::Conflict => Ok(()),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(work.commit().await?),
        }
    }
}

fn scoped(actor: &Actor, key: &str) -> String {
    RequestHash::of(&[actor.name.as_bytes(), key.as_bytes()]).0
}
