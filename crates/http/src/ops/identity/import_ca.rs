//! `POST /ca/imported`

use crate::ops::prelude::*;

/// Accepts the clients of a CA of an older system from now on, by import row. With its key, our server certificate is served under it
/// too. The same certificate again is no error: a key that was missing is added. For administrators.
#[utoipa::path(post, path = "/api/v1/ca/imported", operation_id = "importCa", tag = "devices",
    request_body = api::ImportCaRequest,
    responses((status = 201, description = "Imported", body = api::ImportedCaView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Json { value: request, .. }: Json<api::ImportCaRequest>,
) -> ApiResult<Response> {
    let imported = app.engine.import_ca(&actor, request.certificate_pem, request.key_pem).await?;
    Ok((StatusCode::CREATED, Answer(present::imported_ca(imported))).into_response())
}
