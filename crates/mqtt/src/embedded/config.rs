//! What the embedded broker is told at start.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use argosy_domain::ports::PresentedCertificate;
use argosy_proto::DeviceKey;

use super::throttle::RateLimit;

/// Reads from a verified leaf certificate (DER) who presents it, in the words of the allow-list. The authority's crate has it:
/// what is compared must be written by the same code that wrote the allow-list.
pub type CertificateReader = Arc<
    dyn Fn(&[u8]) -> Result<PresentedCertificate, Box<dyn std::error::Error + Send + Sync>> + Send + Sync,
>;

/// The listener for devices with certificates.
pub struct MtlsListener {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Requires and verifies the client's certificate. Its resolver may change its answer: open connections stay.
    pub tls: Arc<rustls::ServerConfig>,
    /// Who presents a certificate.
    pub reader: CertificateReader,
}

impl fmt::Debug for MtlsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MtlsListener").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The listener without TLS, for old devices and development.
#[derive(Debug, Clone)]
pub struct PlainListener {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Which keys may come; the registry is asked too.
    pub allow: PlainAllow,
    /// The address may be one that other machines reach.
    pub beyond_loopback: bool,
}

/// Limits of the device plane. Every one of them is enforced.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open sockets, those in their handshake included.
    pub max_connections: usize,
    /// From accept to a complete CONNECT, TLS handshake included.
    pub connect_timeout: Duration,
    /// How long the registry may take to say who a device is.
    pub authenticate_timeout: Duration,
    /// How long a message may take to become durable; then its device is disconnected and sends it again.
    pub ingest_timeout: Duration,
    /// Payload of a message or a will, in bytes.
    pub max_payload: usize,
    /// A device that asks for a longer MQTT keepalive, or none, gets this one: after half as much again of silence it is closed.
    pub max_keepalive: Duration,
    /// A peer whose TCP answers nothing for this long is given up, whatever its keepalive.
    pub dead_peer_after: Duration,
    /// Messages to a device that it has not acknowledged; further ones are refused.
    pub max_unacknowledged: usize,
    /// Own subscriptions of a device, besides those that it gets by itself.
    pub max_subscriptions: usize,
    /// What one device may send.
    pub rate: RateLimit,
    /// How long a write to a device may block.
    pub send_timeout: Duration,
    /// How long open sessions have to end by themselves at a stop.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 100_000,
            connect_timeout: Duration::from_secs(20),
            authenticate_timeout: Duration::from_secs(10),
            ingest_timeout: Duration::from_secs(30),
            max_payload: 64 * 1024,
            max_keepalive: Duration::from_secs(20 * 60),
            dead_peer_after: Duration::from_secs(120),
            max_unacknowledged: 32,
            max_subscriptions: 32,
            rate: RateLimit::default(),
            send_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// Messages on their way to a device at a time.
    pub(super) const IN_FLIGHT: NonZeroU16 = NonZeroU16::new(16).expect("not zero");

    /// The longest MQTT packet: a payload, a topic, and what MQTT puts around them.
    pub(super) fn max_packet(&self) -> u32 {
        u32::try_from(self.max_payload.saturating_add(4096)).unwrap_or(u32::MAX)
    }
}

/// Which keys the plain listener takes: single keys and ranges of decimal ones. Empty takes none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlainAllow {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Key(DeviceKey),
    Range(u64, u64),
}

/// The text is no list of keys and ranges.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?} is neither a device key nor a range of decimal keys such as 1..500")]
pub struct PlainAllowError {
    /// The entry.
    pub entry: String,
}

impl PlainAllow {
    /// Whether `key` is on the list.
    pub fn allows(&self, key: &DeviceKey) -> bool {
        // A range speaks of the canonical decimal form only: "007" is another key than "7".
        let number = key.as_str().parse::<u64>().ok().filter(|n| n.to_string() == key.as_str());
        self.entries.iter().any(|entry| match entry {
            Entry::Key(k) => k == key,
            Entry::Range(from, to) => number.is_some_and(|n| (*from..=*to).contains(&n)),
        })
    }

    /// Whether it takes nobody.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl FromStr for PlainAllow {
    type Err = PlainAllowError;

    /// Entries separated by commas: `dev-1, 1..500` (both ends belong to a range).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let entries = text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(|entry| {
                let wrong = || PlainAllowError { entry: entry.to_owned() };
                match entry.split_once("..") {
                    Some((from, to)) => {
                        let from = from.trim().parse().map_err(|_| wrong())?;
                        let to = to.trim().parse().map_err(|_| wrong())?;
                        if from > to {
                            return Err(wrong());
                        }
                        Ok(Entry::Range(from, to))
                    }
                    None => DeviceKey::new(entry).map(Entry::Key).map_err(|_| wrong()),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_ranges() {
        let allow: PlainAllow = "dev-1, 1..500,9".parse().expect("list");
        let allows = |key: &str| allow.allows(&DeviceKey::new(key).expect("key"));
        for key in ["dev-1", "1", "500", "42", "9"] {
            assert!(allows(key), "{key}");
        }
        for key in ["dev-2", "0", "501", "007", "42.0", "dev-10"] {
            assert!(!allows(key), "{key}");
        }
    }

    #[test]
    fn the_empty_list_allows_nobody() {
        let allow: PlainAllow = " ".parse().expect("list");
        assert!(allow.is_empty());
        assert!(!allow.allows(&DeviceKey::new("1").expect("key")));
    }

    #[test]
    fn nonsense_is_named() {
        for bad in ["5..1", "a..b", "1..", "in valid"] {
            let error = bad.parse::<PlainAllow>().expect_err(bad);
            assert_eq!(error.entry, bad);
        }
    }
}
