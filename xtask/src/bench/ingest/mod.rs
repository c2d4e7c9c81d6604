//! `cargo xtask bench ingest`: how many messages a second are acknowledged because they are durable.
//!
//! A thousand devices, each with its own certificate over mutual TLS, publish a full `status/system` with QoS 1 as fast as they are
//! acknowledged. Every acknowledgement of Argosy means that the message stands on disk, decoded, in the series store. In the same run
//! the same program loads a plain mosquitto, which keeps nothing and passes each message on to one subscriber; the ratio of the two
//! says what durability and decoding cost, whatever the machine. Load, servers and subscriber share the machine.
//!
//! `mosquitto` runs the other broker, `report` makes figures and text.

mod mosquitto;
mod report;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::Figures;
use super::counters::Counters;
use super::machine::{self, Machine};
use crate::bar::Bar;
use crate::process::{self, Process};
use crate::system::{Placement, Ports, Programs, System};
use crate::{image, workspace};
use mosquitto::Mosquitto;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Devices
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    devices: u32,
    /// Publishes of a device on their way, at most
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=64))]
    window: u32,
    /// Seconds that are counted
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Threads of the load
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    load_threads: u32,
    /// Leave mosquitto out
    #[arg(long)]
    no_mosquitto: bool,
    /// Use the programs in this folder instead of building them: to compare two versions
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

const PLACE: Placement<'_> = Placement { product: "bench-board", group: "bench", region: "KR-11" };

/// Before anything is counted: connections are made, caches and buffers have their size.
const WARMUP_S: u32 = 3;

/// How long connecting may take.
const CONNECTED_WITHIN: Duration = Duration::from_secs(300);

/// What one broker did under the load.
#[derive(Debug)]
pub(super) struct Run {
    /// The load's own report.
    load: Value,
    /// Processor time of the broker while it was counted.
    cpu_s: f64,
}

/// What only Argosy tells.
#[derive(Debug)]
pub(super) struct Durable {
    /// Groups of facts, each with one sync, while it was counted.
    groups: f64,
    /// Rows in the series store at the end.
    rows: f64,
    /// Bytes of the series store's folder after a clean stop.
    bytes: u64,
    /// The most memory that was resident, in KiB.
    peak_kib: u64,
}

