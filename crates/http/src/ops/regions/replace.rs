//! `PUT /regions/{code}`

use crate::ops::prelude::*;

/// Changes a region: all of its fields.
#[utoipa::path(put, path = "/api/v1/regions/{code}", operation_id = "replaceRegion", tag = "regions",
    params(("code" = String, Path, description = "Code, or `id:42`")), request_body = api::RegionSpec,
    responses((status = 200, description = "Changed", body = api::RegionView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(code): Segment,
    Json { value, .. }: Json<api::RegionSpec>,
) -> ApiResult<Answer<api::RegionView>> {
    let id = resolve::region(&mut *app.engine.registry().read().await?, &code, Place::Path).await?.id;
    let changed = app.engine.update_region(&actor, id, &value.code, &value.name).await?;
    let tallies = app.engine.registry().read().await?.region_tallies(&[id]).await?;
    Ok(Answer(present::region(changed, tallies.first().map(|(_, tally)| *tally))))
}
