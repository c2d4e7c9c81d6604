//! `POST /devices/import`

use std::collections::HashMap;

use argosy_domain::model::ImportedBy;
use argosy_engine::{ImportRow, MAX_IMPORT_ROWS};

use crate::ops::prelude::*;

/// Imports up to 500 devices of an older system with their identities there, all or none. What is there already stays as it is, so a
/// file that was cut off can be sent again.
#[utoipa::path(post, path = "/api/v1/devices/import", operation_id = "importDevices", tag = "devices",
    request_body = api::ImportDevicesRequest,
    responses((status = 200, description = "Imported", body = api::ImportDevicesResponse)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Json { value: request, .. }: Json<api::ImportDevicesRequest>,
) -> ApiResult<Answer<api::ImportDevicesResponse>> {
    if request.devices.is_empty() || request.devices.len() > MAX_IMPORT_ROWS {
        let detail = format!("give 1 to {MAX_IMPORT_ROWS} devices in one call");
        return Err(Problem::new(ProblemCode::Invalid, detail).about("devices").into());
    }
    let mut read = app.engine.registry().read().await?;
    let (mut products, mut groups, mut regions) = (HashMap::new(), HashMap::new(), HashMap::new());
    for device in &request.devices {
        if !products.contains_key(&device.product) {
            let found = resolve::product(&mut *read, &device.product, Place::Field("product")).await?;
            products.insert(device.product.clone(), found.id);
        }
        if let Some(name) = device.group.as_ref().filter(|name| !groups.contains_key(*name)) {
            let found = resolve::group(&mut *read, name, Place::Field("group")).await?;
            groups.insert(name.clone(), found.id);
        }
        if let Some(code) = device.region.as_ref().filter(|code| !regions.contains_key(*code)) {
            let found = resolve::region(&mut *read, code, Place::Field("region")).await?;
            regions.insert(code.clone(), found.id);
        }
    }
    drop(read);
    let mut rows = Vec::with_capacity(request.devices.len());
    for (index, device) in request.devices.into_iter().enumerate() {
        let identity = match (device.cn, device.serial) {
            (Some(_), Some(_)) => {
                let detail = format!("device {}: give cn or serial, not both", device.key);
                return Err(Problem::new(ProblemCode::Invalid, detail).about("cn").into());
            }
            (Some(cn), None) => Some((ImportedBy::CommonName, cn)),
            (None, Some(serial)) => Some((ImportedBy::Serial, serial)),
            (None, None) => None,
        };
        let product = products.get(&device.product).copied();
        let Some(product) = product else { continue };
        rows.push(ImportRow {
            key: resolve::device_key(&device.key, || format!("devices.{index}.key"))?,
            name: device.name,
            product,
            group: device.group.as_ref().and_then(|name| groups.get(name).copied()),
            region: device.region.as_ref().and_then(|code| regions.get(code).copied()),
            issuer: device.issuer,
            identity,
        });
    }
    let (created, identities) = app.engine.import_devices(&actor, rows).await?;
    Ok(Answer(api::ImportDevicesResponse { created, identities }))
}
