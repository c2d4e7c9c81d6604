//! Which path leads to which operation.

use std::sync::Arc;

use argosy_api::{PREFIX, Problem, ProblemCode};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::IntoResponse;
use axum::routing::{delete, get, patch, post, put};
use hyper::header::HeaderMap;
use hyper::{Method, Response, Uri};

use crate::app::App;
use crate::console;
use crate::error::ApiError;
use crate::ops::{
    auth, backup, contents, deployments, devices, firmware, groups, identity, ledger, products, regions,
    registration_codes, sessions, system, telemetry, tokens, uploads,
};

/// The router over `app`.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let routes = Router::new()
        .route("/", get(console::handle))
        .route("/healthz", get(system::healthz::handle))
        .route("/readyz", get(system::readyz::handle))
        .route("/metrics", get(system::metrics::handle))
        .route("/crl/{file}", get(identity::crl::handle))
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
        .route(
            "/registration-codes",
            get(registration_codes::list::handle).post(registration_codes::create::handle),
        )
        .route(
            "/registration-codes/{id}",
            get(registration_codes::get::handle).delete(registration_codes::revoke::handle),
        )
        .route("/uploads", post(uploads::create::handle))
        .route("/uploads/{id}", put(uploads::put::handle))
        .route("/firmware", get(firmware::list::handle).post(firmware::create::handle))
        .route(
            "/firmware/{id}",
            get(firmware::get::handle).patch(firmware::change::handle).delete(firmware::delete::handle),
        )
        .route("/firmware/{id}/download-url", get(firmware::download_url::handle))
        .merge(content_routes())
        .route("/deployments", get(deployments::list::handle).post(deployments::create::handle))
        .route("/deployments/preview", post(deployments::preview::handle))
        .route("/deployments/{id}", get(deployments::get::handle))
        .route("/deployments/{id}/devices", get(deployments::devices::handle))
        .route("/deployments/{id}/downloads", get(telemetry::deployment_downloads::handle))
        .route("/deployments/{id}/events", get(deployments::events::handle))
        .route("/deployments/{id}/pause", post(deployments::pause::handle))
        .route("/deployments/{id}/resume", post(deployments::resume::handle))
        .route("/deployments/{id}/cancel", post(deployments::cancel::handle))
        .route("/sessions", get(sessions::list::handle))
        .route("/sessions/{key}", delete(sessions::kick::handle))
        .route("/logs", get(telemetry::logs::handle))
        .route("/sales", get(telemetry::sales::handle))
        .route("/dead-letters", get(ledger::dead_letters::handle))
        .route("/audit", get(ledger::audit::handle))
        .route("/ca/roots.pem", get(system::roots::handle))
        .route("/ca/imported", get(identity::imported_cas::handle).post(identity::import_ca::handle))
        .route("/ca/imported/{id}", delete(identity::remove_ca::handle))
        .route("/revocations", get(identity::revocations::handle))
        .route("/backup", post(backup::create::handle))
        .route("/hold", get(backup::hold::handle))
        .route("/resume", post(backup::resume::handle))
        .route("/openapi.json", get(system::openapi::handle))
}

fn content_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/contents", get(contents::list::handle).post(contents::create::handle))
        .route(
            "/contents/{id}",
            get(contents::get::handle).patch(contents::change::handle).delete(contents::delete::handle),
        )
        .route("/contents/{id}/devices", get(contents::devices::handle))
        .route("/contents/{id}/original", get(contents::files::original))
        .route("/contents/{id}/file", get(contents::files::file))
        .route("/contents/{id}/preview", get(contents::files::preview))
        .route("/contents/{id}/thumbnail", get(contents::files::thumbnail))
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
        .route("/devices/import", post(identity::import_devices::handle))
        .route("/devices/{key}/certificates/{serial}", delete(devices::revoke_certificate::handle))
        .route("/devices/{key}/certificates/{serial}/allow-expired", post(identity::allow_expired::handle))
        .route("/devices/{key}/firmware-history", get(devices::firmware_history::handle))
        .route("/devices/{key}/contents", get(devices::contents::handle))
        .route("/devices/{key}/content-history", get(devices::content_history::handle))
        .route("/devices/{key}/updates", get(devices::updates::handle))
        .route("/devices/{key}/latest", get(telemetry::latest::handle))
        .route("/devices/{key}/metrics", get(telemetry::metrics::handle))
        .route("/devices/{key}/streams/{stream}", get(telemetry::stream::handle))
        .route("/devices/{key}/logs", get(telemetry::logs::device))
        .route("/devices/{key}/downloads", get(telemetry::downloads::handle))
        .route("/devices/{key}/presence", get(telemetry::presence::handle))
}

/// What no operation answers: the console's files and addresses, and what is nowhere.
async fn unknown_path(
    state: State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    if console::owns(&method, &uri, &headers) {
        return console::handle(state, uri, headers).await;
    }
    let path: String = uri.path().chars().take(120).collect();
    let detail = format!("there is nothing at {path}; the API is described at {PREFIX}/openapi.json");
    ApiError::from(Problem::new(ProblemCode::NotFound, detail)).into_response()
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(120).collect();
    Problem::new(ProblemCode::MethodNotAllowed, format!("{path} does not take {method}")).into()
}