/// The figures, and whether everything was as it has to be.
pub(crate) fn run(options: &Options) -> Result<(Figures, Result<()>)> {
    machine::ensure_files(options.devices, 0)?;
    let machine = Machine::this();
    let programs = match &options.programs {
        Some(folder) => Programs::in_folder(&std::path::absolute(folder)?),
        None => {
            println!("Building argosy, argosy-sim and argosy-load; the first time this takes some minutes.");
            Programs::build_with("release", &["argosy-load"])?
        }
    };
    let folder = workspace::target().join("bench").join("ingest");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("could not empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    let load_before = machine::load();

    let ports =
        Ports { http: process::free_port()?, https: process::free_port()?, mqtt: process::free_port()? };
    // What is measured is the server, not the limit of one device.
    let settings = [("MQTT__LIMITS__RATE_PER_SECOND", "100000"), ("MQTT__LIMITS__RATE_BURST", "1000000")];
    let system = System::start_with(programs.clone(), &folder, ports, options.devices, &settings)?;
    place(&system)?;
    let mut bar = Bar::new("enrolled");
    // One more, which the other broker needs as its subscriber.
    let devices = u64::from(options.devices) + 1;
    system.enrol(options.devices + 1, PLACE, |done| bar.show(done, devices, ""))?;
    bar.finish();

    println!("Argosy, {} s:", options.seconds);
    let load = Load { programs: &programs, folder: &folder, options };
    let (mut groups, mut peak_kib) = (0.0, 0);
    let pid = system.server.id();
    let argosy = load.run(ports.mqtt, None, "argosy", pid, |what| {
        let now = Counters::parse(&system.api.metrics()?).sum("argosy_engine_fact_groups_total", |_| true);
        groups = if what == Moment::Begin { -now } else { groups + now };
        peak_kib = machine::memory(pid)?.peak;
        Ok(())
    })?;
    let counted = Counters::parse(&system.api.metrics()?);
    let (rows, lost) = (
        counted.sum("argosy_engine_facts_total", |_| true),
        counted.sum("argosy_engine_facts_dropped_total", |_| true),
    );
    let (data, pki) = (folder.join("data").join("series"), folder.join("data").join("pki"));
    system.stop()?;
    let durable = Durable { groups, rows, bytes: bytes_of(&data)?, peak_kib };

    let other = if options.no_mosquitto {
        None
    } else {
        println!("mosquitto, {} s:", options.seconds);
        let broker = Mosquitto::start(&folder, &pki)?;
        let subscriber = format!("sim-{}", options.devices + 1);
        Some(load.run(broker.port, Some(&subscriber), "mosquitto", broker.process.id(), |_| Ok(()))?)
    };

    let mut figures = report::figures(options, &argosy, &durable, other.as_ref());
    figures.insert("cores".into(), machine.cores.into());
    figures.insert("load_before".into(), load_before.into());
    print!("\n{}", report::text(&figures, &machine));
    let acked = argosy.load["acked_total"].as_f64().unwrap_or(0.0);
    // Every acknowledged message is a row; there may be rows whose acknowledgement was still on its way.
    let verdict = if rows + lost < acked {
        Err(anyhow::anyhow!("{acked} messages were acknowledged, and only {rows} rows were stored"))
    } else {
        Ok(())
    };
    Ok((figures, verdict))
}

/// A product, a group and a region for the devices.
fn place(system: &System) -> Result<()> {
    let product = json!({
        "name": PLACE.product, "chip": image::CHIP, "image_format": "esp-idf", "slot_size": 1024 * 1024,
    });
    system.api.post("/products", &product)?;
    system.api.post("/groups", &json!({ "name": PLACE.group }))?;
    system.api.post("/regions", &json!({ "code": PLACE.region, "name": "Seoul" }))?;
    Ok(())
}

/// Bytes of all files below a folder.
fn bytes_of(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { bytes_of(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

/// When something is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Begin,
    End,
}

/// The load, the same for both brokers.
struct Load<'a> {
    programs: &'a Programs,
    folder: &'a Path,
    options: &'a Options,
}

impl Load<'_> {
    fn run(
        &self,
        port: u16,
        subscriber: Option<&str>,
        name: &str,
        broker: u32,
        mut look: impl FnMut(Moment) -> Result<()>,
    ) -> Result<Run> {
        let options = self.options;
        let program = self.programs.argosy.with_file_name("argosy-load");
        let report = self.folder.join(format!("{name}.json"));
        let log = self.folder.join(format!("{name}-load.log"));
        let mut command: Command = process::bound_to_us(&program, "TERM", None);
        command.args(["--broker", &format!("127.0.0.1:{port}"), "--prefix", "sim-"]);
        command.args(["--count", &options.devices.to_string(), "--window", &options.window.to_string()]);
        command.args(["--threads", &options.load_threads.to_string()]);
        command.args(["--warmup", &WARMUP_S.to_string(), "--seconds", &options.seconds.to_string()]);
        command.arg("--identities").arg(self.folder.join("identities")).arg("--json").arg(&report);
        if let Some(subscriber) = subscriber {
            command.args(["--subscriber", subscriber]);
        }
        let mut load = Process::spawn(command, &log)?;
        let mut said = |word: &str, within: Duration| {
            load.wait_until(within, || {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                if text.lines().any(|line| line == word) { Ok(()) } else { bail!("it has not said {word:?}") }
            })
        };
        said("counting", CONNECTED_WITHIN).context("the load does not begin")?;
        let cpu = machine::cpu_s(broker)?;
        look(Moment::Begin)?;
        said("counted", Duration::from_secs(u64::from(options.seconds) + 60))
            .context("the load does not end")?;
        let cpu_s = machine::cpu_s(broker)? - cpu;
        look(Moment::End)?;
        let status = load.wait()?;
        if !status.success() {
            bail!("the load ended with {status}:\n{}", load.log_tail());
        }
        let text = std::fs::read_to_string(&report)
            .with_context(|| format!("the load left no report in {}", report.display()))?;
        Ok(Run { load: serde_json::from_str(&text)?, cpu_s })
    }
}
