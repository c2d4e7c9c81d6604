//! Putting the parts together: every part is built here, once, from the configuration and the parts below it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use argosy_domain::ports::{Clock, Entropy, Registry, RenewalKeys, SeriesStore};
use argosy_engine::download::{ArtifactCache, CacheConfig, LocalLinks, UrlSigner};
use argosy_engine::{Engine, EngineConfig, Ports, SecretKey, Supervisor};
use argosy_http::{ApiConfig, App, AppParts, DownloadLimits, HttpLimits, HttpServer, MinimumRate};
use argosy_media::LvglContentMaker;
use argosy_mqtt::LinkMetrics;
use argosy_mqtt::embedded::{Bound, CertificateReader, EmbeddedBroker, MtlsListener, PlainListener};
use argosy_pki::{Authority, IdentityOrigin, RevocationFile, ServerIdentity, private_folder, secret_file};
use argosy_store::sql::{SoleUse, SqlRegistry};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::metrics::{LinkSource, ProcessMetrics, TxHistogram};
use crate::backup::ServerBackups;
use crate::config::{Config, Loaded};
use crate::system::host_name;

/// The authority and the server's own certificate.
pub(crate) fn identity(
    config: &Config,
    clock: &dyn Clock,
    entropy: &Arc<dyn Entropy>,
) -> anyhow::Result<(Arc<Authority>, Arc<ServerIdentity>)> {
    let now = clock.now();
    let folder = config.data_dir.join("pki");
    let authority = Authority::open_or_create(&folder, &config.pki.build(), now, Arc::clone(entropy))
        .context("cannot open the certificate authority")?;
    let authority = Arc::new(authority);
    let names = config.https.server_names(host_name().as_deref()).map_err(anyhow::Error::msg)?;
    let (identity, origin) =
        ServerIdentity::current(Arc::clone(&authority), names, config.pki.serving(), now)
            .context("cannot prepare the server certificate")?;
    match origin {
        IdentityOrigin::Loaded => {}
        IdentityOrigin::First => {
            tracing::info!(names = %shown_names(config), "made the server certificate for {}", shown_names(config))
        }
        IdentityOrigin::Replaced => tracing::info!(
            names = %shown_names(config),
            "replaced the server certificate: it was of other names, too old or damaged; now for {}",
            shown_names(config)
        ),
    }
    let identity = Arc::new(identity);
    let served = Arc::downgrade(&identity);
    authority.follow(Box::new(move |now| match served.upgrade() {
        Some(identity) => identity.follow_imports(now).map_err(argosy_pki::AuthorityError::serving),
        None => Ok(()),
    }));
    Ok((authority, identity))
}

fn shown_names(config: &Config) -> String {
    if config.https.names.0.is_empty() {
        return format!("localhost, 127.0.0.1, ::1, {}", host_name().unwrap_or_default());
    }
    config.https.names.0.join(", ")
}

/// Opens the registry, for this process alone, and brings its schema up to date.
pub(crate) async fn registry(
    config: &Config,
    observer: TxHistogram,
) -> anyhow::Result<(Arc<SqlRegistry>, SoleUse)> {
    let uri = config.database.uri(&config.data_dir).map_err(anyhow::Error::msg)?;
    let registry = SqlRegistry::connect(&uri, &config.database.build(), observer)
        .await
        .context("cannot open the database")?;
    let sole = registry.sole_use().await.context("cannot start")?;
    for applied in registry.migrate().await.context("cannot bring the database up to date")? {
        tracing::info!(version = applied.version, "applied migration {}: {}", applied.version, applied.name);
    }
    Ok((Arc::new(registry), sole))
}

/// Opens the series store.
pub(crate) async fn series(config: &Config) -> anyhow::Result<Arc<dyn SeriesStore>> {
    let uri = config.series.uri(&config.data_dir).map_err(anyhow::Error::msg)?;
    argosy_store::series::open(&uri, config.series.build()).await.context("cannot open the series store")
}

