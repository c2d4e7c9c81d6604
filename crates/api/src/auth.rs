//! Logging in and out, the caller's own account, tokens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Role, Time};

/// Name and password.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Login name.
    pub name: String,
    /// Password.
    pub password: String,
}

impl core::fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LoginRequest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Logged in; the session is in the cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginResponse {
    /// Who.
    pub user: UserView,
    /// Everything but changing the password is refused until it is changed.
    pub must_change_password: bool,
    /// When the session ends by itself.
    pub expires_at: Time,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    /// Row id.
    pub id: i64,
    /// Login name.
    pub name: String,
    /// Rights.
    pub role: Role,
    /// When the user was made.
    pub created_at: Time,
}

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MeResponse {
    /// Who.
    pub user: UserView,
    /// Everything but changing the password is refused until it is changed.
    pub must_change_password: bool,
    /// How: `session` or `token`.
    pub via: String,
}

/// A change of the caller's own password. It ends all of the user's sessions; the answer carries a new one.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordRequest {
    /// The present password.
    pub current: String,
    /// The new one: 12 characters at least, 256 bytes at most.
    #[schema(min_length = 12, max_length = 256)]
    pub new: String,
}

impl core::fmt::Debug for ChangePasswordRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ChangePasswordRequest")
    }
}

/// A bearer token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// Row id.
    pub id: i64,
    /// Its name for people.
    pub name: String,
    /// When it was made.
    pub created_at: Time,
    /// When it ends; absent: when it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// Asks for a bearer token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTokenRequest {
    /// Its name for people.
    pub name: String,
    /// When it ends; absent: when it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// A new bearer token. Its secret is shown this one time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreateTokenResponse {
    /// The secret, for `Authorization: Bearer …`.
    pub token: String,
    /// Everything else of it.
    #[serde(flatten)]
    pub view: TokenView,
}

impl core::fmt::Debug for CreateTokenResponse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CreateTokenResponse").field("view", &self.view).finish_non_exhaustive()
    }
}
