//! One connection to the server, opened when it is needed and again when it was lost.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::{Base, Body};
use crate::args::{Exit, Failure};

/// How long opening a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

pub(super) struct Connection {
    base: Base,
    tls: Option<TlsConnector>,
    sender: Option<SendRequest<Body>>,
    /// Drives the connection; ends with this client.
    driver: JoinSet<()>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(base: &Base, roots_pem: Option<&[u8]>) -> Result<Self, Failure> {
        let tls = if base.tls { Some(connector(roots_pem)?) } else { None };
        Ok(Self { base: base.clone(), tls, sender: None, driver: JoinSet::new() })
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        let ready = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !ready {
            self.sender = Some(self.open().await?);
        }
        let Some(sender) = &mut self.sender else { return Err(self.unreachable(&"no connection")) };
        match sender.send_request(request).await {
            Ok(response) => Ok(response),
            Err(error) => {
                self.sender = None;
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                Err(self.unreachable(&cause.unwrap_or_else(|| error.to_string())))
            }
        }
    }

    async fn open(&mut self) -> Result<SendRequest<Body>, Failure> {
        let address = (self.base.host.clone(), self.base.port);
        let stream = match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                let text = format!(
                    "{} cannot be reached: {error}\n  is the server running (`argosy serve`), and is this its address? Give \
                     another one with --server or ARGOSY_SERVER",
                    self.base
                );
                return Err(Failure::new(Exit::Unreachable, text));
            }
            Err(_) => return Err(self.unreachable(&"it does not answer")),
        };
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return self.handshake(stream).await };
        let name = ServerName::try_from(self.base.host.clone())
            .map_err(|_| Failure::usage(format!("{:?} is no host name", self.base.host)))?;
        match tokio::time::timeout(CONNECT, tls.connect(name, stream)).await {
            Ok(Ok(stream)) => self.handshake(stream).await,
            Ok(Err(error)) => {
                let text = format!(
                    "{} is not trusted: {error}\n  give the roots of this server with --ca FILE (on the server: \
                     pki/ca/root.pem in its data folder), and one of its https.names as host",
                    self.base
                );
                Err(Failure::new(Exit::Unreachable, text))
            }
            Err(_) => Err(self.unreachable(&"the TLS handshake takes too long")),
        }
    }

    async fn handshake<S>(&mut self, stream: S) -> Result<SendRequest<Body>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.unreachable(&error))?;
        self.driver.spawn(async move {
            // Its errors come out of `send_request`.
            let _ = connection.await;
        });
        Ok(sender)
    }

    fn unreachable(&self, why: &dyn std::fmt::Display) -> Failure {
        Failure::new(Exit::Unreachable, format!("the connection to {} failed: {why}", self.base))
    }
}

fn connector(roots_pem: Option<&[u8]>) -> Result<TlsConnector, Failure> {
    let Some(pem) = roots_pem else {
        return Err(Failure::usage(
            "an https server is trusted by its roots: give them with --ca FILE (on the server: pki/ca/root.pem in its data folder)",
        ));
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|error| Failure::usage(format!("the file of --ca is not PEM: {error}")))?;
        roots
            .add(certificate)
            .map_err(|error| Failure::usage(format!("a root of --ca cannot be used: {error}")))?;
    }
    if roots.is_empty() {
        return Err(Failure::usage("the file of --ca holds no certificate"));
    }
    let config = ClientConfig::builder_with_provider(argosy_pki::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::because("TLS cannot be set up", &error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
