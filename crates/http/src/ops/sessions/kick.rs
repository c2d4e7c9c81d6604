//! `DELETE /sessions/{key}`

use crate::ops::prelude::*;

/// Cuts a device's connection; it may come back (suspend it to keep it out).
#[utoipa::path(delete, path = "/api/v1/sessions/{key}", operation_id = "kickSession", tag = "sessions",
    params(("key" = String, Path, description = "Device key, or `id:42`")),
    responses((status = 204, description = "Cut")))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(key): Segment,
) -> ApiResult<StatusCode> {
    let device = resolve::device(&mut *app.engine.registry().read().await?, &key, Place::Path).await?;
    app.engine.kick(&actor, &device.spec.key).await?;
    Ok(StatusCode::NO_CONTENT)
}
