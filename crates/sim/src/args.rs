//! The command line. Every option is also an environment variable (`ARGOSY_SIM_…`).

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use argosy_agent_core::Backoff;
use argosy_proto::{DeviceKey, Sha256Hash};
use argosy_sim::{Enrolment, FleetConfig, Mode, Shares, device_keys};
use clap::{Parser, ValueEnum};

/// Simulates a fleet of devices over real TLS and MQTT.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110)]
pub(crate) struct Args {
    /// The broker: mqtts://HOST:PORT, or mqtt://HOST:PORT for plain MQTT
    #[arg(long, env = "ARGOSY_SIM_BROKER", default_value = "mqtts://127.0.0.1:8883")]
    broker: String,
    /// Connect to this address, whatever the broker's name resolves to
    #[arg(long, env = "ARGOSY_SIM_BROKER_ADDRESS", value_name = "IP:PORT")]
    broker_address: Option<SocketAddr>,

    /// Device keys, FIRST..LAST, both included
    #[arg(long, env = "ARGOSY_SIM_KEYS", value_name = "FIRST..LAST", conflicts_with = "count")]
    keys: Option<String>,
    /// Number of devices, instead of a range: 1..COUNT
    #[arg(long, env = "ARGOSY_SIM_COUNT")]
    count: Option<u64>,
    /// What stands before the number in a device key (old fleets: nothing)
    #[arg(long, env = "ARGOSY_SIM_PREFIX", default_value = "")]
    prefix: String,
    /// How the devices speak
    #[arg(long, env = "ARGOSY_SIM_MODE", value_enum, default_value_t = ModeArg::Modern)]
    mode: ModeArg,

    /// Folder of the devices' keys and certificates; kept and used again
    #[arg(long, env = "ARGOSY_SIM_IDENTITIES", default_value = "argosy-sim-identities", value_name = "DIR")]
    pub(crate) identities: PathBuf,
    /// Argosy's API: devices without an identity are registered there, with --token and --product
    #[arg(long, env = "ARGOSY_SIM_API", value_name = "URL", requires = "product")]
    api: Option<String>,
    /// API token, or @FILE to read it from a file
    #[arg(long, env = "ARGOSY_SIM_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The product that devices are registered for
    #[arg(long, env = "ARGOSY_SIM_PRODUCT")]
    product: Option<String>,
    /// The group that devices are registered in
    #[arg(long, env = "ARGOSY_SIM_GROUP")]
    group: Option<String>,
    /// The region that devices are registered in
    #[arg(long, env = "ARGOSY_SIM_REGION")]
    region: Option<String>,
    /// Roots that servers are verified by, PEM (otherwise those in the identities' folder)
    #[arg(long, env = "ARGOSY_SIM_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Register the devices and end
    #[arg(long, env = "ARGOSY_SIM_ENROL_ONLY", requires = "api")]
    pub(crate) enrol_only: bool,

    /// Bytes asked for at a time
    #[arg(long, env = "ARGOSY_SIM_CHUNK", default_value_t = 1_048_576, value_parser = clap::value_parser!(u32).range(1..))]
    chunk: u32,
    /// Pause between two chunks, in milliseconds
    #[arg(long, env = "ARGOSY_SIM_PAUSE_MS", default_value_t = 0)]
    pause_ms: u64,
    /// Do not ask for the next chunk while one is received
    #[arg(long, env = "ARGOSY_SIM_NO_PIPELINE")]
    no_pipeline: bool,

    /// Share of devices that are away at first (0.1 or 10%)
    #[arg(long, env = "ARGOSY_SIM_OFFLINE_AT_FIRST", default_value = "0", value_parser = share)]
    offline_at_first: f64,
    /// How long they are away, in seconds
    #[arg(long, env = "ARGOSY_SIM_OFFLINE_FOR", default_value_t = 10.0, value_parser = seconds)]
    offline_for: f64,
    /// Share of devices that lose every link once in the middle of a download
    #[arg(long, env = "ARGOSY_SIM_DROP_LINK", default_value = "0", value_parser = share)]
    drop_link: f64,
    /// Share of devices that get one wrong byte once
    #[arg(long, env = "ARGOSY_SIM_CORRUPT", default_value = "0", value_parser = share)]
    corrupt: f64,
    /// Share of devices that crash in every new image, and roll back
    #[arg(long, env = "ARGOSY_SIM_CRASH_NEW_IMAGE", default_value = "0", value_parser = share)]
    crash_new_image: f64,
    /// Share of devices that download slowly
    #[arg(long, env = "ARGOSY_SIM_SLOW", default_value = "0", value_parser = share)]
    slow: f64,
    /// Bytes per second of slow devices
    #[arg(long, env = "ARGOSY_SIM_SLOW_RATE", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..))]
    slow_rate: u32,
    /// Makes every choice repeatable
    #[arg(long, env = "ARGOSY_SIM_SEED", default_value_t = 1)]
    seed: u64,

