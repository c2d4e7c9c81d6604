//! A broker in this process: rmqtt behind the port `DeviceLink`, with everything that it decides by itself switched off or
//! decided here.
//!
//! rmqtt carries bytes, packets, QoS handshakes and keepalives. It knows a connection by its number, not by the client id that the
//! device sent; it routes nothing between clients, keeps no session beyond its connection, stores no retained message. Who may
//! connect is `admit`, what a device may do and says is `hooks`, which connection is a device's is `links`, the sockets are
//! watched by `watch`, and what is switched off is in `quiet`. The vendored network crate (`vendor/rmqtt-net`) provides what
//! rmqtt has no hook for.

mod admit;
mod config;
mod core;
mod hooks;
mod intake;
mod links;
mod port;
mod quiet;
mod throttle;
mod watch;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use argosy_domain::ports::{Clock, DeviceEvents, Door};
use rmqtt::codec::types::QoS;
use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, Listener};
use rmqtt::server::MqttServer;
use rmqtt::types::{Message, Reason};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub use self::config::{CertificateReader, Limits, MtlsListener, PlainAllow, PlainAllowError, PlainListener};
use self::core::{Bindings, Core};
pub use self::throttle::RateLimit;
use self::watch::Watch;
use crate::LinkMetrics;

/// rmqtt's names of the two listeners.
const MTLS: u16 = 1;
const PLAIN: u16 = 2;

/// The embedded broker. Made before the engine, which sends through it ([`DeviceLink`]); bound after it, because it hears of
/// everything that comes in ([`DeviceEvents`]).
#[derive(Debug, Clone)]
pub struct EmbeddedBroker {
    core: Arc<Core>,
}

/// The listeners could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for MQTT")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// The network crate's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The plain listener would be reachable from other machines, and nobody said that it may.
    #[error(
        "the plain MQTT listener would be reachable beyond this machine at {address}: say so explicitly if you mean it"
    )]
    PlainBeyondLoopback {
        /// Where.
        address: SocketAddr,
    },
    /// It is bound already.
    #[error("the broker is bound already")]
    Twice,
}

