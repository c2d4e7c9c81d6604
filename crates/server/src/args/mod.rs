//! The command line: which commands there are. Each command's own arguments stand with it.

mod config;
mod failure;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use self::config::{ConfigArgs, ConfigCommand};
pub(crate) use self::failure::{Exit, Failure};
use crate::{cli, lifecycle};

/// Keeps fleets of devices up to date over the air.
#[derive(Debug, Parser)]
#[command(name = "argosy", version, max_term_width = 110, disable_help_subcommand = false)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(ConfigArgs),
    /// Bring the database to this version's schema, and stop
    Migrate(lifecycle::MigrateArgs),
    /// Make the data of a server out of a backup; started, it is held until `argosy resume`
    Restore(crate::backup::RestoreArgs),
    /// Give a user who lost the password another one-time password; the server must be stopped
    ResetPassword(lifecycle::ResetPasswordArgs),
    /// Check this machine and the configuration: what would stand in the way of a start
    Doctor(ConfigArgs),
    /// Check, show or describe the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the OpenAPI description of the HTTP API
    Openapi,
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    #[command(flatten)]
    Operator(cli::Command),
}

impl Args {
    /// Reads the command line, or ends the process with what is wrong with it.
    pub(crate) fn read() -> Self {
        Self::try_read(std::env::args_os().collect()).unwrap_or_else(|error| error.exit())
    }

    fn try_read(given: Vec<OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let read = command.try_get_matches_from_mut(given.clone()).and_then(|mut matches| {
            Self::from_arg_matches_mut(&mut matches).map_err(|e| e.format(&mut command))
        });
        read.map_err(|mut error| {
            // Clap's own line shows the options that were given, also by the environment, as if they had to be.
            if error.get(ContextKind::Usage).is_some() {
                error.insert(ContextKind::Usage, ContextValue::StyledStr(usage_of(&mut command, &given)));
            }
            error
        })
    }

    /// Carries the command out.
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Serve(args) => lifecycle::serve(&args),
            Command::Migrate(args) => lifecycle::migrate(&args),
            Command::Restore(args) => crate::backup::restore(&args),
            Command::ResetPassword(args) => lifecycle::reset_password(&args),
            Command::Doctor(args) => lifecycle::doctor(&args),
            Command::Config(command) => command.run(),
            Command::Openapi => print_whole(&lifecycle::openapi()),
            Command::Completions { shell } => {
                let mut out = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "argosy", &mut out);
                print_whole(&String::from_utf8_lossy(&out))
            }
            Command::Operator(command) => command.run(),
        }
    }
}

/// The usage line of the command that was meant.
fn usage_of(command: &mut clap::Command, given: &[OsString]) -> clap::builder::StyledStr {
    let mut path = Vec::new();
    let mut at: &clap::Command = command;
    for word in given.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(inner) = at.find_subcommand(word) {
            path.push(word);
            at = inner;
        }
    }
    let mut at = command;
    for word in path {
        at = at.find_subcommand_mut(word).expect("it was found above");
    }
    at.render_usage()
}

/// Prints a whole text; a reader that closed the pipe (`| head`) is no failure.
pub(crate) fn print_whole(text: &str) -> Result<ExitCode, Failure> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Failed, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_usage_line_shows_no_option_as_if_it_had_to_be_given() {
        let error = |line: &str| {
            let words = line.split(' ').map(OsString::from).collect();
            Args::try_read(words).expect_err("something is missing").to_string()
        };
        let text = error("argosy group create --server http://ota.test");
        assert!(text.contains("Usage: argosy group create [OPTIONS] <NAME>"), "{text}");
        let text = error("argosy deploy --json id:1");
        assert!(text.contains("Usage: argosy deploy [OPTIONS] <--all|"), "{text}");
        assert!(!text.contains("deploy --json"), "{text}");
    }

    #[test]
    fn every_command_and_argument_says_what_it_is_for() {
        fn look(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} says nothing");
            for argument in
                command.get_arguments().filter(|a| !matches!(a.get_id().as_str(), "help" | "version"))
            {
                assert!(argument.get_help().is_some(), "{path}: {} says nothing", argument.get_id());
            }
            for inner in command.get_subcommands() {
                look(inner, &path);
            }
        }
        look(&Args::command(), "");
    }

    #[test]
    fn every_command_stands_in_the_documentation() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
        let text = std::fs::read_to_string(file).unwrap();
        for command in Args::command().get_subcommands() {
            let name = command.get_name();
            let lines: Vec<&str> =
                text.lines().filter(|line| line.contains(&format!("`argosy {name}"))).collect();
            assert!(!lines.is_empty(), "docs/cli.md says nothing of `argosy {name}`");
            for inner in command.get_subcommands() {
                let inner = inner.get_name();
                let named = [format!("`argosy {name} {inner}`"), format!(", `{inner}`")];
                let found = lines.iter().any(|line| named.iter().any(|named| line.contains(named)));
                assert!(found, "docs/cli.md says nothing of `argosy {name} {inner}`");
            }
        }
        for exit in [
            Exit::Failed,
            Exit::Usage,
            Exit::NotFound,
            Exit::Conflict,
            Exit::Refused,
            Exit::Unreachable,
            Exit::Incomplete,
        ] {
            assert!(
                text.contains(&format!("| {} |", exit as u8)),
                "docs/cli.md says nothing of exit code {}",
                exit as u8
            );
        }
    }
}
