//! `POST /devices/{key}/activate`

use argosy_domain::model::{DevicePatch, DeviceState};

use crate::ops::prelude::*;

/// Reactivates a device. Its certificates let it in again.
#[utoipa::path(post, path = "/api/v1/devices/{key}/activate", operation_id = "activateDevice", tag = "devices",
    params(("key" = String, Path, description = "Device key, or `id:42`")),
    responses((status = 200, description = "The device as it is now", body = api::DeviceView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(key): Segment,
) -> ApiResult<Answer<api::DeviceView>> {
    let id = resolve::device(&mut *app.engine.registry().read().await?, &key, Place::Path).await?.id;
    let patch = DevicePatch { state: Some(DeviceState::Active), ..DevicePatch::default() };
    let device = app.engine.patch_device(&actor, id, patch).await?;
    let mut read = app.engine.registry().read().await?;
    Ok(Answer(Names::default().device(&mut *read, device).await?))
}
