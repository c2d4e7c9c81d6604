//! `GET /d/{sha256}/{file}`: artifacts, by signed URL. On both listeners, past the router: this is the path that thousands
//! of devices take at once, so it does nothing but check, look up and hand over.

mod body;
mod gate;
mod range;
mod respond;

use std::time::Duration;

pub(crate) use body::DownloadBody;
pub(crate) use gate::DownloadGate;
pub(crate) use respond::{names, respond};

/// Limits of downloads.
#[derive(Debug, Clone)]
pub struct DownloadLimits {
    /// Downloads at once. One costs up to 100 kB of buffers, and its share of the cache's budget.
    pub max_concurrent: usize,
    /// How long one over the limit waits for a slot before it is answered with 503.
    pub patience: Duration,
    /// How long a URL for a person works.
    pub user_url_ttl: Duration,
}

impl Default for DownloadLimits {
    fn default() -> Self {
        Self {
            max_concurrent: 8192,
            patience: Duration::from_secs(30),
            user_url_ttl: Duration::from_secs(300),
        }
    }
}
