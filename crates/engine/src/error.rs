//! What a use case says when it does not do what it was asked.

use argosy_domain::model::{PolicyError, TextError, UnknownWord};
use argosy_domain::ports::{IssueError, PortError, PortErrorKind, StageError};

/// Result of a use case.
pub type EngineResult<T> = Result<T, EngineError>;

/// Why a use case was not carried out. Everything but [`EngineError::Port`] has a text that may be shown to the caller.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nothing has that name.
    #[error("{what} {name:?} does not exist")]
    NotFound {
        /// `device`, `product`, …
        what: &'static str,
        /// As it was given.
        name: String,
    },
    /// A field of the request is not acceptable; the message says what to do.
    #[error("{message}")]
    Invalid {
        /// The field as the API has it.
        field: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
    /// The request meets a state that it does not fit.
    #[error("{message}")]
    Conflict {
        /// Stable word for programs (`firmware_exists`, `deployment_finished`, …).
        code: &'static str,
        /// What it met and what to do.
        message: String,
    },
    /// Nobody is known by these credentials.
    #[error("the name or the password is wrong")]
    BadCredentials,
    /// The caller may not do this.
    #[error("{message}")]
    Forbidden {
        /// Stable word for programs.
        code: &'static str,
        /// Why.
        message: String,
    },
    /// Too many tries.
    #[error("too many tries; try again in {retry_after_s} s")]
    TooMany {
        /// Seconds to wait.
        retry_after_s: u32,
    },
    /// The upload broke off.
    #[error("the upload was cut off after {received} bytes; nothing was kept, send it again")]
    CutOff {
        /// Bytes received.
        received: u64,
    },
    /// The upload is too large.
    #[error("the upload is larger than the {limit} bytes allowed")]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// A port failed. Its text is for the log.
    #[error(transparent)]
    Port(PortError),
}

impl EngineError {
    /// Shorthand for [`EngineError::NotFound`].
    pub fn not_found(what: &'static str, name: impl ToString) -> Self {
        Self::NotFound { what, name: name.to_string() }
    }

    /// Shorthand for [`EngineError::Invalid`].
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }

    /// Shorthand for [`EngineError::Conflict`].
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict { code, message: message.into() }
    }
}

impl From<PortError> for EngineError {
    fn from(error: PortError) -> Self {
        let (code, message) = match (error.kind, error.constraint) {
            (PortErrorKind::Conflict, Some("product.name")) => {
                ("product_exists", "a product of this name exists")
            }
            (PortErrorKind::Conflict, Some("group.name")) => ("group_exists", "a group of this name exists"),
            (PortErrorKind::Conflict, Some("region.code")) => {
                ("region_exists", "a region of this code exists")
            }
            (PortErrorKind::Conflict, Some("device.key")) => ("device_exists", "a device of this key exists"),
            (PortErrorKind::Conflict, Some("user.name")) => ("user_exists", "a user of this name exists"),
            (PortErrorKind::Conflict, Some("firmware.file")) => (
                "firmware_exists",
                "this product has a firmware of this version and file name; raise the version",
            ),
            (PortErrorKind::Conflict, Some("content.title")) => {
                ("content_exists", "a content of this title exists; give another title")
            }
            (PortErrorKind::Conflict, Some("content.binary")) => (
                "content_same_binary",
                "this product has a content that is exactly the same picture; deploy that one",
            ),
            (PortErrorKind::Reference, Some("content.in_use")) => {
                ("content_in_use", "deployments refer to this content; withdraw it instead")
            }
            (PortErrorKind::Reference, Some("product.in_use")) => (
                "product_in_use",
                "devices, firmware or contents refer to this product; move or delete them first",
            ),
            (PortErrorKind::Reference, Some("group.in_use")) => {
                ("group_in_use", "devices are in this group; move them first")
            }
            (PortErrorKind::Reference, Some("region.in_use")) => {
                ("region_in_use", "devices are in this region; move them first")
            }
            (PortErrorKind::Reference, Some("firmware.in_use")) => {
                ("firmware_in_use", "deployments refer to this firmware; withdraw it instead")
            }
            _ => return Self::Port(error),
        };
        Self::conflict(code, message)
    }
}

impl From<TextError> for EngineError {
    fn from(error: TextError) -> Self {
        let field = match error {
            TextError::Empty { field } | TextError::TooLong { field, .. } | TextError::Control { field } => {
                field
            }
        };
        Self::invalid(field, error.to_string())
    }
}

impl From<PolicyError> for EngineError {
    fn from(error: PolicyError) -> Self {
        Self::invalid(error.field, error.to_string())
    }
}

impl From<UnknownWord> for EngineError {
    fn from(error: UnknownWord) -> Self {
        Self::invalid("", error.to_string())
    }
}

impl From<IssueError> for EngineError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::BadRequest(why) => Self::invalid("csr", why),
            IssueError::Failed(error) => error.into(),
        }
    }
}

impl From<StageError> for EngineError {
    fn from(error: StageError) -> Self {
        match error {
            StageError::TooLarge { limit } => Self::TooLarge { limit },
            StageError::CutOff { received } => Self::CutOff { received },
            StageError::Failed(error) => error.into(),
        }
    }
}
