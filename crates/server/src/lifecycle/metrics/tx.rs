//! How long units of work hold the database: the promise is 50 ms at most in normal running.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use argosy_http::metrics::{MetricsSource, MetricsText};
use argosy_store::sql::TxObserver;
use parking_lot::Mutex;

/// Upper bounds in seconds.
const BOUNDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// One histogram a purpose. Purposes are words of our own code: there are few.
#[derive(Debug, Clone, Default)]
pub(crate) struct TxHistogram(Arc<Mutex<BTreeMap<&'static str, Series>>>);

#[derive(Debug, Default)]
struct Series {
    /// Observations by the bucket they fell in; the last one is beyond all bounds.
    buckets: [u64; BOUNDS.len() + 1],
    seconds: f64,
    rolled_back: u64,
}

impl TxObserver for TxHistogram {
    fn observe(&self, purpose: &'static str, held: Duration, committed: bool) {
        let seconds = held.as_secs_f64();
        let mut all = self.0.lock();
        let series = all.entry(purpose).or_default();
        let at = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        series.buckets[at] += 1;
        series.seconds += seconds;
        series.rolled_back += u64::from(!committed);
    }
}

impl MetricsSource for TxHistogram {
    fn write(&self, out: &mut MetricsText) {
        for (purpose, series) in &*self.0.lock() {
            let labels = [("purpose", *purpose)];
            let mut up_to = 0;
            let buckets = BOUNDS.iter().zip(series.buckets).map(|(bound, count)| {
                up_to += count;
                (*bound, up_to)
            });
            let buckets: Vec<_> = buckets.collect();
            let help = "How long units of work held the database.";
            let count = series.buckets.iter().sum();
            out.histogram("argosy_tx_seconds", help, &labels, &buckets, series.seconds, count);
            let help = "Units of work that were given up.";
            out.counter("argosy_tx_rolled_back_total", help, &labels, series.rolled_back);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_fall_into_their_buckets() {
        let histogram = TxHistogram::default();
        for (ms, committed) in [(1, true), (50, true), (51, false), (9000, true)] {
            histogram.observe("ingest", Duration::from_millis(ms), committed);
        }
        let mut out = MetricsText::default();
        histogram.write(&mut out);
        let text = out.render();
        for line in [
            "argosy_tx_seconds_bucket{purpose=\"ingest\",le=\"0.001\"} 1",
            "argosy_tx_seconds_bucket{purpose=\"ingest\",le=\"0.05\"} 2",
            "argosy_tx_seconds_bucket{purpose=\"ingest\",le=\"0.1\"} 3",
            "argosy_tx_seconds_bucket{purpose=\"ingest\",le=\"5\"} 3",
            "argosy_tx_seconds_bucket{purpose=\"ingest\",le=\"+Inf\"} 4",
            "argosy_tx_rolled_back_total{purpose=\"ingest\"} 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
