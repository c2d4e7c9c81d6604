//! What every request shares, and the way a request takes.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use argosy_api::{Problem, ProblemCode};
use argosy_engine::download::{ArtifactCache, UrlSigner};
use argosy_engine::{Engine, Shutdown};
use axum::Router;
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY};
use hyper::{Request, Response};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::body::ResponseBody;
use crate::download::{self, DownloadGate, DownloadLimits};
use crate::error::ApiError;
use crate::metrics::MetricsSource;
use crate::server::stats::{HttpStats, add};

/// Followers of server-sent events at once.
const MAX_FOLLOWERS: usize = 512;

/// Habits of the API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Limits of downloads.
    pub downloads: DownloadLimits,
    /// Bytes of a JSON body at most.
    pub max_body: usize,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self { downloads: DownloadLimits::default(), max_body: 4 * 1024 * 1024 }
    }
}

/// What the HTTP side is built from.
pub struct AppParts {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Signs and checks download URLs.
    pub signer: Arc<UrlSigner>,
    /// Hot artifacts.
    pub cache: Arc<ArtifactCache>,
    /// Everybody who has numbers for `/metrics`; the HTTP side adds its own.
    pub metrics: Vec<Arc<dyn MetricsSource>>,
    /// For work that must end even if its caller is gone.
    pub tracker: TaskTracker,
    /// Ends streams of events.
    pub shutdown: Shutdown,
}

impl std::fmt::Debug for AppParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppParts").finish_non_exhaustive()
    }
}

/// The shared state.
pub struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) signer: Arc<UrlSigner>,
    pub(crate) cache: Arc<ArtifactCache>,
    pub(crate) gate: DownloadGate,
    pub(crate) stats: Arc<HttpStats>,
    pub(crate) config: ApiConfig,
    pub(crate) metrics: Vec<Arc<dyn MetricsSource>>,
    pub(crate) tracker: TaskTracker,
    pub(crate) shutdown: Shutdown,
    pub(crate) followers: Arc<Semaphore>,
    /// Idempotency keys that are being worked on.
    pub(crate) in_progress: Mutex<HashSet<(String, String)>>,
    router: std::sync::OnceLock<Router>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("config", &self.config).finish_non_exhaustive()
    }
}

impl App {
    /// Builds the application.
    pub fn new(parts: AppParts, config: ApiConfig) -> Arc<Self> {
        let app = Arc::new(Self {
            engine: parts.engine,
            signer: parts.signer,
            cache: parts.cache,
            gate: DownloadGate::new(config.downloads.max_concurrent, config.downloads.patience),
            stats: Arc::new(HttpStats::default()),
            config,
            metrics: parts.metrics,
            tracker: parts.tracker,
            shutdown: parts.shutdown,
            followers: Arc::new(Semaphore::new(MAX_FOLLOWERS)),
            in_progress: Mutex::default(),
            router: std::sync::OnceLock::new(),
        });
        let router = crate::routes::router(&app);
        let _ = app.router.set(router);
        app
    }

    /// What the listeners and downloads counted.
    pub fn stats(&self) -> &HttpStats {
        &self.stats
    }

    /// Answers one request.
    pub(crate) async fn handle(self: &Arc<Self>, request: Request<Incoming>) -> Response<ResponseBody> {
        if request.uri().path().starts_with("/d/") {
            let response = download::respond(self, &request).await;
            self.stats.answered(response.status().as_u16());
            return response;
        }
        let began = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let mut response = self.route(request).await;
        let headers = response.headers_mut();
        let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        let status = response.status().as_u16();
        self.stats.answered(status);
        tracing::debug!(%method, path, status, elapsed = ?began.elapsed(), "{method} {path} {status}");
        response
    }

    async fn route(self: &Arc<Self>, request: Request<Incoming>) -> Response<ResponseBody> {
        let Some(router) = self.router.get().cloned() else {
            // Set before anybody has the `App`.
            return ApiError::from(Problem::new(ProblemCode::Unavailable, "the server is starting"))
                .into_response_for(request.method());
        };
        let answered =
            AssertUnwindSafe(router.oneshot(request.map(axum::body::Body::new))).catch_unwind().await;
        match answered {
            Ok(Ok(response)) => response.map(ResponseBody::Api),
            Ok(Err(never)) => match never {},
            Err(_) => {
                // The panic hook has logged where.
                add(&self.stats.panics, 1);
                let problem =
                    Problem::new(ProblemCode::Internal, "the server met an error; its log says which");
                ApiError::from(problem).into_response_for(&hyper::Method::GET)
            }
        }
    }
}
