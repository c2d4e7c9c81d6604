//! What the binary adds to `/metrics`: the registry's units of work, the device plane, the process. The HTTP server itself writes its
//! own numbers, the engine's and the cache's.

mod process;
mod tx;

use std::sync::Arc;

use argosy_http::metrics::{MetricsSource, MetricsText};
use argosy_mqtt::LinkMetrics;

pub(crate) use self::process::ProcessMetrics;
pub(crate) use self::tx::TxHistogram;

/// The device plane's numbers.
pub(crate) struct LinkSource(pub(crate) Arc<LinkMetrics>);

impl MetricsSource for LinkSource {
    fn write(&self, out: &mut MetricsText) {
        for sample in self.0.samples() {
            let labels: Vec<_> = sample.label.into_iter().collect();
            if sample.name.ends_with("_total") {
                out.counter(sample.name, "Counted by the device plane.", &labels, sample.value);
            } else {
                out.gauge(sample.name, "The device plane now.", &labels, sample.value as f64);
            }
        }
    }
}
