//! What a fleet is told to be.

use std::net::SocketAddr;
use std::time::Duration;

use argosy_agent_core::Backoff;
use argosy_proto::{DeviceKey, Sha256Hash};

use crate::features::Features;

/// How a fleet behaves. `Default` is a modern fleet without faults, at full speed.
#[derive(Debug, Clone)]
pub struct FleetConfig {
    /// The broker: `mqtts://host:port` or `mqtt://host:port`.
    pub broker: String,
    /// Connect to this address whatever the broker's name resolves to.
    pub broker_address: Option<SocketAddr>,
    /// How the devices speak.
    pub mode: Mode,
    /// The largest range asked for at a time, in bytes.
    pub chunk: u32,
    /// Whether the next range is asked for while one is received (off with a pause).
    pub ahead: bool,
    /// The pause between two ranges.
    pub pause: Duration,
    /// Shares of devices that misbehave.
    pub shares: Shares,
    /// How long devices that are offline at first stay away.
    pub offline_for: Duration,
    /// Bytes per second of slow devices.
    pub slow_rate: u32,
    /// Makes every choice repeatable.
    pub seed: u64,
    /// The version that devices run at first.
    pub firmware_version: String,
    /// Bytes of a firmware slot.
    pub slot_size: u32,
    /// Keep the bytes of images (otherwise only their hash and length).
    pub store_images: bool,
    /// How often a device sends its status; never if absent.
    pub status_every: Option<Duration>,
    /// How long a restart takes.
    pub reboot: Duration,
    /// Subscribe after connecting. Argosy's own broker does it for the device.
    pub subscribe: bool,
    /// A clean session at every connect.
    pub clean_session: bool,
    /// MQTT keep-alive.
    pub keep_alive: Duration,
    /// New broker connections per second; unlimited if absent.
    pub connect_rate: Option<f64>,
    /// TLS handshakes with the broker under way at a time. Those with the download server follow the server's own pace: nothing stands
    /// between devices and it in the field either.
    pub handshakes: usize,
    /// Download connections open at a time; further devices wait for their turn. Unlimited if absent.
    pub downloads: Option<usize>,
    /// The longest a connection attempt may take once begun.
    pub connect_timeout: Duration,
    /// A download without a byte for this long counts as a lost link.
    pub stall_timeout: Duration,
    /// Waits between attempts to reach the broker.
    pub reconnect: Backoff,
    /// Waits between attempts to fetch.
    pub retry: Backoff,
    /// The least time between two progress reports of a device.
    pub progress_every: Duration,
    /// The image that all devices are waited for to run.
    pub until_hash: Option<Sha256Hash>,
    /// What devices do beside firmware.
    pub features: Features,
}

impl Default for FleetConfig {
    fn default() -> Self {
        Self {
            broker: "mqtts://127.0.0.1:8883".into(),
            broker_address: None,
            mode: Mode::Modern,
            chunk: 1024 * 1024,
            ahead: true,
            pause: Duration::ZERO,
            shares: Shares::default(),
            offline_for: Duration::from_secs(10),
            slow_rate: 64 * 1024,
            seed: 1,
            firmware_version: "1.0.0".into(),
            slot_size: 16 * 1024 * 1024,
            store_images: false,
            status_every: Some(Duration::from_secs(30)),
            reboot: Duration::ZERO,
            subscribe: true,
            clean_session: true,
            keep_alive: Duration::from_secs(60),
            connect_rate: None,
            handshakes: 256,
            downloads: None,
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
            reconnect: Backoff { first_ms: 500, max_ms: 20_000 },
            retry: Backoff { first_ms: 500, max_ms: 20_000 },
            progress_every: Duration::from_secs(1),
            until_hash: None,
            features: Features::default(),
        }
    }
}

/// How devices speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All of the protocol: `hello` with `boot-confirm`, INSTALLED, a real restart.
    Modern,
    /// As the boards of the older system: base fields only, result SUCCESS and no more, no `hello`, no cancel; a second
    /// request during one is ignored; subscribes once and never again.
    Legacy,
}

impl Mode {
    pub(crate) fn is_legacy(self) -> bool {
        self == Self::Legacy
    }
}

/// Shares of devices (0.0 to 1.0) that misbehave. Rounded to whole devices.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shares {
    /// Are away at first.
    pub offline_at_first: f64,
    /// Lose all links once in the middle of a download.
    pub drop_link: f64,
    /// Receive one wrong byte once.
    pub corrupt: f64,
    /// Crash in every new image, and roll back.
    pub crash_new_image: f64,
    /// Fetch slowly.
    pub slow: f64,
}

/// The keys of a fleet cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// The text is not `FIRST..LAST`.
    #[error("a key range is FIRST..LAST, both included, such as 1..1000")]
    Range,
    /// A name made from it is not a device key.
    #[error("{0} is not a device key")]
    Key(String),
    /// More than the simulator takes.
    #[error("at most {} devices", MAX_DEVICES)]
    TooMany,
}

/// The most devices of one process.
pub const MAX_DEVICES: u64 = 100_000;

/// The keys `{prefix}{first}` to `{prefix}{last}`; `range` is `FIRST..LAST`, both included.
///
/// # Errors
/// [`KeysError`] says what is wrong with the range or the prefix.
pub fn device_keys(prefix: &str, range: &str) -> Result<Vec<DeviceKey>, KeysError> {
    let (first, last) = range.split_once("..").ok_or(KeysError::Range)?;
    let last = last.strip_prefix('=').unwrap_or(last);
    let first: u64 = first.trim().parse().map_err(|_| KeysError::Range)?;
    let last: u64 = last.trim().parse().map_err(|_| KeysError::Range)?;
    if last < first {
        return Err(KeysError::Range);
    }
    if last - first >= MAX_DEVICES {
        return Err(KeysError::TooMany);
    }
    (first..=last)
        .map(|n| {
            let key = format!("{prefix}{n}");
            DeviceKey::new(key.clone()).map_err(|_| KeysError::Key(key))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_include_both_ends() {
        let keys = device_keys("sim-", "9..11").unwrap();
        assert_eq!(keys.iter().map(DeviceKey::as_str).collect::<Vec<_>>(), ["sim-9", "sim-10", "sim-11"]);
        assert_eq!(device_keys("", "1..=1").unwrap()[0].as_str(), "1");
        assert_eq!(device_keys("", "2..1"), Err(KeysError::Range));
        assert_eq!(device_keys("", "1"), Err(KeysError::Range));
        assert_eq!(device_keys("", "0..100000"), Err(KeysError::TooMany));
        assert_eq!(device_keys("a/", "1..1"), Err(KeysError::Key("a/1".into())));
    }
}
