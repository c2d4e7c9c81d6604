//! Log in, log out, passwords, sessions for people, tokens for programs.

use std::collections::HashMap;
use std::time::Duration;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use argosy_domain::Timestamp;
use argosy_domain::model::{ApiToken, Role, Session, User, checked_name};
use argosy_domain::ports::Entropy;
use argosy_proto::TokenId;
use aws_lc_rs::digest;
use parking_lot::Mutex;
use serde_json::json;

use super::reset::ONE_TIME_BYTES;
use super::{Actor, Claim, audit};
use crate::Engine;
use crate::error::{EngineError, EngineResult};

/// The shortest password, in characters.
const MIN_PASSWORD: usize = 12;
/// The longest password, in bytes: what is longer costs hashing time and gains nothing.
const MAX_PASSWORD: usize = 256;
/// Wrong tries for one name or from one address before it has to wait.
const FREE_TRIES: u32 = 5;
/// Names and addresses remembered at most.
const MAX_REMEMBERED: usize = 10_000;

/// A log-in that succeeded.
pub struct LoggedIn {
    /// The cookie's value. A secret: it is shown to nobody but the browser.
    pub session_token: String,
    /// Until when.
    pub expires_at: Timestamp,
    /// Who.
    pub user: User,
}

impl std::fmt::Debug for LoggedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoggedIn").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A token just made: the only time its text is known.
pub struct NewToken {
    /// Row id.
    pub id: TokenId,
    /// The token. A secret.
    pub token: String,
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Slows down guessing: per name and per address, five wrong tries are free, then each wait doubles up to five minutes.
#[derive(Debug, Default)]
pub(crate) struct LoginLimiter {
    tries: Mutex<HashMap<String, Tries>>,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    wrong: u32,
    wait_until: Timestamp,
}

impl LoginLimiter {
    /// # Errors
    /// [`EngineError::TooMany`] while a wait runs for any of `subjects`.
    fn check(&self, subjects: &[String], now: Timestamp) -> EngineResult<()> {
        let tries = self.tries.lock();
        let wait = subjects
            .iter()
            .filter_map(|s| tries.get(s))
            .map(|t| t.wait_until.since(now))
            .max()
            .unwrap_or_default();
        if wait.is_zero() {
            return Ok(());
        }
        Err(EngineError::TooMany {
            retry_after_s: u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1),
        })
    }

    fn wrong(&self, subjects: &[String], now: Timestamp) {
        let mut tries = self.tries.lock();
        if tries.len() >= MAX_REMEMBERED {
            tries.retain(|_, t| t.wait_until > now);
        }
        for subject in subjects {
            if tries.len() >= MAX_REMEMBERED && !tries.contains_key(subject) {
                continue;
            }
            let entry = tries.entry(subject.clone()).or_insert(Tries { wrong: 0, wait_until: now });
            entry.wrong += 1;
            if entry.wrong >= FREE_TRIES {
                let seconds = 2_u64.saturating_pow(entry.wrong - FREE_TRIES).min(300);
                entry.wait_until = now + Duration::from_secs(seconds);
            }
        }
    }

    fn right(&self, name: &str) {
        self.tries.lock().remove(name);
    }
}

impl Engine {
    /// Makes the first administrator if there is no user at all; the one-time password, to be written to a file that only its owner can read.
    ///
    /// # Errors
    /// When the registry cannot be written.
    pub async fn ensure_administrator(&self) -> EngineResult<Option<String>> {
        if !self.ports.registry.read().await?.users().await?.is_empty() {
            return Ok(None);
        }
        let password = self.random_text(ONE_TIME_BYTES);
        let hash = self.hash_password(password.clone()).await?;
        let mut work = self.ports.registry.begin("accounts").await?;
        if !work.users().await?.is_empty() {
            return Ok(None);
        }
        work.insert_user("admin", &hash, Role::Admin, true, self.now()).await?;
        work.commit().await?;
        Ok(Some(password))
    }

    /// Makes a new one-time password for the first administrator, while its first one was never changed and there is no other
    /// user: for a start that was cut off before the password was written down, and for a file that was lost. `None` otherwise.
    ///
    /// # Errors
    /// When the registry cannot be written.
    pub async fn reissue_one_time_password(&self) -> EngineResult<Option<String>> {
        let password = self.random_text(ONE_TIME_BYTES);
        let hash = self.hash_password(password.clone()).await?;
        let mut work = self.ports.registry.begin("accounts").await?;
        let users = work.users().await?;
        let [first] = users.as_slice() else { return Ok(None) };
        if !first.must_change_password {
            return Ok(None);
        }
        work.set_password(first.id, &hash, true).await?;
        let subject = format!("user:{}", first.name);
        audit(&mut *work, &Actor::system(), "password.reissue", subject, json!({}), self.now()).await?;
        work.commit().await?;
        Ok(Some(password))
    }

