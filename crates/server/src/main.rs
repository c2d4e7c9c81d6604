//! `argosy`: the server, and the operator's commands against a running one.
//!
//! Only here are the parts put together: `config` reads what the operator decided, `compose` builds every part from it,
//! `lifecycle` starts and ends them, `cli` talks to a running server. To add a command: a file with its arguments and its `run`,
//! and a line in [`args::Command`].

mod args;
mod backup;
mod cli;
mod config;
mod lifecycle;
mod system;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::Args::read();
    match args.run() {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
