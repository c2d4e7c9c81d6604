//! `GET /firmware`

use argosy_domain::ports::FirmwareFilter;

use crate::ops::prelude::*;

/// Firmware, newest first.
#[utoipa::path(get, path = "/api/v1/firmware", operation_id = "listFirmware", tag = "firmware", params(api::FirmwareQuery),
    responses((status = 200, description = "A page of firmware", body = api::Page<api::FirmwareView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::FirmwareQuery>,
) -> ApiResult<Answer<api::Page<api::FirmwareView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let mut read = app.engine.registry().read().await?;
    let product = match &query.product {
        Some(name) => Some(resolve::product(&mut *read, name, Place::Field("product")).await?.id),
        None => None,
    };
    let state = query.state.map(present::domain_firmware_state);
    let found = read.firmware_list(&FirmwareFilter { product, state, search: query.search }, &page).await?;
    let (mut names, mut items) = (Names::default(), Vec::with_capacity(found.items.len()));
    for firmware in found.items {
        items.push(names.firmware(&mut *read, firmware).await?);
    }
    Ok(Answer(api::Page { items, next: found.next }))
}
