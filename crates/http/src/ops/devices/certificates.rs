//! `GET /devices/{key}/certificates`

use crate::ops::prelude::*;

/// A device's certificates on the allow-list, newest first.
#[utoipa::path(get, path = "/api/v1/devices/{key}/certificates", operation_id = "listCertificates", tag = "devices",
    params(("key" = String, Path, description = "Device key, or `id:42`"), api::PageQuery),
    responses((status = 200, description = "The certificates", body = api::CertificateList)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(key): Segment,
    Params(query): Params<api::PageQuery>,
) -> ApiResult<Answer<api::CertificateList>> {
    let mut read = app.engine.registry().read().await?;
    let id = resolve::device(&mut *read, &key, Place::Path).await?.id;
    let limit = resolve::page(None, query.limit)?.bounded() as usize;
    // A device has few (the number of renewals is bounded), and the newest, which are on the first page, are what is looked for.
    let mut items = read.certificates(id).await?;
    if let Some(cursor) = &query.cursor {
        let at = items.iter().position(|certificate| certificate.serial == *cursor);
        items.drain(..=at.ok_or_else(resolve::foreign_cursor)?);
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|certificate| certificate.serial.clone());
    let imported = if query.cursor.is_none() { read.imported_identities(id).await? } else { Vec::new() };
    Ok(Answer(api::CertificateList {
        items: items.into_iter().map(present::certificate).collect(),
        imported: imported.into_iter().map(present::imported_identity).collect(),
        next,
    }))
}
