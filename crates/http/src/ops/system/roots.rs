//! `GET /ca/roots.pem`

use crate::ops::prelude::*;

/// The roots that devices and clients must trust, PEM. Public: a root is no secret.
#[utoipa::path(get, path = "/api/v1/ca/roots.pem", operation_id = "caRoots", tag = "system", security(()),
    responses((status = 200, description = "The roots", body = String, content_type = "application/x-pem-file")))]
pub(crate) async fn handle(State(app): State<Arc<App>>) -> Response {
    ([(CONTENT_TYPE, "application/x-pem-file")], app.engine.authority().roots_pem()).into_response()
}
