//! Users, sessions, tokens.

use argosy_proto::{TokenId, UserId};
use async_trait::async_trait;

use super::Session;
use super::table::{Order, page};
use crate::Timestamp;
use crate::model::{ApiToken, Role, Session as LoginSession, User};
use crate::page::{Page, PageRequest};
use crate::ports::{AccountsRead, AccountsWrite, PortError, PortResult};

#[async_trait]
impl AccountsRead for Session {
    async fn user(&mut self, id: UserId) -> PortResult<Option<User>> {
        Ok(self.state.users.get(&id).cloned())
    }

    async fn user_by_name(&mut self, name: &str) -> PortResult<Option<User>> {
        Ok(self.state.users.values().find(|u| u.name == name).cloned())
    }

    async fn users(&mut self) -> PortResult<Vec<User>> {
        Ok(self.state.users.values().cloned().collect())
    }

    async fn session(&mut self, token_hash: &str, now: Timestamp) -> PortResult<Option<LoginSession>> {
        Ok(self.state.sessions.get(token_hash).filter(|s| s.expires_at > now).cloned())
    }

    async fn api_token(&mut self, token_hash: &str, now: Timestamp) -> PortResult<Option<ApiToken>> {
        let mut tokens = self.state.tokens.values();
        let alive = |t: &&ApiToken| t.token_hash == token_hash && t.expires_at.is_none_or(|at| at > now);
        Ok(tokens.find(alive).cloned())
    }

    async fn api_tokens(&mut self, user: UserId, request: &PageRequest) -> PortResult<Page<ApiToken>> {
        let own = self.state.tokens.values().filter(|t| t.user == user).map(|t| (t.id.get(), t.clone()));
        page("api_tokens", own, Order::OldestFirst, request)
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
        if self.state.users.values().any(|u| u.name == name) {
            return Err(PortError::conflict("insert_user", "user.name"));
        }
        let id = UserId(self.state.new_id());
        let user = User {
            id,
            name: name.to_owned(),
            password_hash: password_hash.to_owned(),
            role,
            must_change_password,
            created_at: now,
        };
        self.state.users.insert(id, user);
        Ok(id)
    }

    async fn set_password(
        &mut self,
        id: UserId,
        password_hash: &str,
        must_change_password: bool,
    ) -> PortResult<bool> {
        let Some(user) = self.state.users.get_mut(&id) else { return Ok(false) };
        password_hash.clone_into(&mut user.password_hash);
        user.must_change_password = must_change_password;
        self.state.sessions.retain(|_, session| session.user != id);
        Ok(true)
    }

    async fn insert_session(&mut self, session: &LoginSession) -> PortResult<()> {
        if !self.state.users.contains_key(&session.user) {
            return Err(PortError::reference("insert_session", "session.user"));
        }
        self.state.sessions.insert(session.token_hash.clone(), session.clone());
        Ok(())
    }

    async fn delete_session(&mut self, token_hash: &str) -> PortResult<bool> {
        Ok(self.state.sessions.remove(token_hash).is_some())
    }

    async fn delete_expired_sessions(&mut self, now: Timestamp) -> PortResult<u64> {
        let before = self.state.sessions.len();
        self.state.sessions.retain(|_, session| session.expires_at > now);
        Ok((before - self.state.sessions.len()) as u64)
    }

    async fn insert_api_token(&mut self, token: &ApiToken) -> PortResult<TokenId> {
        if !self.state.users.contains_key(&token.user) {
            return Err(PortError::reference("insert_api_token", "token.user"));
        }
        let id = TokenId(self.state.new_id());
        self.state.tokens.insert(id, ApiToken { id, ..token.clone() });
        Ok(id)
    }

    async fn delete_api_token(&mut self, user: UserId, id: TokenId) -> PortResult<bool> {
        if self.state.tokens.get(&id).is_none_or(|t| t.user != user) {
            return Ok(false);
        }
        Ok(self.state.tokens.remove(&id).is_some())
    }
}
