//! The address of a server.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

/// `http://host[:port]` or `https://host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    /// With TLS.
    pub tls: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Default for Base {
    fn default() -> Self {
        Self { tls: false, host: "127.0.0.1".to_owned(), port: 8080 }
    }
}

impl Base {
    /// `host:port`, with brackets around an IPv6 address.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether passwords would leave this machine in clear.
    pub(crate) fn is_open(&self) -> bool {
        let loopback = self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        !self.tls && !loopback
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

impl FromStr for Base {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not an address of the form http://host:port or https://host:port");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('@') {
            return Err(wrong());
        }
        let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { tls, host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, shown, open) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", false),
            ("https://ota.example.com", "https://ota.example.com:443", false),
            ("http://[::1]:8080/", "http://[::1]:8080", false),
            ("http://ota.example.com:8080", "http://ota.example.com:8080", true),
        ] {
            let base: Base = text.parse().unwrap();
            assert_eq!((base.to_string().as_str(), base.is_open()), (shown, open));
        }
        for bad in ["", "localhost", "ftp://a", "http://a/path", "http://user:pw@a", "http://a?x"] {
            assert!(bad.parse::<Base>().is_err(), "{bad}");
        }
    }
}
