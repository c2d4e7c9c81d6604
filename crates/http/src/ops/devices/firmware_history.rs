//! `GET /devices/{key}/firmware-history`

use crate::ops::prelude::*;

/// What the device ran and how it came to, newest first.
#[utoipa::path(get, path = "/api/v1/devices/{key}/firmware-history", operation_id = "firmwareHistory", tag = "devices",
    params(("key" = String, Path, description = "Device key, or `id:42`"), api::PageQuery),
    responses((status = 200, description = "A page of changes", body = api::Page<api::FirmwareChangeView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(key): Segment,
    Params(query): Params<api::PageQuery>,
) -> ApiResult<Answer<api::Page<api::FirmwareChangeView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let mut read = app.engine.registry().read().await?;
    let id = resolve::device(&mut *read, &key, Place::Path).await?.id;
    let found = read.firmware_history(id, &page).await?;
    Ok(Answer(present::page(found, present::firmware_change)))
}
