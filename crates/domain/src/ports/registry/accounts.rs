//! Users, sessions, tokens.

use argosy_proto::{TokenId, UserId};
use async_trait::async_trait;

use crate::Timestamp;
use crate::model::{ApiToken, Role, Session, User};
use crate::page::{Page, PageRequest};
use crate::ports::PortResult;

/// Reads of accounts.
#[async_trait]
pub trait AccountsRead {
    /// One user.
    async fn user(&mut self, id: UserId) -> PortResult<Option<User>>;
    /// One user by login name (exact).
    async fn user_by_name(&mut self, name: &str) -> PortResult<Option<User>>;
    /// All users by id (there are few).
    async fn users(&mut self) -> PortResult<Vec<User>>;
    /// A session that has not expired at `now`.
    async fn session(&mut self, token_hash: &str, now: Timestamp) -> PortResult<Option<Session>>;
    /// A token that has not expired at `now`.
    async fn api_token(&mut self, token_hash: &str, now: Timestamp) -> PortResult<Option<ApiToken>>;
    /// A user's tokens by id (ascending).
    async fn api_tokens(&mut self, user: UserId, page: &PageRequest) -> PortResult<Page<ApiToken>>;
}

/// Writes of accounts. Constraint: `user.name`.
#[async_trait]
pub trait AccountsWrite {
    /// Makes a user.
    async fn insert_user(
        &mut self,
        name: &str,
        password_hash: &str,
        role: Role,
        must_change_password: bool,
        now: Timestamp,
    ) -> PortResult<UserId>;
    /// Changes a user's password and ends all of its sessions.
    async fn set_password(
        &mut self,
        id: UserId,
        password_hash: &str,
        must_change_password: bool,
    ) -> PortResult<bool>;
    /// Keeps a session.
    async fn insert_session(&mut self, session: &Session) -> PortResult<()>;
    /// Ends a session.
    async fn delete_session(&mut self, token_hash: &str) -> PortResult<bool>;
    /// Removes sessions that expired before `now`.
    async fn delete_expired_sessions(&mut self, now: Timestamp) -> PortResult<u64>;
    /// Keeps a token.
    async fn insert_api_token(&mut self, token: &ApiToken) -> PortResult<TokenId>;
    /// Removes a user's token.
    async fn delete_api_token(&mut self, user: UserId, id: TokenId) -> PortResult<bool>;
}
