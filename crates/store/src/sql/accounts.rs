//! Users, sessions, tokens.

use argosy_domain::Timestamp;
use argosy_domain::model::{ApiToken, Role, Session as LoginSession, User};
use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{AccountsRead, AccountsWrite, PortResult};
use argosy_proto::{TokenId, UserId};
use async_trait::async_trait;

use super::query::{Conditions, Query};
use super::row::{Columns, Decoded};
use super::session::{Order, Session};

const USER: &str = "SELECT id, name, password_hash, role, must_change_password, created_at FROM users";

fn user(row: &mut Columns<'_>) -> Decoded<User> {
    Ok(User {
        id: UserId(row.int()?),
        name: row.text()?,
        password_hash: row.text()?,
        role: row.word()?,
        must_change_password: row.flag()?,
        created_at: row.time()?,
    })
}

fn session(row: &mut Columns<'_>) -> Decoded<LoginSession> {
    Ok(LoginSession {
        token_hash: row.text()?,
        user: UserId(row.int()?),
        created_at: row.time()?,
        expires_at: row.time()?,
    })
}

const TOKEN: &str = "SELECT id, name, token_hash, user_id, created_at, expires_at FROM api_tokens";

fn token(row: &mut Columns<'_>) -> Decoded<ApiToken> {
    Ok(ApiToken {
        id: TokenId(row.int()?),
        name: row.text()?,
        token_hash: row.text()?,
        user: UserId(row.int()?),
        created_at: row.time()?,
        expires_at: row.opt_time()?,
    })
}

#[async_trait]
impl AccountsRead for Session {
    async fn user(&mut self, id: UserId) -> PortResult<Option<User>> {
        self.one("user", Query::new(format!("{USER} WHERE id = ?")).bind(id.get()), user).await
    }

    async fn user_by_name(&mut self, name: &str) -> PortResult<Option<User>> {
        self.one("user_by_name", Query::new(format!("{USER} WHERE name = ?")).bind(name), user).await
    }

    async fn users(&mut self) -> PortResult<Vec<User>> {
        self.all("users", Query::new(format!("{USER} ORDER BY id")), user).await
    }

    async fn session(&mut self, token_hash: &str, now: Timestamp) -> PortResult<Option<LoginSession>> {
        let query = "SELECT token_hash, user_id, created_at, expires_at FROM sessions WHERE token_hash = ? AND expires_at > ?";
        self.one("session", Query::new(query).bind(token_hash).bind(now), session).await
    }

    async fn api_token(&mut self, token_hash: &str, now: Timestamp) -> PortResult<Option<ApiToken>> {
        let query = format!("{TOKEN} WHERE token_hash = ? AND (expires_at IS NULL OR expires_at > ?)");
        self.one("api_token", Query::new(query).bind(token_hash).bind(now), token).await
    }

    async fn api_tokens(&mut self, user: UserId, page: &PageRequest) -> PortResult<Page<ApiToken>> {
        const OPERATION: &str = "api_tokens";
        let mut conditions = Conditions::default();
        conditions.and(Query::new("user_id = ?").bind(user.get()));
        if let Some(after) = Order::OldestFirst.after(OPERATION, "id", page)? {
            conditions.and(after);
        }
        let mut query = Query::new(TOKEN);
        query.append(conditions.clause()).append(Order::OldestFirst.limit("id", page));
        self.page(OPERATION, page, query, token, |t| t.id.get()).await
    }
}

#[async_trait]
impl AccountsWrite for Session {
    async fn insert_user(
        &mut self,
        name: &str,
        password_hash: &str,
        role: Role,
        must_change_password: bool,
        now: Timestamp,
    ) -> PortResult<UserId> {
        let query = Query::new(
            "INSERT INTO users (name, password_hash, role, must_change_password, created_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(name)
        .bind(password_hash)
        .bind(role.as_str())
        .bind(must_change_password)
        .bind(now);
        self.insert_id("insert_user", query).await.map(UserId)
    }

    async fn set_password(
        &mut self,
        id: UserId,
        password_hash: &str,
        must_change_password: bool,
    ) -> PortResult<bool> {
        const OPERATION: &str = "set_password";
        let query = Query::new("UPDATE users SET password_hash = ?, must_change_password = ? WHERE id = ?")
            .bind(password_hash)
            .bind(must_change_password)
            .bind(id.get());
        if self.run(OPERATION, query).await? == 0 {
            return Ok(false);
        }
        self.run(OPERATION, Query::new("DELETE FROM sessions WHERE user_id = ?").bind(id.get())).await?;
        Ok(true)
    }

    async fn insert_session(&mut self, session: &LoginSession) -> PortResult<()> {
        let query = Query::new(
            "INSERT INTO sessions (token_hash, user_id, created_at, expires_at) VALUES (?, ?, ?, ?)",
        )
        .bind(session.token_hash.as_str())
        .bind(session.user.get())
        .bind(session.created_at)
        .bind(session.expires_at);
        self.run("insert_session", query).await.map(drop)
    }

    async fn delete_session(&mut self, token_hash: &str) -> PortResult<bool> {
        let query = Query::new("DELETE FROM sessions WHERE token_hash = ?").bind(token_hash);
        Ok(self.run("delete_session", query).await? > 0)
    }

    async fn delete_expired_sessions(&mut self, now: Timestamp) -> PortResult<u64> {
        // A session is valid before `expires_at`, not at it.
        let query = Query::new("DELETE FROM sessions WHERE expires_at <= ?").bind(now);
        self.run("delete_expired_sessions", query).await
    }

    async fn insert_api_token(&mut self, token: &ApiToken) -> PortResult<TokenId> {
        let query = Query::new(
            "INSERT INTO api_tokens (name, token_hash, user_id, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(token.name.as_str())
        .bind(token.token_hash.as_str())
        .bind(token.user.get())
        .bind(token.created_at)
        .bind(token.expires_at);
        self.insert_id("insert_api_token", query).await.map(TokenId)
    }

    async fn delete_api_token(&mut self, user: UserId, id: TokenId) -> PortResult<bool> {
        let query = Query::new("DELETE FROM api_tokens WHERE id = ? AND user_id = ?");
        Ok(self.run("delete_api_token", query.bind(id.get()).bind(user.get())).await? > 0)
    }
}
