//! Errors: RFC 9457 problem details (`application/problem+json`).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong, for a person (`title`, `detail`) and for a program (`code`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI that names the kind of problem: `urn:argosy:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in a few words; the same for every occurrence.
    pub title: String,
    /// HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened this time, and what to do about it.
    pub detail: String,
    /// A stable word for programs; the table is in `docs/status-codes.md`.
    pub code: String,
    /// The field of the request that is meant, if one is (`devices.3.key`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $code:literal, $title:literal;)*) => {
        /// A kind of problem: its code, status and title are fixed together.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemCode { $($(#[$doc])* $name),* }

        impl ProblemCode {
            /// Every kind, in the order of the table in `docs/status-codes.md`.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable word.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $code),* } }

            /// The HTTP status.
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status),* } }

            /// The title.
            pub const fn title(self) -> &'static str { match self { $(Self::$name => $title),* } }
        }
    };
}

codes! {
    /// The request is not understood: bad JSON, a bad parameter, an unknown field.
    BadRequest = 400, "bad_request", "The request is not understood";
    /// The body broke off, or took too long.
    CutOff = 400, "cut_off", "The body was cut off";
    /// No credentials, or ones that are not (or no longer) good.
    Unauthorized = 401, "unauthorized", "Authentication is needed";
    /// Wrong name or password.
    WrongPassword = 401, "wrong_password", "The name or the password is wrong";
    /// The caller's role does not allow it.
    Forbidden = 403, "forbidden", "Not allowed";
    /// The one-time password must be changed first.
    PasswordChangeRequired = 403, "password_change_required", "The password must be changed first";
    /// A changing request with a cookie came from another site.
    CrossSite = 403, "cross_site", "The request comes from another site";
    /// A download URL whose time is over.
    UrlExpired = 403, "url_expired", "The download URL has expired";
    /// A download URL that was changed.
    UrlTampered = 403, "url_tampered", "The download URL was changed";
    /// A download URL that was signed for something else.
    UrlForeign = 403, "url_foreign", "The download URL was signed for something else";
    /// Nothing there.
    NotFound = 404, "not_found", "Not found";
    /// The path exists, the method does not.
    MethodNotAllowed = 405, "method_not_allowed", "The method is not allowed here";
    /// The thing is in a state that does not allow it, or was changed meanwhile.
    Conflict = 409, "conflict", "Its state does not allow it";
    /// The same idempotency key is being worked on.
    InProgress = 409, "in_progress", "The same request is being worked on";
    /// The body is larger than allowed.
    TooLarge = 413, "too_large", "The body is too large";
    /// The body is not JSON by its `Content-Type`.
    UnsupportedMediaType = 415, "unsupported_media_type", "The media type is not supported";
    /// A range outside the file.
    RangeNotSatisfiable = 416, "range_not_satisfiable", "The range is outside the file";
    /// Understood, but a value is not acceptable.
    Invalid = 422, "invalid", "A value is not acceptable";
    /// Something that the request refers to does not exist.
    UnknownReference = 422, "unknown_reference", "Something it refers to does not exist";
    /// The idempotency key was used for another request.
    IdempotencyMismatch = 422, "idempotency_mismatch", "The idempotency key was used for another request";
    /// Too many attempts, or too many at once; `Retry-After` says when.
    TooManyRequests = 429, "too_many_requests", "Too many requests";
    /// A defect of ours; the log has it.
    Internal = 500, "internal", "An error of the server";
    /// It cannot be done now; a retry can help.
    Unavailable = 503, "unavailable", "Not available now";
    /// No space left for it.
    StorageFull = 507, "storage_full", "The storage is full";
}

impl Problem {
    /// A problem of `code` with its `detail`.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:argosy:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code: code.as_str().to_owned(),
            field: None,
        }
    }

    /// The same under a more exact word (`firmware_exists` instead of `conflict`).
    #[must_use]
    pub fn coded(mut self, code: &str) -> Self {
        self.kind = format!("urn:argosy:problem:{code}");
        self.code = code.to_owned();
        self
    }

    /// The same, about `field` of the request.
    #[must_use]
    pub fn about(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)?;
        if let Some(field) = &self.field {
            write!(f, " (field {field})")?;
        }
        Ok(())
    }
}

impl core::error::Error for Problem {}
