//! `PUT /groups/{name}`

use crate::ops::prelude::*;

/// Changes a group: all of its fields.
#[utoipa::path(put, path = "/api/v1/groups/{name}", operation_id = "replaceGroup", tag = "groups",
    params(("name" = String, Path, description = "Name, or `id:42`")), request_body = api::GroupSpec,
    responses((status = 200, description = "Changed", body = api::GroupView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(name): Segment,
    Json { value, .. }: Json<api::GroupSpec>,
) -> ApiResult<Answer<api::GroupView>> {
    let id = resolve::group(&mut *app.engine.registry().read().await?, &name, Place::Path).await?.id;
    let changed = app.engine.update_group(&actor, id, &value.name).await?;
    let tallies = app.engine.registry().read().await?.group_tallies(&[id]).await?;
    Ok(Answer(present::group(changed, tallies.first().map(|(_, tally)| *tally))))
}
