//! `argosy serve`: start everything in order, say that it is ready, and end it in two phases.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use argosy_domain::ports::{Clock, Entropy};
use argosy_engine::Supervisor;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::compose::{self, Doors};
use super::lock::DataLock;
use super::metrics::TxHistogram;
use super::{admin, arenas, files, fold, logging, renew, sole};
use crate::args::{ConfigArgs, Exit, Failure};
use crate::config::{Config, Loaded};
use crate::system::{SystemClock, SystemEntropy};

/// What is left after the hard signal is dropped within this time.
const HARD_LIMIT: Duration = Duration::from_secs(2);

/// Runs the server until it is told to end.
pub(crate) fn serve(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    arenas::limit();
    let loaded = args.load()?;
    logging::start(&loaded.config.log)?;
    announce(&loaded);
    match run_on_threads(&loaded) {
        Ok(()) => {
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
        // Into the log, like everything since it was started: who reads it as JSON reads this too.
        Err(error) => {
            tracing::error!("{error:#}");
            Ok(Exit::Failed.into())
        }
    }
}

/// Bytes have threads of their own: what is short and urgent (messages of devices, units of work of the database) must not wait
/// in line behind a thousand images that are being encrypted.
fn run_on_threads(loaded: &Loaded) -> anyhow::Result<()> {
    let config = &loaded.config;
    let _lock = DataLock::take(&config.data_dir).context("cannot start")?;
    let (main, bytes) = (threads(config, "argosy")?, threads(config, "argosy-bytes")?);
    let ended = main.block_on(run(loaded, bytes.handle()));
    bytes.shutdown_timeout(HARD_LIMIT);
    main.shutdown_timeout(HARD_LIMIT);
    ended
}

fn threads(config: &Config, name: &str) -> anyhow::Result<Runtime> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    if config.worker_threads > 0 {
        threads.worker_threads(config.worker_threads as usize);
    }
    threads.enable_all().thread_name(name).build().context("cannot start")
}

fn announce(loaded: &Loaded) {
    let file = loaded.file.as_ref().map_or("no file".to_owned(), |file| file.display().to_string());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        data = %loaded.config.data_dir.display(),
        config = file,
        "argosy {} starts; data in {}, configuration: {file}",
        env!("CARGO_PKG_VERSION"),
        loaded.config.data_dir.display(),
    );
    for warning in &loaded.warnings {
        tracing::warn!(key = warning.key, "{warning}");
    }
    if let Some(warning) = files::too_few(files::raise(), loaded.config.fleet.expected_devices) {
        tracing::warn!("{warning}");
    }
}

/// SIGTERM and SIGINT, whichever comes.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let of = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { terminate: of(SignalKind::terminate())?, interrupt: of(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

async fn run(loaded: &Loaded, bytes: &Handle) -> anyhow::Result<()> {
    let config = &loaded.config;
    // First of all: a signal during a slow start ends the start.
    let mut signals = Signals::listen()?;
    let supervisor = Supervisor::new();
    tokio::select! {
        started = Box::pin(start(loaded, &supervisor, bytes)) => started?,
        name = signals.next() => {
            tracing::info!("{name} during the start: ending");
            return Ok(());
        }
    }
    let soft = Duration::from_secs(u64::from(config.shutdown.soft_seconds));
    until_ended(&supervisor, soft, &mut signals).await
}

/// Waits for a signal or the death of a task, then ends everything: softly within `soft`, at once on a further signal.
async fn until_ended(supervisor: &Supervisor, soft: Duration, signals: &mut Signals) -> anyhow::Result<()> {
    let shutdown = supervisor.shutdown();
    tokio::select! {
        name = signals.next() => {
            tracing::info!("{name}: stopping; what runs has {} s to end, a second signal ends it at once", soft.as_secs());
        }
        () = shutdown.soft() => {}
    }
    supervisor.stop();
    let death = tokio::select! {
        death = supervisor.finish(soft) => death,
        name = signals.next() => {
            tracing::warn!("{name} again: dropping what still runs");
            shutdown.hard_token().cancel();
            supervisor.finish(HARD_LIMIT).await
        }
    };
    match death {
        None => Ok(()),
        Some(death) => anyhow::bail!("the task {} died: {}", death.task, death.reason),
    }
}

