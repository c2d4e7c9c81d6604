//! `GET /groups/{name}`

use crate::ops::prelude::*;

/// One group.
#[utoipa::path(get, path = "/api/v1/groups/{name}", operation_id = "getGroup", tag = "groups",
    params(("name" = String, Path, description = "Name, or `id:42`")),
    responses((status = 200, description = "The group", body = api::GroupView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(name): Segment,
) -> ApiResult<Answer<api::GroupView>> {
    let mut read = app.engine.registry().read().await?;
    let found = resolve::group(&mut *read, &name, Place::Path).await?;
    let tallies = read.group_tallies(&[found.id]).await?;
    Ok(Answer(present::group(found, tallies.first().map(|(_, tally)| *tally))))
}
