//! `http` and `https`: the two listeners of the API.

use std::net::SocketAddr;

use argosy_pki::ServerNames;

use crate::config::check::Findings;
use crate::config::key::section;
use crate::config::value::{List, Size, Switch};

section! {
    /// The listener without TLS, for the operator on this machine: API, console, metrics.
    Http at "http" {
        /// Where to listen, or `"off"`. Passwords and tokens pass here in clear: keep it on loopback, or behind a proxy that
        /// adds TLS.
        listen: Switch<SocketAddr> = Switch::Value(SocketAddr::from(([127, 0, 0, 1], 8080))), Limit::Any;
        /// Connections open at once, on this listener and `https.listen` together; further ones wait in the kernel's queue.
        max_connections: u32 = 20_000, Limit::Range(16, 1_000_000);
        /// Seconds that the head of a request may take; an idle connection is closed after them too.
        idle_seconds: u32 = 75, Limit::Range(1, 3600);
        /// Seconds that a TLS handshake may take.
        handshake_seconds: u32 = 20, Limit::Range(1, 300);
        /// The largest JSON body of a request.
        max_body: Size = Size(4 * 1024 * 1024), Limit::Range(64 * 1024, 64 * 1024 * 1024);
    }
}

section! {
    /// The listener with TLS: API, console, and the downloads of the devices. Its certificate comes from Argosy's own authority.
    Https at "https" {
        /// Where to listen.
        listen: SocketAddr = SocketAddr::from(([0, 0, 0, 0], 8443)), Limit::Any;
        /// Names and addresses that the server certificate is valid for, on this listener and on `mqtt.listen`. Name here
        /// what devices and browsers connect to; the first one stands in the download addresses. Empty: this machine's name,
        /// `localhost`, `127.0.0.1` and `::1`. A change makes a new certificate at the next start.
        names: List = List::default(), Limit::Said("host names and IP addresses, 100 at most");
    }
}

impl Http {
    pub(crate) fn check(&self, found: &mut Findings<'_>) {
        if let Some(listen) = self.listen.value()
            && !listen.ip().is_loopback()
        {
            found.warning(
                "http.listen",
                format!("the API without TLS is reachable from other machines at {listen}: passwords and tokens pass in clear"),
                "listen on 127.0.0.1 and use https.listen from elsewhere, or put a proxy with TLS in front",
            );
        }
    }
}

impl Https {
    /// What the certificate is valid for, given this machine's name.
    pub(crate) fn server_names(&self, host: Option<&str>) -> Result<ServerNames, String> {
        let mut names = self.names.0.clone();
        if names.is_empty() {
            let local = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
            names.extend(local);
            let host = host.map(str::to_ascii_lowercase).filter(|host| !names.contains(host));
            // A machine's name that cannot stand in a certificate is nobody's mistake: it is left out.
            names.extend(host.filter(|host| ServerNames::new([host.clone()]).is_ok()));
        }
        ServerNames::new(names).map_err(|error| error.to_string())
    }

    pub(crate) fn check(&self, found: &mut Findings<'_>) {
        if let Err(error) = self.server_names(None) {
            found.error(
                "https.names",
                error,
                "write host names (ota.example.com) or IP addresses, without port or scheme",
            );
        }
    }
}
