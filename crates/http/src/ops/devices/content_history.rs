//! `GET /devices/{key}/content-history`

use crate::ops::prelude::*;
use crate::present_content::Shown;

/// How what the device shows has changed, newest first. Its first word is no change.
#[utoipa::path(get, path = "/api/v1/devices/{key}/content-history", operation_id = "contentHistory", tag = "devices",
    params(("key" = String, Path, description = "Device key, or `id:42`"), api::PageQuery),
    responses((status = 200, description = "A page of changes", body = api::Page<api::ContentChangeView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(key): Segment,
    Params(query): Params<api::PageQuery>,
) -> ApiResult<Answer<api::Page<api::ContentChangeView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let mut read = app.engine.registry().read().await?;
    let device = resolve::device(&mut *read, &key, Place::Path).await?;
    let found = read.content_history(device.id, &page).await?;
    let mut known = Shown::default();
    let ids = found.items.iter().flat_map(|change| change.shown.as_slice()).copied();
    known.learn(&mut *read, device.spec.product, ids).await?;
    Ok(Answer(present::page(found, |change| api::ContentChangeView {
        at: present::time(change.at),
        kind: present::content_change_kind(change.kind),
        shown: known.files(change.shown.as_slice().iter().copied()),
        deployment_id: change.deployment.map(|id| id.0),
    })))
}
