//! `DELETE /tokens/{id}`

use argosy_proto::TokenId;

use crate::ops::prelude::*;

/// Removes one of the caller's tokens; it is refused from then on.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", operation_id = "deleteToken", tag = "account",
    params(("id" = i64, Path, description = "The token's id")),
    responses((status = 204, description = "Removed")))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(id): Segment,
) -> ApiResult<StatusCode> {
    let missing = || Problem::new(ProblemCode::NotFound, "there is no such token");
    let id = id.trim_start_matches("id:").parse().map_err(|_| missing())?;
    app.engine.delete_token(&actor, TokenId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