/// The broker ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[error("the broker's listeners ended by themselves")]
pub struct RunError {
    /// The broker's error, if it gave one.
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl EmbeddedBroker {
    /// A broker that nobody can connect to yet.
    pub fn new(limits: Limits, clock: Arc<dyn Clock>, metrics: Arc<LinkMetrics>) -> Self {
        Self { core: Arc::new(Core::new(limits, clock, metrics)) }
    }

    /// Its counters.
    pub fn metrics(&self) -> &Arc<LinkMetrics> {
        &self.core.metrics
    }

    /// Sessions that rmqtt holds, those that are ending included. More of them than open connections, and for long, is a leak.
    pub fn held_sessions(&self) -> usize {
        self.core.sessions()
    }

    /// Binds the listeners; connections are taken as soon as [`Bound::run`] runs.
    ///
    /// # Errors
    /// [`BindError`] if an address cannot be had, or must not.
    pub async fn bind(
        &self,
        mtls: MtlsListener,
        plain: Option<PlainListener>,
        events: Arc<dyn DeviceEvents>,
    ) -> Result<Bound, BindError> {
        if let Some(plain) = &plain {
            check_plain(plain)?;
        }
        // Its busy check refuses CONNECTs by CPU load: a busy update day is no reason to send devices away.
        let broker = ServerContext::new().busy_check_enable(false).build().await;
        *broker.extends.router_mut().await = Box::new(quiet::NoRouter::default());
        *broker.extends.fitter_mgr_mut().await =
            Box::new(quiet::OurFitters { max_keepalive: self.core.limits.max_keepalive });

        let builder = self.builder("mtls", mtls.address, Door::Mtls).tls_config(mtls.tls);
        let (mtls_address, mtls_listener) = listen(builder, mtls.address, Listener::tls)?;
        let mut server = MqttServer::new(broker.clone()).listener_by_id(mtls_listener, MTLS);
        let mut plain_address = None;
        if let Some(plain) = &plain {
            let builder = self.builder("plain", plain.address, Door::Plain);
            let (address, listener) = listen(builder, plain.address, Listener::tcp)?;
            tracing::warn!(
                %address,
                "the plain MQTT listener is on: devices on it are known by their client id alone, and anybody on the way reads along"
            );
            plain_address = Some(address);
            server = server.listener_by_id(listener, PLAIN);
        }

        let bindings = Bindings {
            events,
            reader: mtls.reader,
            plain: plain.map(|plain| plain.allow).unwrap_or_default(),
            broker: broker.clone(),
            runtime: Handle::current(),
        };
        if !self.core.bind(bindings) {
            return Err(BindError::Twice);
        }
        hooks::register(&self.core, &*broker.extends.hook_mgr().register()).await;
        Ok(Bound { core: self.core.clone(), server: server.build(), mtls_address, plain_address })
    }

    fn builder(&self, name: &str, address: SocketAddr, door: Door) -> Builder {
        let limits = &self.core.limits;
        Builder::new()
            .name(name)
            .laddr(address)
            .backlog(4096)
            .reuseaddr(Some(true))
            .nodelay(true)
            .allow_anonymous(false)
            .max_connections(limits.max_connections)
            .max_packet_size(limits.max_packet())
            .max_inflight(Limits::IN_FLIGHT)
            .max_mqueue_len(limits.max_unacknowledged)
            .max_qos_allowed(QoS::AtLeastOnce)
            .max_topic_levels(16)
            .max_subscriptions(limits.max_subscriptions)
            .handshake_timeout(limits.connect_timeout)
            .send_timeout(limits.send_timeout)
            // Zero: the broker repeats nothing on a connection that lives, and drops nothing for its age but by the
            // message's own expiry.
            .message_retry_interval(std::time::Duration::ZERO)
            .message_expiry_interval(std::time::Duration::ZERO)
            .connection_scoped_sessions(true)
            .dead_peer_after(limits.dead_peer_after)
            .observer(Arc::new(Watch { core: self.core.clone(), door }))
    }
}

fn check_plain(plain: &PlainListener) -> Result<(), BindError> {
    if !plain.address.ip().is_loopback() && !plain.beyond_loopback {
        return Err(BindError::PlainBeyondLoopback { address: plain.address });
    }
    if plain.allow.is_empty() {
        tracing::warn!("the plain MQTT listener is on, but its list of keys is empty: it takes nobody");
    }
    Ok(())
}

fn listen(
    builder: Builder,
    address: SocketAddr,
    kind: impl FnOnce(Listener) -> rmqtt::Result<Listener>,
) -> Result<(SocketAddr, Listener), BindError> {
    let bound = builder.bind().and_then(kind).and_then(|listener| Ok((listener.local_addr()?, listener)));
    bound.map_err(|source| BindError::Listen { address, source: source.into() })
}

/// A broker whose listeners are bound.
pub struct Bound {
    core: Arc<Core>,
    server: MqttServer,
    mtls_address: SocketAddr,
    plain_address: Option<SocketAddr>,
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("mtls_address", &self.mtls_address)
            .field("plain_address", &self.plain_address)
            .finish_non_exhaustive()
    }
}

impl Bound {
    /// Where devices with certificates connect.
    pub fn mtls_address(&self) -> SocketAddr {
        self.mtls_address
    }

    /// Where devices without them connect, if they may.
    pub fn plain_address(&self) -> Option<SocketAddr> {
        self.plain_address
    }

    /// Takes connections until `soft`; then closes the listeners and asks every session to end, which finishes the message that it
    /// is taking; cuts what is left after [`Limits::drain_timeout`], or at `hard`. Returns when every connection is gone and the
    /// engine has been told.
    ///
    /// # Errors
    /// [`RunError`] if the listeners end by themselves: a defect.
    pub async fn run(self, soft: CancellationToken, hard: CancellationToken) -> Result<(), RunError> {
        let Self { core, server, .. } = self;
        tokio::select! {
            ended = server.run() => return Err(RunError { source: ended.err().map(Into::into) }),
            () = soft.cancelled() => {}
            () = hard.cancelled() => {}
        }
        core.stopping.cancel();
        for link in core.links.all() {
            // No will: it is us who leave.
            link.bar();
            let asked = link.live().is_some_and(|live| {
                live.tx.unbounded_send(Message::Closed(Reason::from_static("the server is stopping"))).is_ok()
            });
            if !asked {
                link.connection.cut();
            }
        }
        tokio::select! {
            () = core.links.empty() => {}
            () = hard.cancelled() => {}
            () = tokio::time::sleep(core.limits.drain_timeout) => {}
        }
        for link in core.links.all() {
            link.connection.cut();
        }
        // A session ends within one message of the engine's after its socket is cut; a hang there is the engine's to report.
        let rest = async {
            core.links.empty().await;
            core.endings.close();
            core.endings.wait().await;
        };
        if tokio::time::timeout(core.limits.drain_timeout, rest).await.is_err() {
            tracing::warn!(left = core.links.all().len(), "connections did not end in time");
        }
        Ok(())
    }
}
