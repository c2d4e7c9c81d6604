//! What a port says when it cannot.

/// What kind of failure it is, which decides the answer: a status code, a retry, or a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortErrorKind {
    /// A unique name is taken, or a conditional write met another state. `constraint` says which.
    Conflict,
    /// Something that is referred to does not exist, or is still referred to.
    Reference,
    /// Busy, locked, disconnected, timed out: a retry can help.
    Unavailable,
    /// No space left.
    Full,
    /// Anything else: a defect or damage; a retry cannot help.
    Internal,
}

/// A port's failure: the operation, its kind, and the engine's own error as source.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed{}", constraint.map(|c| format!(" ({c})")).unwrap_or_default())]
pub struct PortError {
    /// The operation that failed, as the port names it.
    pub operation: &'static str,
    /// What kind of failure.
    pub kind: PortErrorKind,
    /// For [`PortErrorKind::Conflict`] and [`PortErrorKind::Reference`]: what it is about (`product.name`, `firmware.file`, …).
    pub constraint: Option<&'static str>,
    /// The engine's error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl PortError {
    /// A failure of `kind` without an engine's error.
    pub const fn new(operation: &'static str, kind: PortErrorKind) -> Self {
        Self { operation, kind, constraint: None, source: None }
    }

    /// A conflict on `constraint`.
    pub const fn conflict(operation: &'static str, constraint: &'static str) -> Self {
        Self { operation, kind: PortErrorKind::Conflict, constraint: Some(constraint), source: None }
    }

    /// A missing or still used reference.
    pub const fn reference(operation: &'static str, constraint: &'static str) -> Self {
        Self { operation, kind: PortErrorKind::Reference, constraint: Some(constraint), source: None }
    }

    /// With the engine's error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether the same call may succeed later.
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, PortErrorKind::Unavailable)
    }
}

/// Result of a port's operation.
pub type PortResult<T> = Result<T, PortError>;