    /// The version that devices run at first
    #[arg(long, env = "ARGOSY_SIM_FIRMWARE_VERSION", default_value = "1.0.0")]
    firmware_version: String,
    /// Bytes of a firmware slot
    #[arg(long, env = "ARGOSY_SIM_SLOT_SIZE", default_value_t = 16 * 1024 * 1024, value_parser = clap::value_parser!(u32).range(1..))]
    slot_size: u32,
    /// Keep the bytes of images, not only their hash and length
    #[arg(long, env = "ARGOSY_SIM_STORE_IMAGES")]
    store_images: bool,
    /// Seconds between two status messages of a device; 0: none
    #[arg(long, env = "ARGOSY_SIM_STATUS_EVERY", default_value_t = 30.0, value_parser = seconds)]
    status_every: f64,
    /// How long a restart takes, in milliseconds: between the last word of the old image and the first of the new one. A board needs one
    /// to three seconds for its boot loader, its own start and the network
    #[arg(long, env = "ARGOSY_SIM_REBOOT_MS", default_value_t = 1_500)]
    reboot_ms: u64,
    /// Least seconds between two progress messages of a device
    #[arg(long, env = "ARGOSY_SIM_PROGRESS_EVERY", default_value_t = 1.0, value_parser = seconds)]
    progress_every: f64,

    #[command(flatten)]
    beside: crate::beside::BesideArgs,

    /// Do not subscribe: the broker does it for the device
    #[arg(long, env = "ARGOSY_SIM_NO_SUBSCRIBE")]
    no_subscribe: bool,
    /// Ask the broker to keep the session over disconnects
    #[arg(long, env = "ARGOSY_SIM_PERSISTENT_SESSION")]
    persistent_session: bool,
    /// MQTT keep-alive, in seconds
    #[arg(long, env = "ARGOSY_SIM_KEEP_ALIVE", default_value_t = 60, value_parser = clap::value_parser!(u16).range(2..))]
    keep_alive: u16,
    /// New broker connections per second (default: no limit)
    #[arg(long, env = "ARGOSY_SIM_CONNECT_RATE")]
    connect_rate: Option<f64>,
    /// TLS handshakes with the broker under way at a time
    #[arg(long, env = "ARGOSY_SIM_HANDSHAKES", default_value = "256")]
    handshakes: NonZeroUsize,
    /// Download connections open at a time (default: as many as the limit of open files allows)
    #[arg(long, env = "ARGOSY_SIM_DOWNLOADS")]
    downloads: Option<NonZeroUsize>,
    /// The first wait after a lost connection, in milliseconds; doubles with every failure, with jitter
    #[arg(long, env = "ARGOSY_SIM_BACKOFF_FIRST_MS", default_value_t = 500)]
    backoff_first_ms: u32,
    /// The longest wait after a lost connection, in milliseconds
    #[arg(long, env = "ARGOSY_SIM_BACKOFF_MAX_MS", default_value_t = 20_000)]
    backoff_max_ms: u32,
    /// Seconds without a byte after which a download's link counts as lost
    #[arg(long, env = "ARGOSY_SIM_STALL_TIMEOUT", default_value_t = 60.0, value_parser = seconds)]
    stall_timeout: f64,

    /// End when every device has had an update that ended (exit code 1 if one failed)
    #[arg(long, env = "ARGOSY_SIM_UNTIL_UPDATED")]
    pub(crate) until_updated: bool,
    /// End when every device runs the image with this SHA-256
    #[arg(long, env = "ARGOSY_SIM_UNTIL_HASH", value_name = "SHA256")]
    pub(crate) until_hash: Option<Sha256Hash>,
    /// End after so many seconds
    #[arg(long, env = "ARGOSY_SIM_RUN_FOR", value_parser = seconds)]
    run_for: Option<f64>,
    /// Write the report as JSON to this file; - for stdout, instead of the text
    #[arg(long, env = "ARGOSY_SIM_JSON", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// No progress on stderr
    #[arg(long, short, env = "ARGOSY_SIM_QUIET")]
    pub(crate) quiet: bool,
    /// Worker threads (default: one per core)
    #[arg(long, env = "ARGOSY_SIM_THREADS")]
    pub(crate) threads: Option<NonZeroUsize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    /// All of the protocol
    Modern,
    /// As the boards of the older system: base fields only
    Legacy,
}

