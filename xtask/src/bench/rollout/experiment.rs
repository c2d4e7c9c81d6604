//! One rollout to one fleet, from a fresh server to the last device, and everything that is measured of it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::bar::Bar;
use crate::bench::counters::{Counters, millis};
use crate::bench::machine::{self, Memory};
use crate::system::{Fleet, Placement, Ports, Programs, System};
use crate::{image, process};

const PLACE: Placement<'_> = Placement { product: "bench-board", group: "bench", region: "KR-11" };
const VERSION: &str = "2.0.0";

/// Dispatching as fast as the server can: what is measured is not a chosen pace.
const RATE_PER_S: u32 = 100_000;

/// Between two questions how far it is. Each costs the machine a process.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// What the server still does for a device once its update has ended (the acknowledgement of its last message) is done by then.
const SETTLE: Duration = Duration::from_millis(500);

/// A rollout to be.
#[derive(Debug)]
pub(super) struct Experiment {
    /// Of its folder.
    pub(super) name: &'static str,
    pub(super) devices: u32,
    /// Bytes of the image.
    pub(super) size: usize,
    pub(super) in_flight: u32,
    /// Arguments of the simulator.
    pub(super) simulator: Vec<String>,
    /// How long the rollout may take.
    pub(super) limit: Duration,
}

/// What one side counted, and what the other did.
#[derive(Debug)]
pub(super) struct Count {
    pub(super) what: &'static str,
    pub(super) devices: u64,
    pub(super) server: u64,
}

/// What was measured. Times in milliseconds of the machine's one clock.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) devices: u64,
    pub(super) size: u64,
    pub(super) enrol_s: f64,
    pub(super) connect_s: f64,
    pub(super) created_ms: i64,
    pub(super) last_dispatched_ms: i64,
    pub(super) last_finished_ms: i64,
    pub(super) succeeded: u64,
    /// Device updates that took more than one attempt.
    pub(super) repeated: u64,
    /// The simulator's report.
    pub(super) fleet: Value,
    pub(super) counts: Vec<Count>,
    /// Processor time of the server from the deployment's creation to its end.
    pub(super) server_cpu_s: f64,
    /// The server before the fleet connected.
    pub(super) empty: Memory,
    /// The server with the fleet connected and nothing to do.
    pub(super) idle: Memory,
    /// The server at the end.
    pub(super) end: Memory,
    /// Units of work of the database during the rollout, and those of them that took more than 50 ms.
    pub(super) transactions: u64,
    pub(super) slow_transactions: u64,
}

impl Experiment {
    pub(super) fn run(self, programs: &Programs, folder: &Path) -> Result<Measured> {
        let folder = folder.join(self.name);
        std::fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
        let ports =
            Ports { http: process::free_port()?, https: process::free_port()?, mqtt: process::free_port()? };
        let system = System::start(programs.clone(), &folder, ports, self.devices)?;
        let firmware = self.firmware(&system)?;

        let start = Instant::now();
        let mut bar = Bar::new("enrolled");
        let devices = u64::from(self.devices);
        system.enrol(self.devices, PLACE, |done| bar.show(done, devices, ""))?;
        bar.finish();
        let enrol_s = start.elapsed().as_secs_f64();

        let server = system.server.id();
        let before = Counters::parse(&system.api.metrics()?);
        machine::forget_peak(server)?;
        let empty = machine::memory(server)?;
        let start = Instant::now();
        let arguments: Vec<&str> = self.simulator.iter().map(String::as_str).collect();
        let mut fleet = system.start_fleet(self.devices, &arguments)?;
        let mut bar = Bar::new("connected");
        system.wait_until_online(&mut fleet, |done| bar.show(done, devices, ""))?;
        bar.finish();
        let connect_s = start.elapsed().as_secs_f64();
        std::thread::sleep(SETTLE);
        let idle = machine::memory(server)?;
        let work_before = Counters::parse(&system.api.metrics()?);

        let cpu = machine::cpu_s(server)?;
        let policy = json!({ "max_in_flight": self.in_flight, "rate_per_s": RATE_PER_S });
        let deployment = system.deploy(firmware, PLACE.group, &policy)?;
        let end = self.wait(&system, deployment)?;
        let server_cpu_s = machine::cpu_s(server)? - cpu;
        let end_memory = machine::memory(server)?;
        std::thread::sleep(SETTLE);

        let fleet = report_of(&system, fleet)?;
        let after = Counters::parse(&system.api.metrics()?);
        let updates = Updates::read(&system, deployment)?;
        let measured = Measured {
            devices,
            size: u64::try_from(self.size)?,
            enrol_s,
            connect_s,
            created_ms: millis(end["created_at"].as_str().context("the deployment has no time")?)?,
            last_dispatched_ms: updates.last_dispatched_ms,
            last_finished_ms: updates.last_finished_ms,
            succeeded: end["progress"]["by_outcome"]["success"].as_u64().unwrap_or(0),
            repeated: updates.repeated,
            counts: counts(&fleet, &before, &after),
            fleet,
            server_cpu_s,
            empty,
            idle,
            end: end_memory,
            transactions: transactions(&work_before, &after, "+Inf"),
            slow_transactions: transactions(&work_before, &after, "+Inf")
                - transactions(&work_before, &after, "0.05"),
        };
        system.stop()?;
        Ok(measured)
    }

