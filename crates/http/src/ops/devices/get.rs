//! `GET /devices/{key}`

use crate::ops::prelude::*;

/// One device.
#[utoipa::path(get, path = "/api/v1/devices/{key}", operation_id = "getDevice", tag = "devices",
    params(("key" = String, Path, description = "Device key, or `id:42`")),
    responses((status = 200, description = "The device", body = api::DeviceView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(key): Segment,
) -> ApiResult<Answer<api::DeviceView>> {
    let mut read = app.engine.registry().read().await?;
    let device = resolve::device(&mut *read, &key, Place::Path).await?;
    Ok(Answer(live::device(&app, &mut *read, device).await?))
}
