//! `GET /revocations`

use crate::ops::prelude::*;

/// Everything that was revoked, oldest first.
#[utoipa::path(get, path = "/api/v1/revocations", operation_id = "listRevocations", tag = "devices",
    params(api::RevocationQuery),
    responses((status = 200, description = "A page of revocations", body = api::Page<api::RevocationView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::RevocationQuery>,
) -> ApiResult<Answer<api::Page<api::RevocationView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let found = app.engine.registry().read().await?.revocations(&page).await?;
    Ok(Answer(present::page(found, present::revocation)))
}
