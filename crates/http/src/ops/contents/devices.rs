//! `GET /contents/{id}/devices`

use crate::ops::prelude::*;

/// The devices that show this content now, by id.
#[utoipa::path(get, path = "/api/v1/contents/{id}/devices", operation_id = "contentDevices", tag = "contents",
    params(("id" = String, Path, description = "The content's id (`12` or `id:12`) or its title"), api::PageQuery),
    responses((status = 200, description = "A page of devices", body = api::Page<api::DeviceView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(id): Segment,
    Params(query): Params<api::PageQuery>,
) -> ApiResult<Answer<api::Page<api::DeviceView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let mut read = app.engine.registry().read().await?;
    let content = resolve::content(&mut *read, &id, Place::Path).await?;
    let found = read.devices_showing(content.spec.product, content.spec.binary, &page).await?;
    let (mut names, mut items) = (Names::default(), Vec::with_capacity(found.items.len()));
    for device in found.items {
        items.push(names.device(&mut *read, device).await?);
    }
    Ok(Answer(api::Page { items, next: found.next }))
}
