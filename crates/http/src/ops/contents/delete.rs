//! `DELETE /contents/{id}`

use crate::ops::prelude::*;

/// Removes a content that no deployment refers to. One that was deployed is withdrawn instead (`PATCH`).
#[utoipa::path(delete, path = "/api/v1/contents/{id}", operation_id = "deleteContent", tag = "contents",
    params(("id" = String, Path, description = "The content's id (`12` or `id:12`) or its title")),
    responses((status = 204, description = "Removed")))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(id): Segment,
) -> ApiResult<StatusCode> {
    let id = resolve::content(&mut *app.engine.registry().read().await?, &id, Place::Path).await?.id;
    app.engine.delete_content(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
