//! What the listeners count.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::{MetricsSource, MetricsText};

/// Counters of the HTTP side. Bytes of downloads are those of bodies: headers and TLS are not in them.
#[derive(Debug, Default)]
pub struct HttpStats {
    /// Connections accepted by the plain listener.
    pub connections_plain: AtomicU64,
    /// Connections accepted by the TLS listener.
    pub connections_tls: AtomicU64,
    /// Connections that are open now.
    pub connections_open: AtomicU64,
    /// TLS handshakes that were completed.
    pub handshakes: AtomicU64,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: AtomicU64,
    /// Answers by the first digit of their status (index 0: 1xx).
    pub answers: [AtomicU64; 5],
    /// Downloads begun.
    pub downloads: AtomicU64,
    /// Downloads whose body was handed over whole.
    pub downloads_complete: AtomicU64,
    /// Downloads running now.
    pub downloads_open: AtomicU64,
    /// Downloads that found no slot in time.
    pub downloads_refused: AtomicU64,
    /// Bytes of artifacts that were handed to connections.
    pub download_bytes: AtomicU64,
    /// Connections that ended because the peer read too slowly.
    pub slow_readers: AtomicU64,
    /// Handlers that panicked.
    pub panics: AtomicU64,
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

pub(crate) fn sub(counter: &AtomicU64, n: u64) {
    counter.fetch_sub(n, Ordering::Relaxed);
}

pub(crate) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl HttpStats {
    pub(crate) fn answered(&self, status: u16) {
        if let Some(counter) = self.answers.get(usize::from(status / 100).wrapping_sub(1)) {
            add(counter, 1);
        }
    }
}

impl MetricsSource for HttpStats {
    fn write(&self, out: &mut MetricsText) {
        let name = "argosy_http_connections_total";
        out.counter(
            name,
            "HTTP connections accepted.",
            &[("listener", "plain")],
            get(&self.connections_plain),
        );
        out.counter(name, "HTTP connections accepted.", &[("listener", "tls")], get(&self.connections_tls));
        out.gauge(
            "argosy_http_connections_open",
            "HTTP connections open now.",
            &[],
            get(&self.connections_open) as f64,
        );
        let name = "argosy_http_handshakes_total";
        out.counter(name, "TLS handshakes of the HTTP listener.", &[("result", "ok")], get(&self.handshakes));
        out.counter(
            name,
            "TLS handshakes of the HTTP listener.",
            &[("result", "failed")],
            get(&self.handshakes_failed),
        );
        for (class, counter) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(&self.answers) {
            let help = "HTTP answers by class of status.";
            out.counter("argosy_http_answers_total", help, &[("class", class)], get(counter));
        }
        out.counter("argosy_downloads_total", "Downloads begun.", &[], get(&self.downloads));
        let help = "Downloads whose body was handed over whole.";
        out.counter("argosy_downloads_complete_total", help, &[], get(&self.downloads_complete));
        out.gauge("argosy_downloads_open", "Downloads running now.", &[], get(&self.downloads_open) as f64);
        let help = "Downloads that found no slot in time.";
        out.counter("argosy_downloads_refused_total", help, &[], get(&self.downloads_refused));
        let help = "Bytes of artifacts handed to connections (bodies only).";
        out.counter("argosy_download_bytes_total", help, &[], get(&self.download_bytes));
        let help = "Connections that ended because the peer read too slowly.";
        out.counter("argosy_http_slow_readers_total", help, &[], get(&self.slow_readers));
        out.counter("argosy_http_panics_total", "Handlers that panicked.", &[], get(&self.panics));
    }
}
