//! What the load counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::payload::BASE;
use super::{LoadConfig, LoadReport};

/// Times that are remembered at most, for the percentiles.
const TIMES: usize = 1_000_000;

/// A device, and the numbers of it that were acknowledged, as ranges from and to.
type Numbers = (String, Vec<(u64, u64)>);

/// Counters of a run.
pub(super) struct Tally {
    connected: AtomicUsize,
    there: watch::Sender<bool>,
    acked: AtomicU64,
    delivered_bytes: AtomicU64,
    reconnects: AtomicU64,
    payload: AtomicUsize,
    window: Mutex<Window>,
    numbers: Mutex<Vec<Numbers>>,
}

/// The counted time.
#[derive(Default)]
struct Window {
    begin: Option<(Instant, u64)>,
    end: Option<(Instant, u64)>,
    times: Vec<Duration>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            connected: AtomicUsize::new(0),
            there: watch::Sender::new(false),
            acked: AtomicU64::new(0),
            delivered_bytes: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            payload: AtomicUsize::new(0),
            window: Mutex::default(),
            numbers: Mutex::default(),
        }
    }
}

impl Tally {
    pub(super) fn one_connected(&self) {
        self.connected.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connected(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }

    pub(super) fn everybody_is_there(&self) {
        self.there.send_replace(true);
    }

    pub(super) async fn wait_for_all(&self) {
        // The sender lives as long as this.
        let _ = self.there.subscribe().wait_for(|there| *there).await;
    }

    pub(super) fn payload(&self, bytes: usize) {
        self.payload.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn acked(&self, count: u64) {
        self.acked.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn took(&self, time: Duration) {
        let mut window = self.window.lock();
        if window.begin.is_some() && window.end.is_none() && window.times.len() < TIMES {
            window.times.push(time);
        }
    }

    pub(super) fn delivered(&self, bytes: u64) {
        self.delivered_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn numbers(&self, key: &str, ranges: Vec<(u64, u64)>) {
        let ranges = ranges.into_iter().map(|(from, to)| (from + BASE, to + BASE)).collect();
        self.numbers.lock().push((key.to_owned(), ranges));
    }

    pub(super) fn begin(&self) {
        self.window.lock().begin = Some((Instant::now(), self.acked.load(Ordering::Relaxed)));
    }

    pub(super) fn end(&self) {
        self.window.lock().end = Some((Instant::now(), self.acked.load(Ordering::Relaxed)));
    }

    pub(super) fn report(&self, config: &LoadConfig) -> LoadReport {
        let mut window = self.window.lock();
        let (acked, seconds) = match (window.begin, window.end) {
            (Some((begin, before)), Some((end, after))) => {
                (after - before, end.duration_since(begin).as_secs_f64())
            }
            _ => (0, 0.0),
        };
        window.times.sort_unstable();
        let percentile = |percent: usize| {
            let place = (window.times.len() * percent / 100).min(window.times.len().saturating_sub(1));
            window.times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
        };
        let mut numbers = std::mem::take(&mut *self.numbers.lock());
        numbers.sort_unstable();
        let payload_bytes = self.payload.load(Ordering::Relaxed);
        LoadReport {
            devices: config.keys.len(),
            acked,
            acked_per_s: if seconds > 0.0 { acked as f64 / seconds } else { 0.0 },
            acked_total: self.acked.load(Ordering::Relaxed),
            seconds,
            payload_bytes,
            p50_ms: percentile(50),
            p99_ms: percentile(99),
            delivered: self.delivered_bytes.load(Ordering::Relaxed) / payload_bytes.max(1) as u64,
            reconnects: self.reconnects.load(Ordering::Relaxed),
            numbers,
        }
    }
}
