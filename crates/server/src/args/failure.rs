//! How a command ends when it does not succeed: a text for people, a code for scripts.

use std::process::ExitCode;

/// Exit codes; the table in `docs/cli.md` promises them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did not work.
    Failed = 1,
    /// The command line, or the configuration, is wrong.
    Usage = 2,
    /// There is no such thing.
    NotFound = 3,
    /// It exists already, or its state does not allow it.
    Conflict = 4,
    /// Not logged in, or not allowed.
    Refused = 5,
    /// The server does not answer.
    Unreachable = 6,
    /// `--watch`: it ended, and not every device succeeded.
    Incomplete = 10,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that did not succeed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Its code.
    pub exit: Exit,
    /// What happened, and what to do.
    pub message: String,
}

impl Failure {
    /// A failure.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// A wrong use of the command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// `what` did not work, with the causes of `error`.
    pub(crate) fn because(what: &str, error: &dyn std::error::Error) -> Self {
        let mut message = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self::new(Exit::Failed, message)
    }

    /// Says it on standard error; its code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("argosy: {}", self.message);
        self.exit.into()
    }
}
