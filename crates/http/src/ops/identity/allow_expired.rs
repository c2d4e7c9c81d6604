//! `POST /devices/{key}/certificates/{serial}/allow-expired`

use crate::ops::prelude::*;

/// Lets a device that slept past the end of its certificate connect with it, for renewal and nothing else, until a given time.
#[utoipa::path(post, path = "/api/v1/devices/{key}/certificates/{serial}/allow-expired", operation_id = "allowExpired",
    tag = "devices",
    params(("key" = String, Path, description = "Device key, or `id:42`"),
        ("serial" = String, Path, description = "Serial number, lower-case hexadecimal")),
    request_body = api::AllowExpiredRequest,
    responses((status = 204, description = "Allowed, or no longer")))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segments(key, serial): Segments,
    Json { value: request, .. }: Json<api::AllowExpiredRequest>,
) -> ApiResult<StatusCode> {
    let id = resolve::device(&mut *app.engine.registry().read().await?, &key, Place::Path).await?.id;
    let until = request.until.map(|until| Timestamp(until.unix_ms()));
    app.engine.allow_expired(&actor, id, &serial, until).await?;
    Ok(StatusCode::NO_CONTENT)
}
