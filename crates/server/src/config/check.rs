//! What is wrong, or risky, with a configuration whose types are right.

use serde_json::Value;

use super::key::Limit;
use super::load::{Finding, Origin, Origins};
use super::{Config, all_keys};

/// Collects what is found.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    origins: &'a Origins,
    pub(super) errors: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
}

impl Findings<'_> {
    /// It cannot start like this.
    pub(crate) fn error(&mut self, key: &str, message: String, advice: &str) {
        self.errors.push(self.finding(key, message, advice));
    }

    /// It can, but somebody should know.
    pub(crate) fn warning(&mut self, key: &str, message: String, advice: &str) {
        self.warnings.push(self.finding(key, message, advice));
    }

    /// Where a key's value came from.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.origins.of(key)
    }

    fn finding(&self, key: &str, message: String, advice: &str) -> Finding {
        Finding { key: key.to_owned(), origin: self.origins.of(key), message, advice: advice.to_owned() }
    }
}

/// Errors and warnings of a configuration.
pub(super) fn check(config: &Config, origins: &Origins) -> (Vec<Finding>, Vec<Finding>) {
    let mut found = Findings { origins, errors: Vec::new(), warnings: Vec::new() };
    check_limits(config, &mut found);
    config.log.check(&mut found);
    config.http.check(&mut found);
    config.https.check(&mut found);
    config.mqtt.plain.check(&mut found);
    config.mqtt.limits.check(config.fleet.expected_devices, &mut found);
    config.database.check(&config.data_dir, &mut found);
    config.blobs.check(&config.data_dir, &mut found);
    config.series.check(&config.data_dir, &mut found);
    config.download.check(config.mqtt.plain.listen.value().is_some(), &mut found);
    config.ingest.check(&mut found);
    config.registration.check(&mut found);
    config.pki.check(&mut found);
    check_ports(config, &mut found);
    (found.errors, found.warnings)
}

/// The limits that stand in the table of keys.
fn check_limits(config: &Config, found: &mut Findings<'_>) {
    let values = serde_json::to_value(config).unwrap_or_default();
    for key in all_keys() {
        let Some(value) = at(&values, key.path()) else { continue };
        match key.limit {
            Limit::Range(from, to) if !value.as_u64().is_some_and(|n| (from..=to).contains(&n)) => {
                found.error(
                    key.path(),
                    format!("{value} is out of its limits"),
                    &format!("write {from} to {to}"),
                );
            }
            Limit::OneOf(words) if !value.as_str().is_some_and(|word| words.contains(&word)) => {
                found.error(
                    key.path(),
                    format!("{value} is not one of its values"),
                    &format!("write {}", words.join(" or ")),
                );
            }
            _ => {}
        }
    }
}

/// Two listeners cannot have the same address.
fn check_ports(config: &Config, found: &mut Findings<'_>) {
    let listeners = [
        ("http.listen", config.http.listen.value().copied()),
        ("https.listen", Some(config.https.listen)),
        ("mqtt.listen", Some(config.mqtt.listen)),
        ("mqtt.plain.listen", config.mqtt.plain.listen.value().copied()),
    ];
    for (at, (key, address)) in listeners.iter().enumerate() {
        for (other_key, other) in &listeners[..at] {
            let (Some(address), Some(other)) = (address, other) else { continue };
            let meet =
                address.ip() == other.ip() || address.ip().is_unspecified() || other.ip().is_unspecified();
            if address.port() == other.port() && address.port() != 0 && meet {
                found.error(
                    key,
                    format!("{address} is the same port as {other_key} ({other})"),
                    "give it another port",
                );
            }
        }
    }
}

/// The value at a dotted path.
pub(super) fn at<'a>(values: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(values, |value, part| value.get(part))
}
