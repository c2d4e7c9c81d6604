//! What happens in the fleet, counted while it happens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The times of one successful update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) update_ms: u32,
    pub(crate) download_ms: u32,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Live counters. All are monotonic but `online` and `at_target`.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
            first_get_ms: AtomicU64,
            last_byte_ms: AtomicU64,
            failures: Mutex<BTreeMap<String, u64>>,
            retries: Mutex<BTreeMap<String, u64>>,
            samples: Mutex<Vec<Sample>>,
            changed: Notify,
        }
    };
}

counters! {
    /// Devices with a session now.
    online,
    /// Requests taken up.
    requests,
    /// Updates that ended well, told to the server and acknowledged by it.
    succeeded,
    /// Updates that ended badly, told to the server and acknowledged by it.
    failed,
    /// Of them, rolled back.
    rolled_back,
    /// Devices that had at least one update that ended.
    settled,
    /// Devices that run the image of `until_hash`, confirmed, and told so.
    at_target,
    /// Sessions with the broker.
    mqtt_connections,
    /// Connections to the download server.
    http_connections,
    /// Full TLS handshakes with the broker.
    mqtt_handshakes,
    /// Full TLS handshakes with the download server.
    http_handshakes,
    /// Bytes of images received.
    bytes_downloaded,
    /// Bytes of images that were complete and had the right hash.
    bytes_verified,
    /// Images that had a wrong hash.
    corrupt_images,
    /// Starts of a new image that crashed.
    crashes,
    /// Restarts into a new image.
    reboots,
    /// Messages published.
    published,
    /// Messages received.
    received,
    /// Messages that no longer fitted into a device's outbox.
    dropped,
    /// Sets of content that are shown, told to the server and acknowledged by it.
    content_shown,
    /// Content requests that ended badly.
    content_failed,
    /// Bytes of content received.
    content_bytes,
    /// Devices registered with a code.
    registered,
    /// Certificates renewed.
    renewed,
    /// Sales, errors and telemetry told.
    told,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }

    pub(crate) fn fetch_began(&self, now_ms: u64) {
        // 0 is "never".
        let _ = self.first_get_ms.compare_exchange(0, now_ms, Relaxed, Relaxed);
    }

    pub(crate) fn image_complete(&self, now_ms: u64, size: u32) {
        self.last_byte_ms.fetch_max(now_ms, Relaxed);
        Self::add(&self.bytes_verified, u64::from(size));
    }

    /// An attempt failed and will be made again.
    pub(crate) fn retry(&self, reason: &str) {
        count(&self.retries, reason);
    }

    pub(crate) fn success(&self, sample: Sample) {
        self.samples.lock().push(sample);
        Self::add(&self.succeeded, 1);
        self.changed.notify_one();
    }

    pub(crate) fn failure(&self, reason: &str, rolled_back: bool) {
        count(&self.failures, reason);
        Self::add(&self.failed, 1);
        Self::add(&self.rolled_back, u64::from(rolled_back));
        self.changed.notify_one();
    }

    pub(crate) fn first_settled(&self) {
        Self::add(&self.settled, 1);
        self.changed.notify_one();
    }

    pub(crate) fn target_reached(&self, reached: bool) {
        if reached {
            self.at_target.fetch_add(1, Relaxed);
        } else {
            self.at_target.fetch_sub(1, Relaxed);
        }
        self.changed.notify_one();
    }

    /// Waits until `done` holds; looks again at every update that ends.
    pub(crate) async fn until(&self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            self.changed.notified().await;
        }
    }

    /// When the first byte of an image was asked for, in milliseconds since the epoch.
    pub fn first_get_ms(&self) -> Option<u64> {
        Some(self.first_get_ms.load(Relaxed)).filter(|ms| *ms != 0)
    }

    /// When the last byte of an image that was right came, in milliseconds since the epoch.
    pub fn last_byte_ms(&self) -> Option<u64> {
        Some(self.last_byte_ms.load(Relaxed)).filter(|ms| *ms != 0)
    }

    pub(crate) fn failures(&self) -> BTreeMap<String, u64> {
        self.failures.lock().clone()
    }

    pub(crate) fn retries(&self) -> BTreeMap<String, u64> {
        self.retries.lock().clone()
    }

    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.samples.lock().clone()
    }
}

fn count(table: &Mutex<BTreeMap<String, u64>>, reason: &str) {
    let mut table = table.lock();
    match table.get_mut(reason) {
        Some(n) => *n += 1,
        None => {
            table.insert(reason.to_owned(), 1);
        }
    }
}

impl Counters {
    /// Whoever waits for something looks again.
    pub(crate) fn look_again(&self) {
        self.changed.notify_one();
    }

    pub(crate) fn content(&self, ended: Result<(), String>) {
        match ended {
            Ok(()) => Self::add(&self.content_shown, 1),
            Err(reason) => {
                count(&self.failures, &format!("content: {reason}"));
                Self::add(&self.content_failed, 1);
            }
        }
        self.changed.notify_one();
    }

    /// A gauge goes down.
    pub(crate) fn gone(gauge: &AtomicU64) {
        gauge.fetch_sub(1, Relaxed);
    }
}
