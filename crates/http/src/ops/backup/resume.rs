//! `POST /resume`

use crate::ops::prelude::*;

/// Ends the hold of a restored server: everything that `GET /hold` lists is sent and issued from now on. For administrators.
#[utoipa::path(post, path = "/api/v1/resume", operation_id = "resumeServer", tag = "system",
    responses((status = 204, description = "Resumed")))]
pub(crate) async fn handle(State(app): State<Arc<App>>, Caller(actor): Caller) -> ApiResult<StatusCode> {
    app.engine.resume_server(&actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
