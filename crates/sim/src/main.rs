//! `argosy-sim`: a fleet of simulated devices on the command line.

mod args;
mod beside;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use argosy_sim::{Fleet, FleetHandle, IdentityStore, Report, WallClock, enrol};
use clap::Parser as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_env("ARGOSY_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match start(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("argosy-sim: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn start(args: Args) -> anyhow::Result<bool> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = args.threads {
        runtime.worker_threads(threads.get());
    }
    runtime.enable_all().build().context("the runtime cannot be started")?.block_on(run(args))
}

/// `true` when what was waited for has come, and no update failed.
async fn run(args: Args) -> anyhow::Result<bool> {
    let keys = args.device_keys()?;
    let config = args.fleet_config(raise_file_limit(keys.len())?)?;

    let mut identities = IdentityStore::open(&args.identities).context("the identities cannot be read")?;
    if let Some(enrolment) = args.enrolment()? {
        let new = enrol(&enrolment, &mut identities, &keys).await.context("devices cannot be enrolled")?;
        eprintln!("argosy-sim: {new} devices enrolled, {} known before", keys.len() - new);
    }
    if let Some(pem) = args.ca_pem()? {
        identities.trust(pem);
    }
    if args.enrol_only {
        return Ok(true);
    }

    let mut fleet = Fleet::start(config, wall_clock()?, keys, &identities).await?;
    let outcome = watch(&args, &mut fleet, &mut identities).await?;
    identities.add(fleet.take_renewed()).context("renewed identities cannot be kept")?;
    let report = fleet.stop().await;
    write_report(&args, &report)?;
    Ok(outcome && report.failed == 0)
}

#[expect(clippy::disallowed_methods, reason = "the binary composes the real clock")]
fn wall_clock() -> anyhow::Result<WallClock> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let epoch = since.context("the clock of this machine is before 1970")?;
    Ok(WallClock::starting_at(u64::try_from(epoch.as_millis())?))
}

/// Raises the limit of open files to what the machine allows, and says how many download connections fit beside a broker
/// connection for each device. `None`: any number.
fn raise_file_limit(devices: usize) -> anyhow::Result<Option<usize>> {
    const OTHERS: usize = 64;
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let Some(allowed) = allowed.and_then(|allowed| usize::try_from(allowed).ok()) else { return Ok(None) };
    match allowed.checked_sub(devices + OTHERS) {
        Some(left) if left >= 1 => Ok(Some(left)),
        _ => bail!(
            "{devices} devices need more than the {allowed} open files that are allowed: raise them (ulimit -n)"
        ),
    }
}

/// Shows progress until what is waited for has come, the time is over, or a signal came. `true` when it has come, or when
/// nothing was waited for.
async fn watch(args: &Args, fleet: &mut FleetHandle, identities: &mut IdentityStore) -> anyhow::Result<bool> {
    enum End {
        Come,
        Over,
        Signal,
        Broken,
    }
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    let over = sleep_or_never(args.run_for());
    let mut over = std::pin::pin!(over);
    let mut progress = Progress::new(args);
    let end = loop {
        let come = wait_for(args, fleet);
        tokio::select! {
            () = come => break End::Come,
            () = &mut over => break End::Over,
            _ = interrupt.recv() => break End::Signal,
            _ = terminate.recv() => break End::Signal,
            _ = ticks.tick() => {}
        }
        progress.show(fleet);
        // At once: the old ones will not do for long, whatever becomes of this process.
        let renewed = fleet.take_renewed();
        if !renewed.is_empty() {
            identities.add(renewed).context("renewed identities cannot be kept")?;
        }
        // A broken device is looked for between the ticks.
        let broken = !fleet.run_until(std::future::ready(())).await;
        if broken {
            break End::Broken;
        }
    };
    progress.end(fleet);
    let waits = args.until_updated || args.until_hash.is_some();
    Ok(match end {
        End::Come => true,
        End::Over | End::Signal => !waits,
        End::Broken => false,
    })
}

async fn wait_for(args: &Args, fleet: &FleetHandle) {
    match (args.until_hash, args.until_updated) {
        (Some(_), _) => fleet.until_at_target().await,
        (None, true) => fleet.until_settled().await,
        (None, false) => std::future::pending().await,
    }
}

async fn sleep_or_never(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// A line on stderr: rewritten on a terminal; otherwise one every ten seconds, and when all devices are online.
struct Progress {
    quiet: bool,
    terminal: bool,
    ticks: u32,
    all_online: bool,
    bytes: u64,
}

impl Progress {
    fn new(args: &Args) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { quiet: args.quiet, terminal, ticks: 0, all_online: false, bytes: 0 }
    }

    fn show(&mut self, fleet: &FleetHandle) {
        if self.quiet {
            return;
        }
        let counters = fleet.counters();
        let (online, devices) = (counters.online.load(Relaxed), fleet.devices());
        let bytes = counters.bytes_downloaded.load(Relaxed);
        let speed = (bytes - self.bytes) as f64 * 2.0 / (1024.0 * 1024.0);
        self.bytes = bytes;
        let line = format!(
            "online {online}/{devices}  updated {}  failed {}  {speed:.0} MiB/s",
            counters.succeeded.load(Relaxed),
            counters.failed.load(Relaxed)
        );
        let now_online = online == devices && !self.all_online;
        self.all_online |= now_online;
        if self.terminal {
            eprint!("\r\x1b[K{line}");
        } else if now_online || self.ticks.is_multiple_of(20) {
            eprintln!("argosy-sim: {line}");
        }
        self.ticks += 1;
    }

    fn end(&mut self, fleet: &FleetHandle) {
        if self.quiet {
            return;
        }
        self.ticks = 0;
        self.show(fleet);
        if self.terminal {
            eprintln!();
        }
    }
}

fn write_report(args: &Args, report: &Report) -> anyhow::Result<()> {
    let json = || serde_json::to_string_pretty(report).context("the report has no JSON form");
    match args.json.as_deref() {
        None => println!("{report}"),
        Some(path) if path.as_os_str() == "-" => println!("{}", json()?),
        Some(path) => {
            std::fs::write(path, json()? + "\n")
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("{report}");
        }
    }
    Ok(())
}
