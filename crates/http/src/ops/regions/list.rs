//! `GET /regions`

use crate::ops::prelude::*;

/// Regions by id.
#[utoipa::path(get, path = "/api/v1/regions", operation_id = "listRegions", tag = "regions", params(api::ListQuery),
    responses((status = 200, description = "A page of regions", body = api::Page<api::RegionView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::ListQuery>,
) -> ApiResult<Answer<api::Page<api::RegionView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let mut read = app.engine.registry().read().await?;
    let found = read.regions(query.search.as_deref(), &page).await?;
    let items = present::regions(&mut *read, found.items).await?;
    Ok(Answer(api::Page { items, next: found.next }))
}
