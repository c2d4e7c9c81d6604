//! `GET /openapi.json`

use crate::ops::prelude::*;

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "openapi", tag = "system", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(crate) async fn handle() -> Response {
    ([(CONTENT_TYPE, "application/json")], crate::openapi::text()).into_response()
}
