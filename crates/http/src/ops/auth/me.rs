//! `GET /me`

use crate::ops::prelude::*;

use super::me_of;

/// Who is calling.
#[utoipa::path(get, path = "/api/v1/me", operation_id = "me", tag = "account",
    responses((status = 200, description = "The caller", body = api::MeResponse)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    caller: AnyCaller,
) -> ApiResult<Answer<api::MeResponse>> {
    Ok(Answer(me_of(&app, &caller).await?))
}
