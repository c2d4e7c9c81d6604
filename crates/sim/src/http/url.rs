//! Absolute URLs, as far as a device looks into them.

use std::net::SocketAddr;

use rustls_pki_types::ServerName;

/// An `http` or `https` URL in its parts. `Debug` leaves out the query: a signature may be in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query.
    pub(crate) target: String,
}

/// The text is not such a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    #[error("a URL begins with http:// or https://")]
    Scheme,
    #[error("the URL's host or port is malformed")]
    Authority,
    #[error("the URL holds a space or a control character")]
    Character,
    #[error("the URL's host is neither a name nor an address")]
    Name,
    #[error("the URL's host cannot be resolved")]
    Resolve,
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{}://{}:{}{path}", if self.tls { "https" } else { "http" }, self.host, self.port)
    }
}

impl std::str::FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        // What cannot be in a URL could end the request line and begin another request.
        if text.bytes().any(|b| b <= b' ' || b == 0x7F) {
            return Err(UrlError::Character);
        }
        let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(UrlError::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let target = target.split('#').next().unwrap_or_default();
        let (host, port) = split_port(authority).ok_or(UrlError::Authority)?;
        let port = match port {
            None => {
                if tls {
                    443
                } else {
                    80
                }
            }
            Some(port) => port.parse().map_err(|_| UrlError::Authority)?,
        };
        if host.is_empty() || host.contains('@') {
            return Err(UrlError::Authority);
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { tls, host: host.to_owned(), port, target: format!("{slash}{target}") })
    }
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(v6) = authority.strip_prefix('[') {
        let (host, after) = v6.split_once(']')?;
        return match after {
            "" => Some((host, None)),
            _ => Some((host, Some(after.strip_prefix(':')?))),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

impl Url {
    /// The value of the `Host` header.
    pub(crate) fn host_header(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// The name that the server's certificate must have.
    pub(crate) fn server_name(&self) -> Result<ServerName<'static>, UrlError> {
        ServerName::try_from(self.host.clone()).map_err(|_| UrlError::Name)
    }

    /// Its address; the first one, if the name has several.
    pub(crate) async fn resolve(&self) -> Result<SocketAddr, UrlError> {
        if let Ok(ip) = self.host.parse() {
            return Ok(SocketAddr::new(ip, self.port));
        }
        let mut found =
            tokio::net::lookup_host((self.host.as_str(), self.port)).await.map_err(|_| UrlError::Resolve)?;
        found.next().ok_or(UrlError::Resolve)
    }

    /// Whether one connection serves both.
    pub(crate) fn same_server(&self, other: &Self) -> bool {
        (self.tls, &self.host, self.port) == (other.tls, &other.host, other.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let url: Url = "https://files.example:8443/a/b?x=1&y=2#frag".parse().unwrap();
        assert_eq!((url.tls, url.host.as_str(), url.port), (true, "files.example", 8443));
        assert_eq!(url.target, "/a/b?x=1&y=2");
        assert_eq!(url.host_header(), "files.example:8443");
        assert_eq!(format!("{url:?}"), "https://files.example:8443/a/b");
        let v6: Url = "http://[::1]:80".parse().unwrap();
        assert_eq!((v6.host.as_str(), v6.port, v6.target.as_str()), ("::1", 80, "/"));
        assert_eq!(v6.host_header(), "[::1]");
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for (text, error) in [
            ("ftp://a/", UrlError::Scheme),
            ("https://", UrlError::Authority),
            ("https://a:b/", UrlError::Authority),
            ("https://u@a/", UrlError::Authority),
            ("https://a/x y", UrlError::Character),
            ("https://a/x\r\nEvil: 1", UrlError::Character),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
        }
    }
}
