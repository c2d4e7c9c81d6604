//! `GET /devices/{key}/updates`

use crate::ops::prelude::*;

/// The device's updates over all deployments, newest deployment first.
#[utoipa::path(get, path = "/api/v1/devices/{key}/updates", operation_id = "deviceUpdates", tag = "devices",
    params(("key" = String, Path, description = "Device key, or `id:42`"), api::PageQuery),
    responses((status = 200, description = "A page of updates", body = api::Page<api::DeviceUpdateView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(key): Segment,
    Params(query): Params<api::PageQuery>,
) -> ApiResult<Answer<api::Page<api::DeviceUpdateView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let mut read = app.engine.registry().read().await?;
    let id = resolve::device(&mut *read, &key, Place::Path).await?.id;
    let (found, now) = (read.updates_of_device(id, &page).await?, app.engine.now());
    Ok(Answer(present::page(found, |update| present::device_update(update, now))))
}
