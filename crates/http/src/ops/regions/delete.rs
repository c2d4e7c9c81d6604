//! `DELETE /regions/{code}`

use crate::ops::prelude::*;

/// Removes a region that nothing refers to.
#[utoipa::path(delete, path = "/api/v1/regions/{code}", operation_id = "deleteRegion", tag = "regions",
    params(("code" = String, Path, description = "Code, or `id:42`")),
    responses((status = 204, description = "Removed")))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(code): Segment,
) -> ApiResult<StatusCode> {
    let id = resolve::region(&mut *app.engine.registry().read().await?, &code, Place::Path).await?.id;
    app.engine.delete_region(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
