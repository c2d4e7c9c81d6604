//! `PATCH /devices/{key}`

use crate::ops::prelude::*;

/// Changes one device's registration.
#[utoipa::path(patch, path = "/api/v1/devices/{key}", operation_id = "changeDevice", tag = "devices",
    params(("key" = String, Path, description = "Device key, or `id:42`")), request_body = api::DeviceChange,
    responses((status = 200, description = "Changed", body = api::DeviceView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(key): Segment,
    Json { value, .. }: Json<api::DeviceChange>,
) -> ApiResult<Answer<api::DeviceView>> {
    let mut read = app.engine.registry().read().await?;
    let id = resolve::device(&mut *read, &key, Place::Path).await?.id;
    let patch = super::patch_of(&mut *read, value).await?;
    drop(read);
    let device = app.engine.patch_device(&actor, id, patch).await?;
    let mut read = app.engine.registry().read().await?;
    Ok(Answer(Names::default().device(&mut *read, device).await?))
}
