//! Publishes as fast as a broker acknowledges: what `cargo xtask bench ingest` measures with, and what the crash test of ingest is under.
//! Prints what came of it as one JSON object.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use argosy_proto::DeviceKey;
use argosy_sim::load::{LoadConfig, Said, run};
use clap::Parser;

/// Loads a broker with the messages of many devices.
#[derive(Debug, Parser)]
struct Args {
    /// The broker, host:port; always over mutual TLS.
    #[arg(long)]
    broker: String,
    /// The folder of identities that argosy-sim enrolled.
    #[arg(long)]
    identities: PathBuf,
    /// Devices.
    #[arg(long, default_value_t = 1000)]
    count: usize,
    /// What their keys begin with; numbers from 1 follow.
    #[arg(long, default_value = "sim-")]
    prefix: String,
    /// Publishes of a device on their way, at most.
    #[arg(long, default_value_t = 8)]
    window: u16,
    /// Messages of a device a second, at most.
    #[arg(long)]
    rate: Option<f64>,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Seconds before anything is counted.
    #[arg(long, default_value_t = 3.0)]
    warmup: f64,
    /// Seconds that are counted.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Publish numbered rows of a stream, and report which numbers were acknowledged.
    #[arg(long)]
    numbers: bool,
    /// Connect again what breaks.
    #[arg(long)]
    persistent: bool,
    /// Also connect the device with this key as a subscriber of everything.
    #[arg(long, value_name = "KEY")]
    subscriber: Option<DeviceKey>,
    /// Write the result to this file instead.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let keys: Result<Vec<DeviceKey>, _> =
        (1..=args.count).map(|n| DeviceKey::new(format!("{}{n}", args.prefix))).collect();
    let report = run(LoadConfig {
        broker: args.broker,
        identities: args.identities,
        keys: keys.context("a device key cannot be made of this prefix")?,
        said: if args.numbers { Said::Numbers } else { Said::Status },
        window: args.window,
        rate: args.rate,
        threads: args.threads,
        warmup: Duration::from_secs_f64(args.warmup),
        duration: Duration::from_secs_f64(args.seconds),
        persistent: args.persistent,
        announce: true,
        stop: None,
        subscriber: args.subscriber,
    })?;
    let json = serde_json::to_string(&report)?;
    match args.json {
        Some(file) => std::fs::write(&file, json).with_context(|| format!("cannot write {}", file.display())),
        None => {
            println!("{json}");
            Ok(())
        }
    }
}
