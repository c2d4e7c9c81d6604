//! `DELETE /firmware/{id}`

use crate::ops::prelude::*;

/// Removes a firmware that no deployment refers to.
#[utoipa::path(delete, path = "/api/v1/firmware/{id}", operation_id = "deleteFirmware", tag = "firmware",
    params(("id" = String, Path, description = "The firmware's id: `12` or `id:12`")),
    responses((status = 204, description = "Removed")))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(id): Segment,
) -> ApiResult<StatusCode> {
    app.engine.delete_firmware(&actor, resolve::firmware_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