async fn start(loaded: &Loaded, supervisor: &Supervisor, bytes: &Handle) -> anyhow::Result<()> {
    let config = &loaded.config;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let started_ms = clock.now().0;
    let tx = TxHistogram::default();

    let (authority, identity) = compose::identity(config, clock.as_ref(), &entropy)?;
    let (registry, alone) = compose::registry(config, tx.clone()).await?;
    supervisor.spawn("sole use of the database", sole::run(alone, supervisor.shutdown()));
    supervisor.spawn("database log", fold::run(Arc::clone(&registry), supervisor.shutdown()));
    let series = compose::series(config).await?;
    let kept = (Arc::clone(&registry), Arc::clone(&series));
    let doors = Doors::open(config)?;
    let https = doors.https.local_addr().context("cannot read the address of https.listen")?;
    let core =
        compose::core(config, registry, series, Arc::clone(&authority), Arc::clone(&clock), entropy, https)?;
    compose::backups(loaded, &core.engine, kept, supervisor);
    admin::prepare(&core.engine, &config.data_dir).await?;
    core.engine.start(supervisor).await.context("cannot start the engine")?;

    let (bound, link) =
        compose::device_plane(config, &core.engine, authority, &identity, Arc::clone(&clock)).await?;
    let (mqtt, plain) = (bound.mtls_address(), bound.plain_address());
    let server = compose::http(config, &core, link, tx, started_ms, supervisor);
    let tls = identity.https_config().context("cannot set up TLS for the API")?;
    let shutdown = supervisor.shutdown();
    supervisor.spawn("device plane", async move {
        if let Err(error) = bound.run(shutdown.soft_token(), shutdown.hard_token()).await {
            tracing::error!("the device plane ended: {:#}", anyhow::Error::new(error));
        }
    });
    let (mut http, mut api) = (String::from("off"), format!("https://{https}"));
    if let Some(listener) = doors.http {
        http = listener.local_addr().context("cannot read the address of http.listen")?.to_string();
        api = format!("http://{http} and {api}");
        supervisor.spawn("http", server.clone().serve_plain(listener));
    }
    {
        let _there = bytes.enter();
        supervisor.spawn("https", server.serve_tls(doors.https, tls));
    }
    supervisor.spawn("certificate renewal", renew::run(identity, clock, supervisor.shutdown()));

    let plain = plain.map_or_else(|| "off".to_owned(), |address| address.to_string());
    if config.https.names.0.is_empty() && config.download.public_url.value().is_none() {
        tracing::warn!(
            "devices are told to download from {}: those on other machines cannot; name this server in https.names",
            core.public_url
        );
    } else {
        tracing::info!(public_url = core.public_url, "devices download from {}", core.public_url);
    }
    tracing::info!(
        http,
        https = %https,
        mqtt = %mqtt,
        mqtt_plain = plain,
        "READY: API {api}; devices: mqtts {mqtt}, plain {plain}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_dies_ends_the_process_with_its_reason() {
        let supervisor = Supervisor::new();
        let shutdown = supervisor.shutdown();
        supervisor.spawn("bystander", async move { shutdown.soft().await });
        supervisor.spawn("doomed", async { panic!("the disk is on fire") });
        let mut signals = Signals::listen().unwrap();
        let ended = until_ended(&supervisor, Duration::from_secs(60), &mut signals).await;
        let said = ended.unwrap_err().to_string();
        assert!(said.contains("doomed") && said.contains("the disk is on fire"), "{said}");
    }

    #[tokio::test]
    async fn an_end_that_was_asked_for_is_no_failure() {
        let supervisor = Supervisor::new();
        let shutdown = supervisor.shutdown();
        supervisor.spawn("worker", async move { shutdown.soft().await });
        supervisor.stop();
        let mut signals = Signals::listen().unwrap();
        assert!(until_ended(&supervisor, Duration::from_secs(60), &mut signals).await.is_ok());
    }
}
