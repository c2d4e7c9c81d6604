//! `DELETE /ca/imported/{id}`

use crate::ops::prelude::*;

/// No longer accepts the clients of an imported CA, and deletes its key. For administrators.
#[utoipa::path(delete, path = "/api/v1/ca/imported/{id}", operation_id = "removeImportedCa", tag = "devices",
    params(("id" = String, Path, description = "The CA's id")),
    responses((status = 204, description = "Removed")))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(id): Segment,
) -> ApiResult<StatusCode> {
    app.engine.remove_imported_ca(&actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
