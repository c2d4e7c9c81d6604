//! `cargo xtask bench rollout`: how fast a whole fleet is updated, and how much of this machine that takes.
//!
//! The experiment is the one of the system that the project grew out of: a thousand devices get 1.5 MB each, over mutual TLS, with
//! a connection and a full handshake of their own, and hash every byte. Server and fleet share the machine. The speed is set
//! against the raw TLS ceiling of the same machine, measured right before and after by `argosy-ceiling`.
//!
//! `experiment` runs one rollout and measures, `report` makes figures and text of it, `ceiling` measures the ceiling.

mod ceiling;
mod experiment;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Figures;
use super::machine::{self, Machine};
use crate::system::Programs;
use crate::{image, workspace};
use ceiling::Ceiling;
use experiment::Experiment;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Simulated devices
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    devices: u32,
    /// Size of the firmware image in bytes
    #[arg(long, default_value_t = 1_572_864, value_parser = clap::value_parser!(u32).range(1024..=0x7fff_fff0))]
    size: u32,
    /// Devices that are being updated at a time, at most
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    in_flight: u32,
    /// Leave out the second run, at the old simulator's own pace (10 kB, then a second's pause)
    #[arg(long)]
    no_old_pace: bool,
    /// Use the programs in this folder instead of building them: to compare two versions
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

/// The old simulator's pace.
const OLD_CHUNK: u32 = 10_000;
const OLD_PAUSE_MS: u32 = 1000;

/// How long a rollout may take beside what its pauses take.
const LIMIT: Duration = Duration::from_secs(900);

/// The figures, and whether everything was as it has to be.
pub(crate) fn run(options: &Options) -> Result<(Figures, Result<()>)> {
    let size = usize::try_from(options.size)?.next_multiple_of(16).max(image::SMALLEST);
    let in_flight = options.in_flight.min(options.devices);
    machine::ensure_files(options.devices, in_flight)?;
    let machine = Machine::this();
    let programs = match &options.programs {
        Some(folder) => Programs::in_folder(&std::path::absolute(folder)?),
        None => {
            println!(
                "Building argosy, argosy-sim and argosy-ceiling; the first time this takes some minutes."
            );
            Programs::build_with("release", &["argosy-ceiling"])?
        }
    };
    let folder = workspace::target().join("bench").join("rollout");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("could not empty {}", folder.display()))?;
    }
    let load = machine::load();

    let before = Ceiling::measure(&programs)?;
    let fast = Experiment {
        name: "fast",
        devices: options.devices,
        size,
        in_flight,
        simulator: Vec::new(),
        limit: LIMIT,
    };
    let fast = fast.run(&programs, &folder)?;
    let ceiling = before.best(Ceiling::measure(&programs)?);

    let mut figures = report::figures(&fast, ceiling);
    figures.insert("cores".into(), machine.cores.into());
    figures.insert("load_before".into(), load.into());
    print!("\n{}", report::text(&fast, ceiling, &machine, load));
    let mut verdicts = vec![report::verdict(&fast)];

    if !options.no_old_pace {
        let pauses = u64::try_from(size)?.div_ceil(OLD_CHUNK.into()).saturating_sub(1)
            * u64::from(OLD_PAUSE_MS)
            / 1000;
        let rounds = u64::from(options.devices.div_ceil(in_flight));
        println!("\nThe second run keeps the old simulator's pace: its pauses alone take {pauses} s.");
        let old = Experiment {
            name: "old-pace",
            devices: options.devices,
            size,
            in_flight,
            simulator: [
                "--no-pipeline",
                "--chunk",
                &OLD_CHUNK.to_string(),
                "--pause-ms",
                &OLD_PAUSE_MS.to_string(),
            ]
            .map(str::to_owned)
            .to_vec(),
            limit: LIMIT + Duration::from_secs(pauses * rounds),
        };
        let old = old.run(&programs, &folder)?;
        figures.extend(report::old_figures(&old));
        print!("\n{}", report::old_text(&old, pauses));
        verdicts.push(report::verdict(&old));
    }
    let wrong: Vec<String> = verdicts.into_iter().flatten().collect();
    let verdict = if wrong.is_empty() {
        Ok(())
    } else {
        Err(anyhow::anyhow!("{}; the logs are in {}", wrong.join("; "), folder.display()))
    };
    Ok((figures, verdict))
}