/// The listeners, open; nobody is served yet.
#[derive(Debug)]
pub(crate) struct Doors {
    /// API without TLS.
    pub(crate) http: Option<TcpListener>,
    /// API and downloads with TLS.
    pub(crate) https: TcpListener,
}

impl Doors {
    /// Opens them.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
        let limits = http_limits(config);
        let open = |key: &str, address: SocketAddr| {
            argosy_http::listen(address, &limits).with_context(|| {
                format!("cannot listen on {address} ({key}): is something else there? Give another address in the configuration")
            })
        };
        let http = config.http.listen.value().map(|address| open("http.listen", *address)).transpose()?;
        Ok(Self { http, https: open("https.listen", config.https.listen)? })
    }
}

/// What `public_url` is built from when it is not given.
fn public_url(config: &Config, https: SocketAddr) -> String {
    let name = config.https.names.0.first().map_or("localhost", String::as_str);
    config.download.public_url(name, https.port())
}

/// Everything below the listeners.
pub(crate) struct Core {
    pub(crate) engine: Arc<Engine>,
    pub(crate) cache: Arc<ArtifactCache>,
    pub(crate) signer: Arc<UrlSigner>,
    pub(crate) public_url: String,
}

/// Builds the engine over its ports.
pub(crate) fn core(
    config: &Config,
    registry: Arc<dyn Registry>,
    series: Arc<dyn SeriesStore>,
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    https: SocketAddr,
) -> anyhow::Result<Core> {
    let uri = config.blobs.uri(&config.data_dir).map_err(anyhow::Error::msg)?;
    let blobs = argosy_store::blob::open(&uri).context("cannot open the blob store")?;
    let signer = Arc::new(UrlSigner::new(&secret(&config.data_dir, "download-url.key", entropy.as_ref())?));
    let codes = SecretKey::new(secret(&config.data_dir, "registration.key", entropy.as_ref())?);
    let cache = CacheConfig { capacity: config.download.cache_bytes.0, ..CacheConfig::default() };
    let cache = Arc::new(ArtifactCache::new(Arc::clone(&blobs), cache));
    let public_url = public_url(config, https);
    let links = LocalLinks::new(Arc::clone(&signer), Some(public_url.clone()), config.download.plain_url());
    let media = Arc::new(LvglContentMaker::default());
    let journal = Arc::new(RevocationFile::new(config.pki.revocations(&config.data_dir)));
    let ports =
        Ports { registry, series, blobs, authority, journal, media, links: Arc::new(links), clock, entropy };
    let engine = Engine::new(engine_config(config, codes), ports);
    Ok(Core { engine, cache, signer, public_url })
}

/// Makes the engine able to make backups.
pub(crate) fn backups(
    loaded: &Loaded,
    engine: &Arc<Engine>,
    (registry, series): (Arc<SqlRegistry>, Arc<dyn SeriesStore>),
    supervisor: &Supervisor,
) {
    let config = &loaded.config;
    engine.attach_backups(Arc::new(ServerBackups {
        registry,
        series,
        blobs: Arc::clone(engine.blobs()),
        data: config.data_dir.clone(),
        config: loaded.file.clone(),
        revocations: config.pki.revocations(&config.data_dir),
        tracker: supervisor.tracker(),
        turn: Arc::new(Semaphore::new(1)),
    }));
}

fn engine_config(config: &Config, codes: SecretKey) -> EngineConfig {
    EngineConfig {
        max_upload_bytes: config.uploads.max_bytes.0,
        upload_ttl_s: config.uploads.ttl_seconds,
        url_minutes: config.download.url_minutes,
        session_ttl_s: config.sessions.hours * 3600,
        idempotency_ttl_s: config.sessions.idempotency_hours * 3600,
        ingest: config.ingest.build(),
        registration: config.registration.build(codes),
        identity: config.pki.rules(),
        contents_settle_s: config.content.settle_seconds,
        content_makers: config.content.makers,
        reconnect_jitter_s: config.fleet.reconnect_jitter_seconds,
    }
}

