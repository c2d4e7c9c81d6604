//! A server on a free port of loopback, over fakes that the test owns.

mod client;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use argosy_domain::ports::{BlobStore, Clock, Entropy};
use argosy_domain::testing::{
    FakeAuthority, FakeBlobStore, FakeClock, FakeContentMaker, FakeJournal, FakeLink, FakeRegistry,
    FakeSeries, SeededEntropy,
};
use argosy_engine::download::{ArtifactCache, CacheConfig, LocalLinks, UrlSigner};
use argosy_engine::{Engine, EngineConfig, Ports, Supervisor};
use argosy_http::{ApiConfig, App, AppParts, HttpLimits, HttpServer, listen};
use serde_json::{Value, json};

pub(crate) use client::{Answer, Client};

/// The password that the harness gives the administrator.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// What a test may choose.
pub(crate) struct Builder {
    pub(crate) engine: EngineConfig,
    pub(crate) api: ApiConfig,
    pub(crate) limits: HttpLimits,
    pub(crate) cache: CacheConfig,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
}

impl Default for Builder {
    fn default() -> Self {
        let engine = EngineConfig { max_upload_bytes: 8 * 1024 * 1024, ..EngineConfig::default() };
        Self {
            engine,
            api: ApiConfig::default(),
            limits: HttpLimits::default(),
            cache: CacheConfig::default(),
            tls: None,
        }
    }
}

/// A running server.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Arc<Engine>,
    pub(crate) signer: Arc<UrlSigner>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) link: Arc<FakeLink>,
    pub(crate) supervisor: Supervisor,
    /// The administrator's one-time password.
    pub(crate) first_password: String,
}

impl Builder {
    pub(crate) async fn start(self) -> TestServer {
        let blobs: Arc<dyn BlobStore> = Arc::new(FakeBlobStore::default());
        let (clock, link) = (Arc::new(FakeClock::default()), Arc::new(FakeLink::default()));
        let signer = Arc::new(UrlSigner::new(&[9; 32]));
        let base = Some("https://ota.test".to_owned());
        let ports = Ports {
            registry: Arc::new(FakeRegistry::new()),
            series: Arc::new(FakeSeries::default()),
            blobs: Arc::clone(&blobs),
            authority: Arc::new(FakeAuthority::default()),
            journal: Arc::new(FakeJournal::default()),
            media: Arc::new(FakeContentMaker),
            links: Arc::new(LocalLinks::new(Arc::clone(&signer), base, None)),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy: Arc::new(SeededEntropy::new(1)) as Arc<dyn Entropy>,
        };
        let engine = Engine::new(self.engine, ports);
        engine.attach_link(Arc::clone(&link) as _);
        let supervisor = Supervisor::new();
        engine.start(&supervisor).await.unwrap();
        let first_password = engine.ensure_administrator().await.unwrap().expect("no user yet");
        let parts = AppParts {
            engine: Arc::clone(&engine),
            signer: Arc::clone(&signer),
            cache: Arc::new(ArtifactCache::new(blobs, self.cache)),
            metrics: Vec::new(),
            tracker: supervisor.tracker(),
            shutdown: supervisor.shutdown(),
        };
        let app = App::new(parts, self.api);
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into(), &self.limits).unwrap();
        let address = listener.local_addr().unwrap();
        let server = HttpServer::new(app, self.limits, supervisor.tracker(), supervisor.shutdown());
        match self.tls {
            None => supervisor.spawn("http", server.serve_plain(listener)),
            Some(tls) => supervisor.spawn("https", server.serve_tls(listener, tls)),
        }
        TestServer { address, engine, signer, clock, link, supervisor, first_password }
    }
}

impl TestServer {
    /// The usual one.
    pub(crate) async fn start() -> Self {
        Builder::default().start().await
    }

    /// A caller without credentials.
    pub(crate) fn anyone(&self) -> Client {
        Client::new(self.address)
    }

    /// The administrator, with a password of its own, by token.
    pub(crate) async fn admin(&self) -> Client {
        let client = self.anyone();
        let login = json!({ "name": "admin", "password": self.first_password });
        let session = client.post("/api/v1/login", &login).await.expect(200).session();
        let client = client.with_cookie(&session);
        let change = json!({ "current": self.first_password, "new": PASSWORD });
        let session = client.post("/api/v1/me/password", &change).await.expect(200).session();
        let client = client.with_cookie(&session);
        let made = client.post("/api/v1/tokens", &json!({ "name": "test" })).await.expect(201).json();
        self.anyone().with_token(made["token"].as_str().unwrap())
    }

    /// The administrator once more, after [`TestServer::admin`].
    pub(crate) async fn admin_again(&self) -> Client {
        let login = json!({ "name": "admin", "password": PASSWORD });
        let session = self.anyone().post("/api/v1/login", &login).await.expect(200).session();
        self.anyone().with_cookie(&session)
    }

    /// Waits until `done` holds, with a limit.
    pub(crate) async fn eventually<F, Fut>(&self, what: &str, mut done: F)
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = bool>,
    {
        let limit = tokio::time::Instant::now() + Duration::from_secs(20);
        while !done().await {
            assert!(tokio::time::Instant::now() < limit, "it did not happen in time: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Makes a product for images of any bytes.
pub(crate) async fn raw_product(admin: &Client) -> Value {
    let product = json!({ "name": "kiosk", "chip": "stm32", "image_format": "raw", "slot_size": 4_194_304 });
    admin.post("/api/v1/products", &product).await.expect(201).json()
}

/// Uploads bytes and registers them as a firmware of `kiosk`.
pub(crate) async fn firmware(admin: &Client, version: &str, bytes: &[u8]) -> Value {
    let asked = json!({ "file_name": "app.bin", "size": bytes.len() });
    let upload = admin.post("/api/v1/uploads", &asked).await.expect(201).json();
    admin.put_bytes(upload["upload_path"].as_str().unwrap(), bytes.to_vec()).await.expect(200);
    let register = json!({ "upload_id": upload["id"], "product": "kiosk", "version": version });
    admin.post("/api/v1/firmware", &register).await.expect(201).json()
}

/// Registers devices of `kiosk`.
pub(crate) async fn devices(admin: &Client, keys: &[&str]) {
    let devices: Vec<Value> = keys.iter().map(|key| json!({ "key": key })).collect();
    let batch = json!({ "product": "kiosk", "devices": devices });
    admin.post("/api/v1/devices/batch", &batch).await.expect(201);
}

/// Bytes that no run of zeros can be taken for.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251) as u8).collect()
}