    /// A product, a group, a region, and the image that is to come; its id.
    fn firmware(&self, system: &System) -> Result<i64> {
        let image = system.folder.join("bench-board.bin");
        image::write(&image, self.size, "bench", VERSION)?;
        let slot = self.size.next_multiple_of(1024 * 1024);
        let product = json!({
            "name": PLACE.product, "chip": image::CHIP, "image_format": "esp-idf", "slot_size": slot,
        });
        system.api.post("/products", &product)?;
        system.api.post("/groups", &json!({ "name": PLACE.group }))?;
        system.api.post("/regions", &json!({ "code": PLACE.region, "name": "Seoul" }))?;
        system.push(&image, PLACE.product, VERSION)
    }

    /// Returns when the deployment has ended; its last state.
    fn wait(&self, system: &System, deployment: i64) -> Result<Value> {
        let start = Instant::now();
        let mut bar = Bar::new("updated");
        loop {
            std::thread::sleep(ASK_EVERY);
            let now = system.api.get(&format!("/deployments/{deployment}"))?;
            let done = now["progress"]["by_outcome"]["success"].as_u64().unwrap_or(0);
            bar.show(done, u64::from(self.devices), "");
            if now["state"] == "finished" {
                bar.finish();
                return Ok(now);
            }
            if start.elapsed() > self.limit {
                let state = &now["progress"]["by_state"];
                bail!(
                    "the rollout has not ended within {} s; its devices are {state}; the logs are in {}",
                    self.limit.as_secs(),
                    system.folder.display()
                );
            }
        }
    }
}

/// Ends the fleet and reads its report.
fn report_of(system: &System, fleet: Fleet) -> Result<Value> {
    fleet.stop()?;
    let file = system.folder.join("fleet.json");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("the simulator left no report in {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

/// Bytes, connections and handshakes, as devices and server counted them.
fn counts(fleet: &Value, before: &Counters, after: &Counters) -> Vec<Count> {
    let rise = |name: &str, label: &str| {
        let risen = after.rise(before, name, |labels| labels.contains(label));
        // Counters are whole numbers, far below the limit of exact ones.
        risen.round() as u64
    };
    let count = |what, key: &str, server| Count { what, devices: fleet[key].as_u64().unwrap_or(0), server };
    // What the devices count are sessions: a connection that came to nothing is none.
    let lost = rise("argosy_mqtt_tls_failed_total", "")
        + rise("argosy_mqtt_handshake_timeouts_total", "")
        + rise("argosy_mqtt_connect_failed_total", "")
        + rise("argosy_mqtt_refused_total", "");
    vec![
        count("bytes", "bytes_downloaded", rise("argosy_download_bytes_total", "")),
        count("HTTP connections", "http_connections", rise("argosy_http_connections_total", "\"tls\"")),
        count("HTTP handshakes", "http_handshakes", rise("argosy_http_handshakes_total", "\"ok\"")),
        count(
            "MQTT connections",
            "mqtt_connections",
            rise("argosy_mqtt_accepted_total", "").saturating_sub(lost),
        ),
        count("MQTT handshakes", "mqtt_handshakes", rise("argosy_mqtt_handshakes_total", "")),
    ]
}

/// Units of work that took so many seconds at most.
fn transactions(before: &Counters, after: &Counters, seconds: &str) -> u64 {
    let within = format!("le=\"{seconds}\"");
    after.rise(before, "argosy_tx_seconds_bucket", |labels| labels.contains(&within)).round() as u64
}

/// What the device updates of a deployment say.
#[derive(Debug, Default)]
struct Updates {
    last_dispatched_ms: i64,
    last_finished_ms: i64,
    repeated: u64,
}

impl Updates {
    fn read(system: &System, deployment: i64) -> Result<Self> {
        let mut all = Self::default();
        let mut cursor = String::new();
        loop {
            let page = system.api.get(&format!("/deployments/{deployment}/devices?limit=1000{cursor}"))?;
            for update in page["items"].as_array().into_iter().flatten() {
                let time = |key: &str| update[key].as_str().map_or(Ok(0), millis);
                all.last_dispatched_ms = all.last_dispatched_ms.max(time("dispatched_at")?);
                all.last_finished_ms = all.last_finished_ms.max(time("finished_at")?);
                all.repeated += u64::from(update["attempt"].as_u64().unwrap_or(0) > 1);
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }
}
