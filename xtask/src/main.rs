//! The project's own tasks: `cargo xtask TASK`.
//!
//! It exists so that a fresh clone needs no other tool than cargo: what a task needs it installs or names. One more task is
//! a module with a `run` function and a variant of [`Task`]. It depends on nothing of ours, so that it builds in seconds and
//! still works when the rest does not compile.

mod bar;
mod bench;
mod check_layers;
mod demo;
mod generated;
mod image;
mod process;
mod setup;
mod shell;
mod system;
mod test;
mod web;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The project's own tasks")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Sets up what the tests need, then runs every check and test
    Test(test::Options),
    /// Builds the whole system, updates a simulated fleet, and leaves the server open
    Demo(demo::Options),
    /// Fails when a crate uses another that its room does not allow
    CheckLayers,
    /// Writes the generated files again (OpenAPI, configuration reference)
    Openapi(generated::Options),
    /// Measures; the results go to the terminal and, with --json, to a file
    Bench(bench::Options),
    /// Installs what tests and checks need, and says what it did
    Setup,
}

fn main() -> ExitCode {
    let result = match Args::parse().task {
        Task::Test(options) => test::run(&options),
        Task::Demo(options) => demo::run(&options),
        Task::CheckLayers => check_layers::run(),
        Task::Openapi(options) => generated::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Setup => setup::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
