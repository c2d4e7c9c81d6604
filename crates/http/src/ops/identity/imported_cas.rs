//! `GET /ca/imported`

use crate::ops::prelude::*;

/// The CAs that were imported.
#[utoipa::path(get, path = "/api/v1/ca/imported", operation_id = "listImportedCas", tag = "devices",
    responses((status = 200, description = "The CAs", body = api::ImportedCaList)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
) -> ApiResult<Answer<api::ImportedCaList>> {
    let items = app.engine.authority().imported_cas().into_iter().map(present::imported_ca).collect();
    Ok(Answer(api::ImportedCaList { items }))
}
