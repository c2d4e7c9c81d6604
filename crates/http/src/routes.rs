//! Which path leads to which operation.

use std::sync::Arc;

use argosy_api::{PREFIX, Problem, ProblemCode};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, patch, post, put};
use hyper::{Method, Uri};

use crate::app::App;
use crate::error::ApiError;
use crate::ops::{
    auth, deployments, devices, firmware, groups, ledger, products, regions, sessions, system, tokens,
    uploads,
};

/// The router over `app`.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let routes = Router::new()
        .route("/", get(system::console::handle))
        .route("/healthz", get(system::healthz::handle))
        .route("/readyz", get(system::readyz::handle))
        .route("/metrics", get(system::metrics::handle))
        .nest(PREFIX, api())
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(app.config.max_body));
    routes.with_state(Arc::clone(app))
}

fn api() -> Router<Arc<App>> {
    Router::new()
        .route("/login", post(auth::login::handle))
        .route("/logout", post(auth::logout::handle))
        .route("/me", get(auth::me::handle))
        .route("/me/password", post(auth::change_password::handle))
        .route("/tokens", get(tokens::list::handle).post(tokens::create::handle))
        .route("/tokens/{id}", delete(tokens::delete::handle))
        .route("/products", get(products::list::handle).post(products::create::handle))
        .route(
            "/products/{name}",
            get(products::get::handle).put(products::replace::handle).delete(products::delete::handle),
        )
        .route("/groups", get(groups::list::handle).post(groups::create::handle))
        .route(
            "/groups/{name}",
            get(groups::get::handle).put(groups::replace::handle).delete(groups::delete::handle),
        )
        .route("/regions", get(regions::list::handle).post(regions::create::handle))
        .route(
            "/regions/{code}",
            get(regions::get::handle).put(regions::replace::handle).delete(regions::delete::handle),
        )
        .merge(device_routes())
        .route("/uploads", post(uploads::create::handle))
        .route("/uploads/{id}", put(uploads::put::handle))
        .route("/firmware", get(firmware::list::handle).post(firmware::create::handle))
        .route(
            "/firmware/{id}",
            get(firmware::get::handle).patch(firmware::change::handle).delete(firmware::delete::handle),
        )
        .route("/firmware/{id}/download-url", get(firmware::download_url::handle))
        .route("/deployments", get(deployments::list::handle).post(deployments::create::handle))
        .route("/deployments/{id}", get(deployments::get::handle))
        .route("/deployments/{id}/devices", get(deployments::devices::handle))
        .route("/deployments/{id}/events", get(deployments::events::handle))
        .route("/deployments/{id}/pause", post(deployments::pause::handle))
        .route("/deployments/{id}/resume", post(deployments::resume::handle))
        .route("/deployments/{id}/cancel", post(deployments::cancel::handle))
        .route("/sessions", get(sessions::list::handle))
        .route("/sessions/{key}", delete(sessions::kick::handle))
        .route("/dead-letters", get(ledger::dead_letters::handle))
        .route("/audit", get(ledger::audit::handle))
        .route("/ca/roots.pem", get(system::roots::handle))
        .route("/openapi.json", get(system::openapi::handle))
}

/// `counts`, `batch` and `events` are words of the API before they are device keys: such a device is reached by `id:42`.
fn device_routes() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/devices",
            get(devices::list::handle).post(devices::create::handle).patch(devices::change_many::handle),
        )
        .route("/devices/batch", post(devices::batch::handle))
        .route("/devices/counts", get(devices::counts::handle))
        .route("/devices/events", get(devices::events::handle))
        .route("/devices/{key}", patch(devices::change::handle).get(devices::get::handle))
        .route("/devices/{key}/suspend", post(devices::suspend::handle))
        .route("/devices/{key}/activate", post(devices::activate::handle))
        .route(
            "/devices/{key}/certificates",
            get(devices::certificates::handle).post(devices::issue_certificate::handle),
        )
        .route("/devices/{key}/certificates/{serial}", delete(devices::revoke_certificate::handle))
        .route("/devices/{key}/firmware-history", get(devices::firmware_history::handle))
        .route("/devices/{key}/updates", get(devices::updates::handle))
}

async fn unknown_path(uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(120).collect();
    let detail = format!("there is nothing at {path}; the API is described at {PREFIX}/openapi.json");
    Problem::new(ProblemCode::NotFound, detail).into()
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(120).collect();
    Problem::new(ProblemCode::MethodNotAllowed, format!("{path} does not take {method}")).into()
}
