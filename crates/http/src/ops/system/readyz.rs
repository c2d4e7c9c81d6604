//! `GET /readyz`

use std::time::Duration;

use crate::ops::prelude::*;

/// A check that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the server can do its work: for a balancer. 503 names what keeps it from it.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "system", security(()),
    responses((status = 200, description = "Ready", body = api::ReadyResponse),
        (status = 503, description = "Not ready", body = api::ReadyResponse)))]
pub(crate) async fn handle(State(app): State<Arc<App>>) -> Response {
    let registry = tokio::time::timeout(PATIENCE, app.engine.registry().ping()).await;
    let check = |name: &str, ok: bool| api::ReadyCheck { name: name.to_owned(), ok };
    let checks = vec![
        check("registry", matches!(registry, Ok(Ok(())))),
        check("device_link", app.engine.link().is_some()),
        check("running", !app.shutdown.is_stopping()),
    ];
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Answer(api::ReadyResponse { ready, held: app.engine.is_held(), checks })).into_response()
}