    /// Logs a person in.
    ///
    /// # Errors
    /// [`EngineError::BadCredentials`]; [`EngineError::TooMany`] after too many wrong tries for this name or from this address.
    pub async fn login(&self, name: &str, password: String, address: &str) -> EngineResult<LoggedIn> {
        let now = self.now();
        let subjects =
            [format!("name:{}", name.chars().take(128).collect::<String>()), format!("address:{address}")];
        self.logins.check(&subjects, now)?;
        if password.len() > MAX_PASSWORD {
            self.logins.wrong(&subjects, now);
            return Err(EngineError::BadCredentials);
        }
        let user = self.ports.registry.read().await?.user_by_name(name).await?;
        // An unknown name costs as much as a known one: the time of the answer tells nothing.
        let hash = user.as_ref().map_or_else(|| DUMMY_HASH.to_owned(), |u| u.password_hash.clone());
        let right = self.verify_password(password, hash).await?;
        let Some(user) = user.filter(|_| right) else {
            self.logins.wrong(&subjects, now);
            return Err(EngineError::BadCredentials);
        };
        self.logins.right(&subjects[0]);
        let session_token = self.random_text(32);
        let expires_at = now + Duration::from_secs(u64::from(self.config.session_ttl_s));
        let session =
            Session { token_hash: hash_token(&session_token), user: user.id, created_at: now, expires_at };
        let mut work = self.ports.registry.begin("accounts").await?;
        work.insert_session(&session).await?;
        let actor = actor_of(&user, format!("user:{}", user.name));
        audit(&mut *work, &actor, "login", actor.name.clone(), json!({ "address": address }), now).await?;
        work.commit().await?;
        Ok(LoggedIn { session_token, expires_at, user })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the registry cannot be written.
    pub async fn logout(&self, session_token: &str) -> EngineResult<()> {
        let mut work = self.ports.registry.begin("accounts").await?;
        work.delete_session(&hash_token(session_token)).await?;
        Ok(work.commit().await?)
    }

    /// Whose cookie that is; `None`: nobody's, or expired.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn actor_by_session(&self, session_token: &str) -> EngineResult<Option<Actor>> {
        let mut read = self.ports.registry.read().await?;
        let Some(session) = read.session(&hash_token(session_token), self.now()).await? else {
            return Ok(None);
        };
        let user = read.user(session.user).await?;
        Ok(user.map(|user| actor_of(&user, format!("user:{}", user.name))))
    }

