//! Benchmarks: `cargo xtask bench NAME [--json FILE]`.
//!
//! One more benchmark is a module here and a variant of [`Name`]. Each prints its results for people and, with `--json`,
//! writes one flat JSON object of numbers, whose keys `docs/benchmarks.md` explains, so that runs can be compared over time.

mod counters;
mod ingest;
mod machine;
mod registry;
mod revoke;
mod rollout;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    name: Name,
    /// Write the figures to this file too, as one flat JSON object
    #[arg(long, value_name = "FILE", global = true)]
    json: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Name {
    /// Updates a simulated fleet over mutual TLS, and sets it against what this machine's TLS could do at most
    Rollout(rollout::Options),
    /// Takes in messages of many devices durably, and sets it against a plain mosquitto under the same load
    Ingest(ingest::Options),
    /// Asks a registry of a million devices the operator's questions under load, on every engine
    Registry(registry::Options),
    /// Mints identities, and measures how long after the call a revoked certificate's connection is cut
    Revoke(revoke::Options),
}

/// The figures of a benchmark, by their keys.
type Figures = Map<String, Value>;

pub(crate) fn run(options: &Options) -> Result<()> {
    let (figures, verdict) = match &options.name {
        Name::Rollout(options) => rollout::run(options)?,
        Name::Ingest(options) => ingest::run(options)?,
        Name::Registry(options) => registry::run(options)?,
        Name::Revoke(options) => revoke::run(options)?,
    };
    // What went wrong is worth comparing as well: the figures are written before the verdict is given.
    if let Some(file) = &options.json {
        let json = serde_json::to_string_pretty(&figures)? + "\n";
        std::fs::write(file, json).with_context(|| format!("could not write {}", file.display()))?;
        println!("written to {}", file.display());
    }
    verdict
}
