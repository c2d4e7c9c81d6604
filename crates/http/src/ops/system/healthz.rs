//! `GET /healthz`

/// The process runs and answers. For a supervisor that restarts what does not.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "system", security(()),
    responses((status = 200, description = "It answers", body = String, content_type = "text/plain")))]
pub(crate) async fn handle() -> &'static str {
    "ok\n"
}