    /// Whose bearer token that is; `None`: nobody's, or expired.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn actor_by_token(&self, token: &str) -> EngineResult<Option<Actor>> {
        let mut read = self.ports.registry.read().await?;
        let Some(found) = read.api_token(&hash_token(token), self.now()).await? else { return Ok(None) };
        let user = read.user(found.user).await?;
        Ok(user.map(|user| actor_of(&user, format!("token:{}", found.name))))
    }

    /// Changes the caller's own password; all of its sessions end.
    ///
    /// # Errors
    /// [`EngineError::BadCredentials`] when `current` is wrong, [`EngineError::Invalid`] for a password that is too short or the same.
    pub async fn change_password(&self, actor: &Actor, current: String, new: String) -> EngineResult<()> {
        let now = self.now();
        let subjects = [format!("change:{}", actor.user)];
        self.logins.check(&subjects, now)?;
        if new.chars().count() < MIN_PASSWORD || new.len() > MAX_PASSWORD {
            let message =
                format!("a password has {MIN_PASSWORD} characters at least and {MAX_PASSWORD} bytes at most");
            return Err(EngineError::invalid("new_password", message));
        }
        if new == current {
            return Err(EngineError::invalid(
                "new_password",
                "the new password is the old one; choose another",
            ));
        }
        let user = self.ports.registry.read().await?.user(actor.user).await?;
        let user = user.ok_or_else(|| EngineError::not_found("user", actor.user))?;
        if current.len() > MAX_PASSWORD || !self.verify_password(current, user.password_hash).await? {
            self.logins.wrong(&subjects, now);
            return Err(EngineError::BadCredentials);
        }
        let hash = self.hash_password(new).await?;
        let mut work = self.ports.registry.begin("accounts").await?;
        work.set_password(user.id, &hash, false).await?;
        audit(&mut *work, actor, "password.change", format!("user:{}", user.name), json!({}), now).await?;
        Ok(work.commit().await?)
    }

    /// Makes a token for a program, on behalf of the caller.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] for a bad name or an end in the past.
    pub async fn create_token(
        &self,
        actor: &Actor,
        name: &str,
        expires_at: Option<Timestamp>,
    ) -> EngineResult<NewToken> {
        let (name, now) = (checked_name("name", name)?, self.now());
        if expires_at.is_some_and(|at| at <= now) {
            return Err(EngineError::invalid(
                "expires_at",
                "the token would be expired already; give a time to come",
            ));
        }
        let token = format!("agy_{}", self.random_text(32));
        let row = ApiToken {
            id: TokenId(0),
            name,
            token_hash: hash_token(&token),
            user: actor.user,
            created_at: now,
            expires_at,
        };
        let mut work = self.ports.registry.begin("accounts").await?;
        let id = work.insert_api_token(&row).await?;
        audit(&mut *work, actor, "token.create", format!("token:{}", row.name), json!({}), now).await?;
        work.commit().await?;
        Ok(NewToken { id, token })
    }

    /// Removes one of the caller's tokens.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn delete_token(&self, actor: &Actor, id: TokenId) -> EngineResult<()> {
        let mut work = self.ports.registry.begin("accounts").await?;
        if !work.delete_api_token(actor.user, id).await? {
            return Err(EngineError::not_found("token", id));
        }
        audit(&mut *work, actor, "token.delete", format!("token:id:{id}"), json!({}), self.now()).await?;
        Ok(work.commit().await?)
    }

    /// `bytes` of randomness as URL-safe text.
    pub(crate) fn random_text(&self, bytes: usize) -> String {
        let mut raw = vec![0_u8; bytes];
        self.ports.entropy.fill(&mut raw);
        hex::encode(raw)
    }

    async fn hash_password(&self, password: String) -> EngineResult<String> {
        hash_password(self.ports.entropy.as_ref(), password).await
    }

    async fn verify_password(&self, password: String, hash: String) -> EngineResult<bool> {
        off_the_workers(move || {
            let parsed = PasswordHash::new(&hash).map_err(|e| e.to_string())?;
            Ok(argon2id().verify_password(password.as_bytes(), &parsed).is_ok())
        })
        .await
    }
}

/// What is stored of a password.
pub(super) async fn hash_password(entropy: &dyn Entropy, password: String) -> EngineResult<String> {
    let mut salt = [0_u8; 16];
    entropy.fill(&mut salt);
    off_the_workers(move || {
        let salt = SaltString::encode_b64(&salt).map_err(|e| e.to_string())?;
        argon2id().hash_password(password.as_bytes(), &salt).map(|h| h.to_string()).map_err(|e| e.to_string())
    })
    .await
}

/// A hash that no password has, for names that do not exist.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$YXJnb3N5ZHVtbXlzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// OWASP's parameters: 19 MiB, two passes.
fn argon2id() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

async fn off_the_workers<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> EngineResult<T> {
    let failed = |why: String| {
        EngineError::Port(
            argosy_domain::ports::PortError::new(
                "hash password",
                argosy_domain::ports::PortErrorKind::Internal,
            )
            .with_source(why),
        )
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(failed),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// What is stored of a session cookie or a token.
fn hash_token(token: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, token.as_bytes()))
}

fn actor_of(user: &User, name: String) -> Actor {
    Actor {
        name,
        user: user.id,
        role: user.role,
        must_change_password: user.must_change_password,
        claim: Claim::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_has_to_wait_longer_and_longer_and_a_right_try_ends_it() {
        let limiter = LoginLimiter::default();
        let subject = ["name:a".to_owned()];
        let mut now = Timestamp(0);
        for _ in 0..FREE_TRIES {
            assert!(limiter.check(&subject, now).is_ok());
            limiter.wrong(&subject, now);
        }
        let mut last = 0;
        for _ in 0..12 {
            let Err(EngineError::TooMany { retry_after_s }) = limiter.check(&subject, now) else {
                panic!("no wait")
            };
            assert!(retry_after_s >= last && retry_after_s <= 301);
            last = retry_after_s;
            now = now + Duration::from_secs(u64::from(retry_after_s));
            assert!(limiter.check(&subject, now).is_ok());
            limiter.wrong(&subject, now);
        }
        limiter.right("name:a");
        assert!(limiter.check(&subject, now).is_ok());
    }

    #[test]
    fn the_dummy_hash_parses() {
        assert!(PasswordHash::new(DUMMY_HASH).is_ok());
    }
}
