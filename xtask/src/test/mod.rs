//! `cargo xtask test`: every check and test, in the order in which they fail cheapest.
//!
//! All steps run even after one failed, so that one run tells everything; the last lines say how each ended and how long it
//! took. One more step is a variant of [`Step`] and its arm in [`Step::run`].

pub(crate) mod servers;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::{check_layers, demo, generated, setup, shell, web, workspace};

/// Seconds that each fuzz target runs: enough to find what a change broke, not to search.
const FUZZ_SECONDS: &str = "10";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Leave out what is slow: fuzzing, and the tests that need PostgreSQL, MariaDB or foreign clients
    #[arg(long)]
    quick: bool,
    /// Only these steps, in this order (default: all)
    #[arg(value_name = "STEP")]
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Installs what is missing
    Setup,
    /// Formatting
    Fmt,
    /// Who may use whom
    Layers,
    /// The console: its types, lints, unit tests, and the build that the program embeds
    Console,
    /// Lints, warnings as errors
    Clippy,
    /// Licences, bans and sources of dependencies; advisories where their database can be reached
    Deny,
    /// Unit, integration and documentation tests, with real PostgreSQL and MariaDB
    Tests,
    /// Generated files are what the program prints
    Generated,
    /// The demo, small
    Demo,
    /// A short run of every fuzz target
    Fuzz,
}

/// How a step that did not fail ended, with what the reader of the summary should know.
enum Outcome {
    Passed(String),
    Skipped(String),
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let all = Step::value_variants();
    let chosen = if options.steps.is_empty() { all } else { &options.steps };
    let mut lines = Vec::new();
    let mut failed = 0;
    for step in chosen {
        println!("\n== {} ==", step.name());
        let start = Instant::now();
        let (word, note) = match step.run(options.quick) {
            Ok(Outcome::Passed(note)) => ("passed", note),
            Ok(Outcome::Skipped(note)) => ("skipped", note),
            Err(error) => {
                failed += 1;
                eprintln!("error: {error:#}");
                ("FAILED", format!("{error:#}").lines().next().unwrap_or_default().to_owned())
            }
        };
        lines.push(format!("{:<10} {word:<8} {:>8}  {note}", step.name(), seconds(start.elapsed())));
    }
    println!("\n== summary ==\n{}", lines.join("\n"));
    if failed > 0 {
        bail!("{failed} of {} steps failed", chosen.len());
    }
    Ok(())
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn run(self, quick: bool) -> Result<Outcome> {
        match self {
            Self::Setup if quick => return Ok(Outcome::Skipped("--quick needs cargo only".to_owned())),
            Self::Setup => {
                setup::debian_packages()?;
                setup::python_tests()?;
            }
            Self::Fmt => shell::run(shell::cargo().args(["fmt", "--all", "--check"]))?,
            Self::Layers => check_layers::run()?,
            Self::Console if quick => return Ok(Outcome::Skipped("--quick needs cargo only".to_owned())),
            Self::Console => web::check()?,
            Self::Clippy => shell::run(shell::cargo().args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]))?,
            Self::Deny => return deny(),
            Self::Tests => return tests(quick),
            Self::Generated => generated::run(&generated::Options { check: true })?,
            Self::Demo if quick => return Ok(Outcome::Skipped("--quick".to_owned())),
            Self::Demo => demo::run(&demo::Options::small()?)?,
            Self::Fuzz => return fuzz(quick),
        }
        Ok(Outcome::Passed(String::new()))
    }
}

/// The advisories' database comes from the network: where it cannot be fetched, that is said and is no failure, but a
/// database that was fetched and names one of our dependencies is.
fn deny() -> Result<Outcome> {
    let tool = setup::cargo_deny()?;
    let deny = |arguments: &[&str]| {
        let mut command = shell::command(&tool);
        command.arg("--workspace").args(arguments);
        command
    };
    // Duplicate versions are warnings, and pages of them; `cargo deny check bans` shows them to who looks for them.
    shell::run(&mut deny(&["--log-level", "error", "check", "bans", "licenses", "sources"]))?;
    // A network that drops packets in silence would otherwise hold git for minutes.
    let mut fetch = shell::command("timeout");
    fetch.arg("60").arg(&tool).args(["fetch", "db"]);
    if let Err(error) = shell::output(&mut fetch) {
        println!("{error:#}");
        let note = "bans, licenses, sources; advisories NOT checked: their database cannot be reached here";
        return Ok(Outcome::Passed(note.to_owned()));
    }
    shell::run(&mut deny(&["check", "--disable-fetch", "advisories"]))?;
    Ok(Outcome::Passed("bans, licenses, sources, advisories".to_owned()))
}

/// What a test finds in its environment is documented in CONTRIBUTING.md.
fn tests(quick: bool) -> Result<Outcome> {
    let mut command = shell::cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    if quick {
        shell::run(&mut command)?;
        return Ok(Outcome::Passed("without PostgreSQL, MariaDB and foreign clients (--quick)".to_owned()));
    }
    let python = setup::python_tests()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = workspace::venv().join("bin");
    let path = std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&path)))?;
    let servers = servers::Servers::start()?;
    shell::run(
        command
            .env("PATH", path)
            .env("ARGOSY_TEST_PYTHON", python)
            .env("ARGOSY_TEST_POSTGRES_URL", servers.postgres_url())
            .env("ARGOSY_TEST_MYSQL_URL", servers.mysql_url()),
    )?;
    Ok(Outcome::Passed(format!("with {}", servers.versions())))
}

fn fuzz(quick: bool) -> Result<Outcome> {
    let script = workspace::root().join("fuzz").join("run.sh");
    if quick {
        return Ok(Outcome::Skipped("--quick".to_owned()));
    }
    shell::run(shell::command("sh").arg(script).arg(FUZZ_SECONDS))?;
    Ok(Outcome::Passed(format!("{FUZZ_SECONDS} s a target")))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
