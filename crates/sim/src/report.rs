//! The report at the end of a run, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use crate::counters::Counters;

/// What a fleet did. Times in milliseconds; `*_at_ms` since the epoch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Devices in the fleet.
    pub devices: u64,
    /// How long it ran.
    pub ran_ms: u64,
    /// Devices with a session at the end.
    pub online: u64,
    /// Requests taken up.
    pub requests: u64,
    /// Updates that ended well.
    pub succeeded: u64,
    /// Updates that ended badly.
    pub failed: u64,
    /// Of them, rolled back.
    pub rolled_back: u64,
    /// Devices that had at least one update that ended.
    pub settled: u64,
    /// Devices that run the image that was waited for.
    pub at_target: u64,
    /// Attempts that failed and were repeated, by reason.
    pub retries: BTreeMap<String, u64>,
    /// Updates that ended badly, by reason.
    pub failures: BTreeMap<String, u64>,
    /// From the request's arrival to the acknowledged report of success.
    pub update_ms: Percentiles,
    /// From the first range asked for to the last byte.
    pub download_ms: Percentiles,
    /// Bytes of images received.
    pub bytes_downloaded: u64,
    /// Bytes of images that were complete and right.
    pub bytes_verified: u64,
    /// Images with a wrong hash.
    pub corrupt_images: u64,
    /// Crashed starts of new images.
    pub crashes: u64,
    /// Restarts into new images.
    pub reboots: u64,
    /// Sessions with the broker.
    pub mqtt_connections: u64,
    /// Full TLS handshakes with the broker.
    pub mqtt_handshakes: u64,
    /// Connections to the download server.
    pub http_connections: u64,
    /// Full TLS handshakes with the download server.
    pub http_handshakes: u64,
    /// Messages published.
    pub published: u64,
    /// Messages received.
    pub received: u64,
    /// Messages that devices had to drop.
    pub dropped: u64,
    /// Sets of content shown.
    pub content_shown: u64,
    /// Content requests that ended badly.
    pub content_failed: u64,
    /// Bytes of content received.
    pub content_bytes: u64,
    /// Devices registered with a code.
    pub registered: u64,
    /// Certificates renewed.
    pub renewed: u64,
    /// Sales, errors and telemetry told.
    pub told: u64,
    /// When the first range was asked for.
    pub first_get_at_ms: Option<u64>,
    /// When the last byte of a right image came.
    pub last_byte_at_ms: Option<u64>,
}

/// Half, nineteen in twenty, ninety-nine in a hundred took at most so long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Half.
    pub p50: u32,
    /// 95 %.
    pub p95: u32,
    /// 99 %.
    pub p99: u32,
    /// All.
    pub max: u32,
}

impl Percentiles {
    fn of(mut times: Vec<u32>) -> Self {
        times.sort_unstable();
        // Nearest rank.
        let at = |percent: usize| {
            times.get((times.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap_or(0)
        };
        Self { p50: at(50), p95: at(95), p99: at(99), max: at(100) }
    }
}

impl Report {
    pub(crate) fn from_counters(counters: &Counters, devices: u64, ran_ms: u64) -> Self {
        let samples = counters.samples();
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Relaxed);
        Self {
            devices,
            ran_ms,
            online: get(&counters.online),
            requests: get(&counters.requests),
            succeeded: get(&counters.succeeded),
            failed: get(&counters.failed),
            rolled_back: get(&counters.rolled_back),
            settled: get(&counters.settled),
            at_target: get(&counters.at_target),
            retries: counters.retries(),
            failures: counters.failures(),
            update_ms: Percentiles::of(samples.iter().map(|s| s.update_ms).collect()),
            download_ms: Percentiles::of(samples.iter().map(|s| s.download_ms).collect()),
            bytes_downloaded: get(&counters.bytes_downloaded),
            bytes_verified: get(&counters.bytes_verified),
            corrupt_images: get(&counters.corrupt_images),
            crashes: get(&counters.crashes),
            reboots: get(&counters.reboots),
            mqtt_connections: get(&counters.mqtt_connections),
            mqtt_handshakes: get(&counters.mqtt_handshakes),
            http_connections: get(&counters.http_connections),
            http_handshakes: get(&counters.http_handshakes),
            published: get(&counters.published),
            received: get(&counters.received),
            dropped: get(&counters.dropped),
            content_shown: get(&counters.content_shown),
            content_failed: get(&counters.content_failed),
            content_bytes: get(&counters.content_bytes),
            registered: get(&counters.registered),
            renewed: get(&counters.renewed),
            told: get(&counters.told),
            first_get_at_ms: counters.first_get_ms(),
            last_byte_at_ms: counters.last_byte_ms(),
        }
    }

    /// Seconds from the first range asked for to the last byte.
    pub fn transfer_s(&self) -> Option<f64> {
        let (first, last) = (self.first_get_at_ms?, self.last_byte_at_ms?);
        Some(last.saturating_sub(first) as f64 / 1e3)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |ms: u32| f64::from(ms) / 1e3;
        let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
        let times = |p: &Percentiles| {
            let [p50, p95, p99, max] = [p.p50, p.p95, p.p99, p.max].map(seconds);
            format!("p50 {p50:.2} s   p95 {p95:.2} s   p99 {p99:.2} s   max {max:.2} s")
        };
        writeln!(
            f,
            "devices      {} ({} online), ran {:.1} s",
            self.devices,
            self.online,
            self.ran_ms as f64 / 1e3
        )?;
        writeln!(
            f,
            "updates      {} requested, {} succeeded, {} failed ({} rolled back)",
            self.requests, self.succeeded, self.failed, self.rolled_back
        )?;
        if self.content_shown + self.content_failed > 0 {
            writeln!(
                f,
                "content      {} sets shown, {} failed; {:.1} MiB",
                self.content_shown,
                self.content_failed,
                mib(self.content_bytes)
            )?;
        }
        if self.registered + self.renewed + self.told > 0 {
            writeln!(
                f,
                "beside       {} registered, {} certificates renewed, {} sales, errors and rows told",
                self.registered, self.renewed, self.told
            )?;
        }
        for (title, table) in [("failures", &self.failures), ("retries", &self.retries)] {
            for (reason, n) in table {
                writeln!(f, "{title:<12} {n:>6} x {reason}")?;
            }
        }
        writeln!(f, "update time  {}", times(&self.update_ms))?;
        writeln!(f, "download     {}", times(&self.download_ms))?;
        write!(
            f,
            "bytes        {:.1} MiB downloaded, {:.1} MiB verified",
            mib(self.bytes_downloaded),
            mib(self.bytes_verified)
        )?;
        match self.transfer_s() {
            Some(s) if s > 0.0 => writeln!(f, " in {s:.2} s ({:.0} MiB/s)", mib(self.bytes_verified) / s)?,
            _ => writeln!(f)?,
        }
        writeln!(
            f,
            "connections  {} to the broker ({} full handshakes), {} to the download server ({})",
            self.mqtt_connections, self.mqtt_handshakes, self.http_connections, self.http_handshakes
        )?;
        write!(
            f,
            "devices did  {} restarts, {} crashes, {} wrong images; {} messages sent, {} received, {} dropped",
            self.reboots, self.crashes, self.corrupt_images, self.published, self.received, self.dropped
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let p = Percentiles::of((1..=100).rev().collect());
        assert_eq!(p, Percentiles { p50: 50, p95: 95, p99: 99, max: 100 });
        assert_eq!(Percentiles::of(vec![]), Percentiles::default());
        assert_eq!(Percentiles::of(vec![7]), Percentiles { p50: 7, p95: 7, p99: 7, max: 7 });
    }
}
