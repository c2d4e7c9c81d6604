//! `POST /devices/{key}/suspend`

use argosy_domain::model::{DevicePatch, DeviceState};

use crate::ops::prelude::*;

/// Suspends a device. It is refused from now on, and its connection is cut at once.
#[utoipa::path(post, path = "/api/v1/devices/{key}/suspend", operation_id = "suspendDevice", tag = "devices",
    params(("key" = String, Path, description = "Device key, or `id:42`")),
    responses((status = 200, description = "The device as it is now", body = api::DeviceView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(key): Segment,
) -> ApiResult<Answer<api::DeviceView>> {
    let id = resolve::device(&mut *app.engine.registry().read().await?, &key, Place::Path).await?.id;
    let patch = DevicePatch { state: Some(DeviceState::Suspended), ..DevicePatch::default() };
    let device = app.engine.patch_device(&actor, id, patch).await?;
    let mut read = app.engine.registry().read().await?;
    Ok(Answer(Names::default().device(&mut *read, device).await?))
}
