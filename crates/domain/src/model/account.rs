//! People and programs that use the API.

use argosy_proto::{TokenId, UserId};

use super::{UnknownWord, text_enum};
use crate::Timestamp;

text_enum! {
    /// What a user may do. Finer rights come with the roles issue.
    Role {
        /// Everything.
        Admin = "admin",
        /// Everything but users and tokens of others.
        Operator = "operator",
        /// Reads.
        Viewer = "viewer",
    }
}

/// A person. The password is kept as an argon2id hash in PHC form and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Row id.
    pub id: UserId,
    /// Login name, unique.
    pub name: String,
    /// argon2id, PHC string.
    pub password_hash: String,
    /// Rights.
    pub role: Role,
    /// The password must be changed before anything else.
    pub must_change_password: bool,
    /// When the user was made.
    pub created_at: Timestamp,
}

impl core::fmt::Debug for Session {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Session").field("user", &self.user).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ApiToken").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for User {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// A person's cookie session. Only a SHA-256 of the cookie is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the cookie's value, hexadecimal.
    pub token_hash: String,
    /// Whose.
    pub user: UserId,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A program's bearer token. Only a SHA-256 of it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Row id (0 before it is stored).
    pub id: TokenId,
    /// Its name for people.
    pub name: String,
    /// SHA-256 of the token, hexadecimal.
    pub token_hash: String,
    /// On whose behalf.
    pub user: UserId,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when; `None`: until it is deleted.
    pub expires_at: Option<Timestamp>,
}
