//! `GET /groups`

use crate::ops::prelude::*;

/// Groups by id.
#[utoipa::path(get, path = "/api/v1/groups", operation_id = "listGroups", tag = "groups", params(api::ListQuery),
    responses((status = 200, description = "A page of groups", body = api::Page<api::GroupView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::ListQuery>,
) -> ApiResult<Answer<api::Page<api::GroupView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let mut read = app.engine.registry().read().await?;
    let found = read.groups(query.search.as_deref(), &page).await?;
    let items = present::groups(&mut *read, found.items).await?;
    Ok(Answer(api::Page { items, next: found.next }))
}
