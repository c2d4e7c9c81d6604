//! `cargo xtask demo`: from an empty machine to a fleet that was updated, in one command.
//!
//! Builds the release binaries, starts a server on a fresh data folder with its embedded defaults, takes over its
//! administrator, makes a firmware image in ESP-IDF's format, enrols a simulated fleet over the API, lets it connect over
//! mutual TLS, deploys, and shows the bars until every device runs the new image. Then the server stays, to look at.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::bar::Bar;
use crate::system::{Placement, Ports, Programs, System};
use crate::{image, process, workspace};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Simulated devices
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    devices: u32,
    /// Size of the firmware image in bytes
    #[arg(long, default_value_t = 1_572_864)]
    size: usize,
    /// A new folder for the demo's data (default: target/demo, emptied first)
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Port of the API for this machine
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    http_port: u16,
    /// Port of the API and the downloads over TLS
    #[arg(long, default_value_t = 8443, value_name = "PORT")]
    https_port: u16,
    /// Port of the devices (MQTT over mutual TLS)
    #[arg(long, default_value_t = 8883, value_name = "PORT")]
    mqtt_port: u16,
    /// Use an unoptimised build: sooner there, many times slower
    #[arg(long)]
    debug: bool,
    /// Stop everything at the end instead of leaving it open
    #[arg(long)]
    exit: bool,
}

impl Options {
    /// The demo as a test: few devices, an unoptimised build, and nothing that could meet a demo that somebody looks at.
    pub(crate) fn small() -> Result<Self> {
        let data = workspace::target().join("demo-test");
        if data.exists() {
            std::fs::remove_dir_all(&data).with_context(|| format!("could not empty {}", data.display()))?;
        }
        Ok(Self {
            devices: 50,
            size: 300_000,
            data: Some(data),
            http_port: process::free_port()?,
            https_port: process::free_port()?,
            mqtt_port: process::free_port()?,
            debug: true,
            exit: true,
        })
    }
}

const PLACE: Placement<'_> = Placement { product: "demo-board", group: "demo", region: "KR-11" };
const VERSION: &str = "2.0.0";

pub(crate) fn run(options: &Options) -> Result<()> {
    let ports = Ports { http: options.http_port, https: options.https_port, mqtt: options.mqtt_port };
    process::ensure_free(ports.http, "--http-port")?;
    process::ensure_free(ports.https, "--https-port")?;
    process::ensure_free(ports.mqtt, "--mqtt-port")?;
    let size = options.size.next_multiple_of(16).max(image::SMALLEST);
    let folder = fresh_folder(options.data.as_deref())?;

    println!("Building the console, argosy and argosy-sim; the first time this takes some minutes.");
    crate::web::build()?;
    let programs = Programs::build(if options.debug { "dev" } else { "release" })?;
    let mut system = System::start(programs, &folder, ports, options.devices)?;
    println!("server     ready at {} after {:.1} s", system.base(), system.ready_after.as_secs_f64());

    let image = folder.join("demo-board.bin");
    image::write(&image, size, "demo", VERSION)?;
    make_place(&system, size)?;
    let firmware = system.push(&image, PLACE.product, VERSION)?;
    println!("firmware   {VERSION} for {}, {size} bytes, uploaded and checked", image::CHIP);

    let devices = u64::from(options.devices);
    let mut bar = Bar::new("enrolled");
    system.enrol(options.devices, PLACE, |done| bar.show(done, devices, "a key and a certificate each"))?;
    bar.finish();

    let mut fleet = system.start_fleet(options.devices, &[])?;
    let mut bar = Bar::new("connected");
    system.wait_until_online(&mut fleet, |done| bar.show(done, devices, "MQTT over mutual TLS"))?;
    bar.finish();

    let in_flight = json!({ "max_in_flight": options.devices.max(1000), "rate_per_s": 5000 });
    let deployment = system.deploy(firmware, PLACE.group, &in_flight)?;
    let mut bar = Bar::new("updated");
    let end = system.watch(deployment, |now| {
        bar.show(now["progress"]["by_outcome"]["success"].as_u64().unwrap_or(0), devices, &note(now));
    })?;
    let took = bar.finish();
    report(&system, &end, devices, size, took)?;

    if options.exit {
        fleet.stop()?;
        system.stop()?;
        println!("stopped (--exit); data and logs are in {}", folder.display());
        return Ok(());
    }
    println!("\nThe server is open:  {}", system.base());
    println!("Log in as:           {} / {}", system.admin.name, system.admin.password);
    println!(
        "Command line:        ARGOSY_SERVER={} ARGOSY_TOKEN=$(cat {}) {} deployment list",
        system.base(),
        system.admin.token_file.display(),
        system.programs.argosy.display(),
    );
    println!("Data and logs:       {}", folder.display());
    println!("The fleet stays connected. Ctrl-C ends it all.");
    let status = system.server.wait()?;
    bail!("the server ended with {status}; its log ends:\n{}", system.server.log_tail())
}

/// The default folder belongs to the demo and is emptied; one that was asked for must not hold anything yet.
fn fresh_folder(asked_for: Option<&Path>) -> Result<PathBuf> {
    let folder = match asked_for {
        Some(folder) => std::path::absolute(folder)?,
        None => workspace::target().join("demo"),
    };
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        if asked_for.is_some() {
            bail!("{} is not empty: give a new folder with --data", folder.display());
        }
        std::fs::remove_dir_all(&folder).with_context(|| format!("could not empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    Ok(folder)
}

fn make_place(system: &System, size: usize) -> Result<()> {
    let slot = size.next_multiple_of(1024 * 1024).max(4 * 1024 * 1024);
    let product = json!({
        "name": PLACE.product, "chip": image::CHIP, "image_format": "esp-idf", "slot_size": slot,
    });
    system.api.post("/products", &product)?;
    system.api.post("/groups", &json!({ "name": PLACE.group }))?;
    system.api.post("/regions", &json!({ "code": PLACE.region, "name": "Seoul" }))?;
    Ok(())
}

/// What the bar says besides its number.
fn note(deployment: &Value) -> String {
    let progress = &deployment["progress"];
    let count = |outcome: &str| progress["by_outcome"][outcome].as_u64().unwrap_or(0);
    let failed = count("failed") + count("timeout") + count("canceled");
    let speed = progress["speed_bytes_per_s"].as_f64().unwrap_or(0.0) / 1e6;
    format!(
        "{} waiting, {} in progress, {failed} failed, {speed:.0} MB/s",
        count("waiting"),
        count("in_progress")
    )
}

/// Says how it ended; an error unless every device runs the new image.
fn report(system: &System, end: &Value, devices: u64, size: usize, took: Duration) -> Result<()> {
    let succeeded = end["progress"]["by_outcome"]["success"].as_u64().unwrap_or(0);
    let versions = system.counts()?["by_version"].clone();
    let running = versions.as_array().into_iter().flatten().find(|entry| entry["version"] == VERSION);
    let running = running.and_then(|entry| entry["count"].as_u64()).unwrap_or(0);
    if succeeded != devices || running != devices {
        bail!(
            "{succeeded} of {devices} devices were updated, and {running} say that they run {VERSION}; the logs are in {}",
            system.folder.display()
        );
    }
    let seconds = took.as_secs_f64();
    let megabytes = (devices * size as u64) as f64 / 1e6;
    println!(
        "{devices} of {devices} devices run {VERSION}: {megabytes:.0} MB in {seconds:.1} s, every byte over TLS and hashed by its device",
    );
    Ok(())
}
