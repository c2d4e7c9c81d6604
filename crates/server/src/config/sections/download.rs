//! `download` and `uploads`: the bytes on their way out and in.

use crate::config::check::Findings;
use crate::config::key::section;
use crate::config::value::{Auto, Size, Switch};

section! {
    /// How devices fetch their images.
    Download at "download" {
        /// The https address that devices download from. `"auto"`: the first of `https.names` (`localhost` when that list
        /// is empty, which only devices on this machine reach) and the port of `https.listen`. Set it when a proxy or
        /// another name stands in front.
        public_url: Auto<String> = Auto::Auto, Limit::Said("`https://host[:port]`, without a path");
        /// The http address given to devices on the plain MQTT listener, who may not speak TLS; `"off"`: they get
        /// `public_url` too.
        plain_url: Switch<String> = Switch::Off, Limit::Said("`http://host[:port]`, without a path");
        /// Minutes that a download address works.
        url_minutes: u32 = 60, Limit::Range(5, 10_080);
        /// Memory for images that are being downloaded. Beyond it they are read again from the blob store.
        cache_bytes: Size = Size(256 * 1024 * 1024), Limit::Range(4 * 1024 * 1024, 1 << 40);
        /// Downloads that run at once; further ones wait. Each costs up to 100 kB of buffers beside its share of the cache.
        max_concurrent: u32 = 8192, Limit::Range(1, 1_000_000);
        /// Seconds that a download waits for its turn before it is told to come later (503).
        patience_seconds: u32 = 30, Limit::Range(0, 600);
        /// Bytes a second that a reader must take on average; a slower one is cut off, so that it cannot hold its place
        /// for ever.
        min_bytes_per_second: u32 = 256, Limit::Range(0, 1_000_000);
        /// Seconds over which that average is taken.
        min_rate_seconds: u32 = 60, Limit::Range(5, 3600);
    }
}

section! {
    /// Files that operators upload.
    Uploads at "uploads" {
        /// The largest file.
        max_bytes: Size = Size(256 * 1024 * 1024), Limit::Range(1024, 1 << 40);
        /// Seconds after which an upload that nothing was registered from is cleaned away.
        ttl_seconds: u32 = 3600, Limit::Range(60, 604_800);
    }
}

/// What is wrong with a base address: it is `scheme://host[:port]` and nothing more.
fn check_base(url: &str, scheme: &str) -> Result<(), String> {
    let Some(rest) = url.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")) else {
        return Err(format!("{url:?} does not begin with {scheme}://"));
    };
    let host = rest.strip_suffix('/').unwrap_or(rest);
    let strange = |c: char| !(c.is_ascii_alphanumeric() || "-._:[]".contains(c));
    if host.is_empty() || host.starts_with(':') || host.contains(strange) {
        return Err(format!("{url:?} is not an address of the form {scheme}://host:port"));
    }
    Ok(())
}

impl Download {
    /// Base of the addresses that devices get.
    pub(crate) fn public_url(&self, first_name: &str, port: u16) -> String {
        match self.public_url.value() {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if first_name.contains(':') => format!("https://[{first_name}]:{port}"),
            None => format!("https://{first_name}:{port}"),
        }
    }

    /// Base of the addresses for devices on the plain listener.
    pub(crate) fn plain_url(&self) -> Option<String> {
        self.plain_url.value().map(|url| url.trim_end_matches('/').to_owned())
    }

    pub(crate) fn check(&self, plain_mqtt: bool, found: &mut Findings<'_>) {
        for (key, url, scheme) in [
            ("download.public_url", self.public_url.value(), "https"),
            ("download.plain_url", self.plain_url.value(), "http"),
        ] {
            if let Some(Err(error)) = url.map(|url| check_base(url, scheme)) {
                found.error(key, error, &format!("write {scheme}://host:port, without a path"));
            }
        }
        if self.plain_url.value().is_some() && !plain_mqtt {
            found.warning(
                "download.plain_url",
                "it is given only to devices on the plain MQTT listener, which is off".to_owned(),
                "remove it, or set mqtt.plain.listen",
            );
        }
    }
}