/// A key of the server's own, made at the first start. Lost, it is made anew, and what was made with it stops working: download
/// addresses are given out again, registration codes (they live minutes) are too.
fn secret(data: &Path, name: &str, entropy: &dyn Entropy) -> anyhow::Result<[u8; 32]> {
    let folder = data.join("secrets");
    private_folder(&folder).context("cannot prepare the folder of secrets")?;
    let secret = secret_file(&folder.join(name), 32, entropy)
        .with_context(|| format!("cannot read the key secrets/{name}"))?;
    secret.as_slice().try_into().with_context(|| format!("the key secrets/{name} does not have 32 bytes"))
}

/// The device plane, bound; nobody is served yet.
pub(crate) async fn device_plane(
    config: &Config,
    engine: &Arc<Engine>,
    authority: Arc<Authority>,
    identity: &ServerIdentity,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<(Bound, Arc<LinkMetrics>)> {
    let metrics = Arc::new(LinkMetrics::default());
    let broker = EmbeddedBroker::new(config.mqtt.limits.build(), clock, Arc::clone(&metrics));
    engine.attach_link(Arc::new(broker.clone()));
    let renewals: Arc<dyn RenewalKeys> = Arc::clone(engine) as Arc<_>;
    let tls = identity.mqtt_config(Some(renewals)).context("cannot set up TLS for devices")?;
    let mtls = MtlsListener { address: config.mqtt.listen, tls, reader: certificate_reader(authority) };
    let plain = match config.mqtt.plain.listen.value() {
        Some(address) => Some(PlainListener {
            address: *address,
            allow: config.mqtt.plain.allow().map_err(anyhow::Error::msg)?,
            beyond_loopback: config.mqtt.plain.beyond_loopback,
        }),
        None => None,
    };
    let bound = broker
        .bind(mtls, plain, Arc::clone(engine) as Arc<_>)
        .await
        .context("cannot open the device plane (mqtt.listen, mqtt.plain.listen)")?;
    Ok((bound, metrics))
}

/// Certificates are read by the crate that issues them: what is compared was written by the same code.
fn certificate_reader(authority: Arc<Authority>) -> CertificateReader {
    Arc::new(move |der| Ok(authority.presented(der)?))
}

fn http_limits(config: &Config) -> HttpLimits {
    let seconds = |n: u32| Duration::from_secs(u64::from(n));
    HttpLimits {
        max_connections: config.http.max_connections as usize,
        handshake_timeout: seconds(config.http.handshake_seconds),
        idle_timeout: seconds(config.http.idle_seconds),
        minimum_rate: MinimumRate {
            window: seconds(config.download.min_rate_seconds),
            bytes_per_s: u64::from(config.download.min_bytes_per_second),
        },
        ..HttpLimits::default()
    }
}

/// The HTTP side.
pub(crate) fn http(
    config: &Config,
    core: &Core,
    link: Arc<LinkMetrics>,
    tx: TxHistogram,
    started_ms: i64,
    supervisor: &Supervisor,
) -> HttpServer {
    let downloads = DownloadLimits {
        max_concurrent: config.download.max_concurrent as usize,
        patience: Duration::from_secs(u64::from(config.download.patience_seconds)),
        ..DownloadLimits::default()
    };
    let api =
        ApiConfig { downloads, max_body: usize::try_from(config.http.max_body.0).unwrap_or(usize::MAX) };
    let parts = AppParts {
        engine: Arc::clone(&core.engine),
        signer: Arc::clone(&core.signer),
        cache: Arc::clone(&core.cache),
        metrics: vec![Arc::new(tx), Arc::new(LinkSource(link)), Arc::new(ProcessMetrics { started_ms })],
        tracker: supervisor.tracker(),
        shutdown: supervisor.shutdown(),
    };
    let app = App::new(parts, api);
    HttpServer::new(app, http_limits(config), supervisor.tracker(), supervisor.shutdown())
}
