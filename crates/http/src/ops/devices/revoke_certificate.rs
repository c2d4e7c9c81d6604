//! `DELETE /devices/{key}/certificates/{serial}`

use crate::ops::prelude::*;

/// Revokes a certificate for ever, and cuts the connection that was made with it. It is in the list of revocations from now on, and no
/// restore brings it back.
#[utoipa::path(delete, path = "/api/v1/devices/{key}/certificates/{serial}", operation_id = "revokeCertificate",
    tag = "devices",
    params(("key" = String, Path, description = "Device key, or `id:42`"),
        ("serial" = String, Path, description = "Serial number, lower-case hexadecimal"), api::RevokeQuery),
    responses((status = 204, description = "Revoked")))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segments(key, serial): Segments,
    Params(query): Params<api::RevokeQuery>,
) -> ApiResult<StatusCode> {
    let id = resolve::device(&mut *app.engine.registry().read().await?, &key, Place::Path).await?.id;
    let reason = query.reason.unwrap_or(api::RevocationReason::Unspecified);
    app.engine.revoke_certificate(&actor, id, &serial, present::domain_revocation_reason(reason)).await?;
    Ok(StatusCode::NO_CONTENT)
}
