//! A lost password, from outside the server: whoever may write the database may let a person in again.

use argosy_domain::ports::{Clock, Entropy, Registry};
use serde_json::json;

use super::accounts::hash_password;
use super::{Actor, audit};
use crate::error::{EngineError, EngineResult};

/// Bytes of randomness in a one-time password.
pub(super) const ONE_TIME_BYTES: usize = 18;

/// Gives a user another one-time password, which is returned: it must be changed at the next log-in. Every session of the user ends;
/// tokens rest until the password has been changed.
///
/// # Errors
/// [`EngineError::NotFound`] names the users that there are.
pub async fn reset_password(
    registry: &dyn Registry,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    name: &str,
) -> EngineResult<String> {
    let mut raw = [0_u8; ONE_TIME_BYTES];
    entropy.fill(&mut raw);
    let password = hex::encode(raw);
    let hash = hash_password(entropy, password.clone()).await?;
    let mut work = registry.begin("accounts").await?;
    let Some(user) = work.user_by_name(name).await? else {
        let users: Vec<String> = work.users().await?.into_iter().map(|user| user.name).collect();
        let known = if users.is_empty() {
            "there is none yet: the first start makes `admin`".to_owned()
        } else {
            format!("there are: {}", users.join(", "))
        };
        return Err(EngineError::NotFound { what: "user", name: format!("{name} ({known})") });
    };
    work.set_password(user.id, &hash, true).await?;
    let subject = format!("user:{}", user.name);
    audit(&mut *work, &Actor::system(), "password.reset", subject, json!({}), clock.now()).await?;
    work.commit().await?;
    Ok(password)
}

#[cfg(test)]
mod tests {
    use argosy_domain::Timestamp;
    use argosy_domain::model::{Role, Session};
    use argosy_domain::page::PageRequest;
    use argosy_domain::ports::AuditFilter;
    use argosy_domain::testing::{FakeClock, FakeRegistry, SeededEntropy};

    use super::*;

    #[tokio::test]
    async fn a_reset_gives_a_new_password_ends_sessions_and_is_in_the_audit_trail() {
        let (registry, clock, entropy) = (FakeRegistry::new(), FakeClock::default(), SeededEntropy::new(1));
        let error = reset_password(&registry, &clock, &entropy, "admin").await.unwrap_err().to_string();
        assert!(error.contains("first start"), "{error}");

        let mut work = registry.begin("test").await.unwrap();
        let id = work.insert_user("admin", "old", Role::Admin, false, clock.now()).await.unwrap();
        let session = Session {
            token_hash: "s".to_owned(),
            user: id,
            created_at: clock.now(),
            expires_at: Timestamp(i64::MAX),
        };
        work.insert_session(&session).await.unwrap();
        work.commit().await.unwrap();

        let error = reset_password(&registry, &clock, &entropy, "root").await.unwrap_err().to_string();
        assert!(error.contains("admin"), "{error}");
        let first = reset_password(&registry, &clock, &entropy, "admin").await.unwrap();
        let second = reset_password(&registry, &clock, &entropy, "admin").await.unwrap();
        assert_eq!(first.len(), 2 * ONE_TIME_BYTES);
        assert_ne!(first, second);
        let mut read = registry.read().await.unwrap();
        let user = read.user(id).await.unwrap().unwrap();
        assert!(user.must_change_password && user.password_hash.starts_with("$argon2id$"));
        assert_eq!(read.session("s", clock.now()).await.unwrap(), None);
        let trail = read.audit(&AuditFilter::default(), &PageRequest::first(10)).await.unwrap();
        assert_eq!(trail.items.iter().filter(|entry| entry.action == "password.reset").count(), 2);
        assert!(trail.items.iter().all(|entry| !entry.detail.contains(&second)));
    }
}
