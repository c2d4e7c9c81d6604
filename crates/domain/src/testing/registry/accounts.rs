//! Users, sessions, tokens.

use argosy_proto::{TokenId, UserId};

use super::fixture::{NOBODY, NOW, begin, conflicts, read};
use super::list_cases;
use crate::Timestamp;
use crate::model::{ApiToken, Role, Session};
use crate::page::PageRequest;
use crate::ports::Registry;

list_cases!("accounts":
    what_is_not_there_is_none_or_false,
    users_are_kept_by_a_unique_name,
    a_new_password_ends_the_sessions_of_its_user,
    a_session_ends_when_it_expires_or_is_ended,
    tokens_are_a_users_own,
);

fn at(millis: i64) -> Timestamp {
    Timestamp(NOW.0 + millis)
}

async fn what_is_not_there_is_none_or_false(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let nobody = UserId(NOBODY);
    assert!(unit.user(nobody).await.expect("read").is_none());
    assert!(unit.user_by_name("nobody").await.expect("read").is_none());
    assert!(unit.users().await.expect("read").is_empty());
    assert!(unit.session("nobody", NOW).await.expect("read").is_none());
    assert!(unit.api_token("nobody", NOW).await.expect("read").is_none());
    assert!(unit.api_tokens(nobody, &PageRequest::first(10)).await.expect("read").items.is_empty());
    assert!(!unit.set_password(nobody, "x", true).await.expect("write"));
    assert!(!unit.delete_session("nobody").await.expect("write"));
    assert_eq!(unit.delete_expired_sessions(NOW).await.expect("write"), 0);
    assert!(!unit.delete_api_token(nobody, TokenId(NOBODY)).await.expect("write"));
    unit.commit().await.expect("commit");
}

async fn users_are_kept_by_a_unique_name(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let admin = unit.insert_user("admin", "$argon2id$v=19$a", Role::Admin, true, NOW).await.expect("insert");
    let other = unit.insert_user("Admin", "$argon2id$v=19$b", Role::Viewer, false, NOW).await;
    let other = other.expect("another case is another name");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let user = session.user(admin).await.expect("read").expect("there");
    assert_eq!((user.id, user.name.as_str(), user.role), (admin, "admin", Role::Admin));
    assert_eq!((user.password_hash.as_str(), user.must_change_password), ("$argon2id$v=19$a", true));
    assert_eq!(user.created_at, NOW);
    assert_eq!(session.user_by_name("Admin").await.expect("read").expect("there").id, other);
    assert!(session.user_by_name("ADMIN").await.expect("read").is_none(), "exactly");
    let users = session.users().await.expect("read");
    assert_eq!(users.iter().map(|u| u.id).collect::<Vec<_>>(), [admin, other]);
    drop(session);
    let mut unit = begin(registry).await;
    conflicts(unit.insert_user("admin", "x", Role::Viewer, false, NOW).await, "user.name");
}

fn session_of(user: UserId, token: &str, expires: i64) -> Session {
    Session { token_hash: token.to_owned(), user, created_at: NOW, expires_at: at(expires) }
}

async fn a_new_password_ends_the_sessions_of_its_user(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let one = unit.insert_user("one", "old", Role::Operator, true, NOW).await.expect("insert");
    let two = unit.insert_user("two", "old", Role::Operator, true, NOW).await.expect("insert");
    for (user, token) in [(one, "a"), (one, "b"), (two, "c")] {
        unit.insert_session(&session_of(user, token, 1000)).await.expect("insert");
    }
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    assert!(unit.set_password(one, "new", false).await.expect("write"));
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    assert!(session.session("a", NOW).await.expect("read").is_none());
    assert!(session.session("b", NOW).await.expect("read").is_none());
    assert!(session.session("c", NOW).await.expect("read").is_some(), "another user's session goes on");
    let user = session.user(one).await.expect("read").expect("there");
    assert_eq!((user.password_hash.as_str(), user.must_change_password), ("new", false));
    let user = session.user(two).await.expect("read").expect("there");
    assert_eq!((user.password_hash.as_str(), user.must_change_password), ("old", true));
}

async fn a_session_ends_when_it_expires_or_is_ended(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let user = unit.insert_user("one", "x", Role::Operator, false, NOW).await.expect("insert");
    for (token, expires) in [("short", 10), ("middle", 20), ("long", 1000)] {
        unit.insert_session(&session_of(user, token, expires)).await.expect("insert");
    }
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let found = session.session("short", at(9)).await.expect("read").expect("alive");
    assert!(found == session_of(user, "short", 10));
    assert!(session.session("short", at(10)).await.expect("read").is_none(), "it lasts until then");
    assert!(session.session("SHORT", at(9)).await.expect("read").is_none(), "exactly");
    drop(session);
    let mut unit = begin(registry).await;
    assert_eq!(unit.delete_expired_sessions(at(30)).await.expect("write"), 2);
    assert!(unit.session("short", NOW).await.expect("read").is_none(), "it is gone, not only expired");
    assert!(unit.delete_session("long").await.expect("write"));
    assert!(!unit.delete_session("long").await.expect("again"));
    unit.commit().await.expect("commit");
    assert!(read(registry).await.session("long", NOW).await.expect("read").is_none());
}

async fn tokens_are_a_users_own(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let one = unit.insert_user("one", "x", Role::Operator, false, NOW).await.expect("insert");
    let two = unit.insert_user("two", "x", Role::Operator, false, NOW).await.expect("insert");
    let token = |user, hash: &str, expires_at| ApiToken {
        id: TokenId(0),
        name: "CI 서버".to_owned(),
        token_hash: hash.to_owned(),
        user,
        created_at: NOW,
        expires_at,
    };
    let eternal = unit.insert_api_token(&token(one, "a", None)).await.expect("insert");
    let mortal = unit.insert_api_token(&token(one, "b", Some(at(10)))).await.expect("insert");
    let foreign = unit.insert_api_token(&token(two, "c", None)).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let found = session.api_token("a", at(1_000_000_000)).await.expect("read").expect("alive");
    assert!(found == ApiToken { id: eternal, ..token(one, "a", None) });
    assert!(session.api_token("b", at(9)).await.expect("read").is_some());
    assert!(session.api_token("b", at(10)).await.expect("read").is_none(), "it lasts until then");
    let own = session.api_tokens(one, &PageRequest::first(10)).await.expect("read");
    assert_eq!(own.items.iter().map(|t| t.id).collect::<Vec<_>>(), [eternal, mortal]);
    assert_eq!(own.next, None);
    let first = session.api_tokens(one, &PageRequest::first(1)).await.expect("read");
    assert_eq!(first.items.iter().map(|t| t.id).collect::<Vec<_>>(), [eternal]);
    let rest = PageRequest { limit: 10, after: first.next };
    let rest = session.api_tokens(one, &rest).await.expect("read");
    assert_eq!(rest.items.iter().map(|t| t.id).collect::<Vec<_>>(), [mortal]);
    drop(session);
    let mut unit = begin(registry).await;
    assert!(!unit.delete_api_token(one, foreign).await.expect("write"), "it is another user's");
    assert!(unit.delete_api_token(one, eternal).await.expect("write"));
    assert!(!unit.delete_api_token(one, eternal).await.expect("again"));
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    assert!(session.api_token("a", NOW).await.expect("read").is_none());
    assert!(session.api_token("c", NOW).await.expect("read").is_some());
}
