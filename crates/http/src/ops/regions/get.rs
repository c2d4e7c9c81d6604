//! `GET /regions/{code}`

use crate::ops::prelude::*;

/// One region.
#[utoipa::path(get, path = "/api/v1/regions/{code}", operation_id = "getRegion", tag = "regions",
    params(("code" = String, Path, description = "Code, or `id:42`")),
    responses((status = 200, description = "The region", body = api::RegionView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(code): Segment,
) -> ApiResult<Answer<api::RegionView>> {
    let mut read = app.engine.registry().read().await?;
    let found = resolve::region(&mut *read, &code, Place::Path).await?;
    let tallies = read.region_tallies(&[found.id]).await?;
    Ok(Answer(present::region(found, tallies.first().map(|(_, tally)| *tally))))
}
