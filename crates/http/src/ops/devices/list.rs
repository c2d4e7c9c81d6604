//! `GET /devices`

use argosy_domain::model::DeviceFilter;

use crate::ops::prelude::*;

/// Devices by id.
#[utoipa::path(get, path = "/api/v1/devices", operation_id = "listDevices", tag = "devices", params(api::DeviceQuery),
    responses((status = 200, description = "A page of devices", body = api::Page<api::DeviceView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::DeviceQuery>,
) -> ApiResult<Answer<api::Page<api::DeviceView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let mut read = app.engine.registry().read().await?;
    let selection = api::DeviceSelection {
        product: query.product,
        group: query.group,
        region: query.region,
        state: query.state,
        version: query.version,
        search: query.search,
    };
    let filter = DeviceFilter {
        online: query.online,
        contents_mismatch: query.contents_mismatch,
        ..super::filter_of(&mut *read, selection).await?
    };
    let found = read.devices(&filter, &page).await?;
    let items = live::devices(&app, &mut *read, found.items).await?;
    Ok(Answer(api::Page { items, next: found.next }))
}
