//! `POST /devices/{key}/certificates`

use crate::ops::prelude::*;

/// Issues a further certificate to a device; those before stay valid.
#[utoipa::path(post, path = "/api/v1/devices/{key}/certificates", operation_id = "issueCertificate", tag = "devices",
    params(IdempotencyKey, ("key" = String, Path, description = "Device key, or `id:42`")),
    request_body = api::IssueCertificateRequest,
    responses((status = 201, description = "Issued", body = api::IssueCertificateResponse)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(key): Segment,
    Creation { value, ticket }: Creation<api::IssueCertificateRequest>,
) -> ApiResult<Response> {
    let id = resolve::device(&mut *app.engine.registry().read().await?, &key, Place::Path).await?.id;
    let (engine, by) = (Arc::clone(&app.engine), actor.clone());
    let work = async move {
        let certificate = present::issued(engine.issue_certificate(&by, id, value.csr).await?);
        Ok(api::IssueCertificateResponse { certificate, roots_pem: engine.authority().roots_pem() })
    };
    ticket.create(&app, &actor, work).await
}
