//! Benchmarks: `cargo xtask bench NAME [--json FILE]`.
//!
//! One more benchmark is a module here and a variant of [`Name`]. Each prints its results for people and, with `--json`,
//! writes one flat JSON object of numbers, whose keys `docs/benchmarks.md` explains, so that runs can be compared over time.

use anyhow::Result;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    name: Name,
}

#[derive(Debug, clap::Subcommand)]
enum Name {}

pub(crate) fn run(options: &Options) -> Result<()> {
    match options.name {}
}