/// `0.1` or `10%`.
fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 0.01));
    match number.trim().parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&(share * scale)) => Ok(share * scale),
        _ => Err("a share is 0.0 to 1.0, or 0% to 100%".to_owned()),
    }
}

pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e9).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds, 0 or more".to_owned()),
    }
}

impl Args {
    pub(crate) fn device_keys(&self) -> anyhow::Result<Vec<DeviceKey>> {
        let range = match (&self.keys, self.count) {
            (Some(range), _) => range.clone(),
            (None, Some(count)) => format!("1..{count}"),
            (None, None) => bail!("say which devices: --keys FIRST..LAST, or --count N (and --prefix)"),
        };
        Ok(device_keys(&self.prefix, &range)?)
    }

    pub(crate) fn run_for(&self) -> Option<Duration> {
        self.run_for.map(Duration::from_secs_f64)
    }

    pub(crate) fn ca_pem(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(path) = &self.ca else { return Ok(None) };
        Ok(Some(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?))
    }

    pub(crate) fn enrolment(&self) -> anyhow::Result<Option<Enrolment>> {
        let (Some(api), Some(product)) = (&self.api, &self.product) else { return Ok(None) };
        let token = match self.token.as_deref() {
            None => bail!("--api needs a token: --token TOKEN, --token @FILE or ARGOSY_SIM_TOKEN"),
            Some(text) => match text.strip_prefix('@') {
                None => text.to_owned(),
                Some(path) => std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {path}"))?
                    .trim()
                    .to_owned(),
            },
        };
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("the token holds characters that no token has");
        }
        Ok(Some(Enrolment {
            api: api.clone(),
            token,
            ca_pem: self.ca_pem()?,
            product: product.clone(),
            group: self.group.clone(),
            region: self.region.clone(),
            certificates: !self.broker.starts_with("mqtt://"),
        }))
    }

    /// `downloads`: how many download connections the open files leave room for.
    pub(crate) fn fleet_config(&self, downloads: Option<usize>) -> anyhow::Result<FleetConfig> {
        let backoff = Backoff { first_ms: self.backoff_first_ms, max_ms: self.backoff_max_ms };
        if self.connect_rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
            bail!("--connect-rate is a number of connections per second, more than 0");
        }
        Ok(FleetConfig {
            broker: self.broker.clone(),
            broker_address: self.broker_address,
            mode: match self.mode {
                ModeArg::Modern => Mode::Modern,
                ModeArg::Legacy => Mode::Legacy,
            },
            chunk: self.chunk,
            ahead: !self.no_pipeline,
            pause: Duration::from_millis(self.pause_ms),
            shares: Shares {
                offline_at_first: self.offline_at_first,
                drop_link: self.drop_link,
                corrupt: self.corrupt,
                crash_new_image: self.crash_new_image,
                slow: self.slow,
            },
            offline_for: Duration::from_secs_f64(self.offline_for),
            slow_rate: self.slow_rate,
            seed: self.seed,
            firmware_version: self.firmware_version.clone(),
            slot_size: self.slot_size,
            store_images: self.store_images,
            status_every: (self.status_every > 0.0).then(|| Duration::from_secs_f64(self.status_every)),
            reboot: Duration::from_millis(self.reboot_ms),
            subscribe: !self.no_subscribe,
            clean_session: !self.persistent_session,
            keep_alive: Duration::from_secs(u64::from(self.keep_alive)),
            connect_rate: self.connect_rate,
            handshakes: self.handshakes.get(),
            downloads: self.downloads.map(NonZeroUsize::get).or(downloads),
            reconnect: backoff,
            retry: backoff,
            stall_timeout: Duration::from_secs_f64(self.stall_timeout),
            progress_every: Duration::from_secs_f64(self.progress_every),
            until_hash: self.until_hash,
            features: self.beside.features(backoff)?,
            ..FleetConfig::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn shares_are_fractions_or_percent() {
        assert_eq!(share("0.25"), Ok(0.25));
        assert_eq!(share("25%"), Ok(0.25));
        for wrong in ["1.5", "-1", "101%", "NaN", "many"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn devices_are_named_by_range_or_by_count() {
        let keys = |args: &[&str]| {
            let args = ["argosy-sim"].iter().chain(args).copied();
            Args::parse_from(args).device_keys().map(|keys| keys.len()).ok()
        };
        assert_eq!(keys(&["--keys", "1..1000"]), Some(1000));
        assert_eq!(keys(&["--prefix", "sim-", "--count", "7"]), Some(7));
        assert_eq!(keys(&[]), None);
    }
}
