//! `mqtt`: the device plane.

use std::net::SocketAddr;
use std::time::Duration;

use argosy_mqtt::embedded::{Limits, PlainAllow, RateLimit};

use crate::config::check::Findings;
use crate::config::key::section;
use crate::config::value::{List, Size, Switch};

section! {
    /// The embedded MQTT broker, where devices with certificates connect (mutual TLS).
    Mqtt at "mqtt" {
        /// Where to listen.
        listen: SocketAddr = SocketAddr::from(([0, 0, 0, 0], 8883)), Limit::Any;
        @ plain: MqttPlain;
        @ limits: MqttLimits;
    }
}

section! {
    /// MQTT without TLS, for old devices and development. Devices on it are known by their client id alone, and anybody on the
    /// way reads along.
    MqttPlain at "mqtt.plain" {
        /// Where to listen, or `"off"`.
        listen: Switch<SocketAddr> = Switch::Off, Limit::Any;
        /// Which device keys may come without a certificate: keys, and ranges of decimal keys (`"1..500"`, both ends
        /// included). A device that was ever given a certificate is refused here all the same.
        allow: List = List::default(), Limit::Said("device keys and ranges of decimal keys");
        /// Listen on an address that other machines can reach. Without it only a loopback address is taken.
        beyond_loopback: bool = false, Limit::Any;
    }
}

section! {
    /// What one device may do, and how many there may be. Every limit is enforced.
    MqttLimits at "mqtt.limits" {
        /// Open connections, those in their handshake included; further ones are refused.
        max_connections: u32 = 100_000, Limit::Range(1, 10_000_000);
        /// Seconds from the TCP connection to a complete CONNECT, TLS handshake included.
        connect_timeout_seconds: u32 = 20, Limit::Range(1, 300);
        /// Seconds that the registry may take to say who a device is.
        authenticate_timeout_seconds: u32 = 10, Limit::Range(1, 300);
        /// Seconds that a message may take to become durable; then its device is disconnected, and sends it again.
        ingest_timeout_seconds: u32 = 30, Limit::Range(1, 600);
        /// The largest payload of a message.
        max_payload: Size = Size(64 * 1024), Limit::Range(1024, 16 * 1024 * 1024);
        /// The longest MQTT keepalive; a device that asks for a longer one, or none, gets this one. It is closed after half as
        /// much again without a word.
        max_keepalive_seconds: u32 = 1200, Limit::Range(10, 43_200);
        /// A peer whose TCP answers nothing for so many seconds is given up, whatever its keepalive.
        dead_peer_seconds: u32 = 120, Limit::Range(10, 3600);
        /// Messages to a device that it has not acknowledged; further ones are refused.
        max_unacknowledged: u32 = 32, Limit::Range(1, 1000);
        /// Own subscriptions of a device, besides those that it gets by itself.
        max_subscriptions: u32 = 32, Limit::Range(0, 1000);
        /// Packets that a device may send a second, on average. One that sends faster is slowed down.
        rate_per_second: u32 = 20, Limit::Range(1, 100_000);
        /// Packets at once after a pause.
        rate_burst: u32 = 200, Limit::Range(1, 1_000_000);
        /// Seconds that a device may keep sending faster than its rate before it is disconnected.
        rate_patience_seconds: u32 = 30, Limit::Range(1, 3600);
        /// Seconds that a write to a device may block.
        send_timeout_seconds: u32 = 10, Limit::Range(1, 300);
    }
}

impl MqttPlain {
    /// The list of keys.
    pub(crate) fn allow(&self) -> Result<PlainAllow, String> {
        self.allow.0.join(",").parse::<PlainAllow>().map_err(|error| error.to_string())
    }

    pub(crate) fn check(&self, found: &mut Findings<'_>) {
        let allow = self.allow();
        if let Err(error) = &allow {
            found.error("mqtt.plain.allow", error.clone(), "write [\"dev-1\", \"1..500\"]");
        }
        let Some(listen) = self.listen.value() else {
            if !self.allow.0.is_empty() {
                found.warning(
                    "mqtt.plain.allow",
                    "keys are listed, but the plain listener is off".to_owned(),
                    "set mqtt.plain.listen (127.0.0.1:1883), or remove the list",
                );
            }
            return;
        };
        if allow.is_ok_and(|allow| allow.is_empty()) {
            found.warning(
                "mqtt.plain.allow",
                "the plain listener is on, but its list is empty: it takes nobody".to_owned(),
                "list the keys of the devices that may come without a certificate, or set mqtt.plain.listen to \"off\"",
            );
        }
        match (listen.ip().is_loopback(), self.beyond_loopback) {
            (true, _) => {}
            (false, false) => found.error(
                "mqtt.plain.listen",
                format!("MQTT without TLS would be reachable from other machines at {listen}"),
                "listen on 127.0.0.1, or set mqtt.plain.beyond_loopback = true if you mean it",
            ),
            (false, true) => found.warning(
                "mqtt.plain.listen",
                format!("MQTT without TLS is reachable from other machines at {listen}: anybody there can pose as a listed device"),
                "give the devices certificates and set mqtt.plain.listen to \"off\" as soon as you can",
            ),
        }
    }
}

impl MqttLimits {
    /// As the broker takes them.
    pub(crate) fn build(&self) -> Limits {
        let seconds = |n: u32| Duration::from_secs(u64::from(n));
        Limits {
            max_connections: self.max_connections as usize,
            connect_timeout: seconds(self.connect_timeout_seconds),
            authenticate_timeout: seconds(self.authenticate_timeout_seconds),
            ingest_timeout: seconds(self.ingest_timeout_seconds),
            max_payload: usize::try_from(self.max_payload.0).unwrap_or(usize::MAX),
            max_keepalive: seconds(self.max_keepalive_seconds),
            dead_peer_after: seconds(self.dead_peer_seconds),
            max_unacknowledged: self.max_unacknowledged as usize,
            max_subscriptions: self.max_subscriptions as usize,
            rate: RateLimit {
                per_second: f64::from(self.rate_per_second),
                burst: self.rate_burst,
                patience: seconds(self.rate_patience_seconds),
            },
            send_timeout: seconds(self.send_timeout_seconds),
            ..Limits::default()
        }
    }

    pub(crate) fn check(&self, expected_devices: u32, found: &mut Findings<'_>) {
        if self.max_connections < expected_devices {
            found.warning(
                "mqtt.limits.max_connections",
                format!(
                    "{} connections are fewer than fleet.expected_devices ({expected_devices})",
                    self.max_connections
                ),
                "raise it: devices beyond it are refused",
            );
        }
    }
}
