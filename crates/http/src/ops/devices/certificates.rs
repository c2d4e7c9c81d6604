//! `GET /devices/{key}/certificates`

use crate::ops::prelude::*;

/// A device's certificates on the allow-list, newest first.
#[utoipa::path(get, path = "/api/v1/devices/{key}/certificates", operation_id = "listCertificates", tag = "devices",
    params(("key" = String, Path, description = "Device key, or `id:42`")),
    responses((status = 200, description = "The certificates", body = api::CertificateList)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(key): Segment,
) -> ApiResult<Answer<api::CertificateList>> {
    let mut read = app.engine.registry().read().await?;
    let id = resolve::device(&mut *read, &key, Place::Path).await?.id;
    let items = read.certificates(id).await?.into_iter().map(present::certificate).collect();
    let imported = read.imported_identities(id).await?.into_iter().map(present::imported_identity).collect();
    Ok(Answer(api::CertificateList { items, imported }))
}
