//! `DELETE /registration-codes/{id}`

use super::id_of;
use crate::ops::prelude::*;

/// Revokes a code: no device can use it any more. It stays in the list.
#[utoipa::path(delete, path = "/api/v1/registration-codes/{id}", operation_id = "revokeRegistrationCode", tag = "devices",
    params(("id" = i64, Path, description = "The code's id")),
    responses((status = 204, description = "Revoked")))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(id): Segment,
) -> ApiResult<StatusCode> {
    app.engine.revoke_registration_code(&actor, id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
