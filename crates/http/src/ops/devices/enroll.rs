//! What registering one device and registering many share.

use argosy_engine::{Actor, DeviceRequest, EnrolledDevice};

use crate::ops::prelude::*;

/// Where the devices belong, as the request names it.
pub(crate) struct Placing {
    pub(crate) product: String,
    pub(crate) group: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) unregistered: bool,
}

pub(crate) async fn enroll(
    app: &App,
    actor: &Actor,
    placing: Placing,
    devices: Vec<api::BatchDevice>,
) -> ApiResult<Vec<EnrolledDevice>> {
    if devices.is_empty() || devices.len() > api::MAX_BATCH {
        let detail = format!("give 1 to {} devices in one call", api::MAX_BATCH);
        return Err(Problem::new(ProblemCode::Invalid, detail).about("devices").into());
    }
    let mut requests = Vec::with_capacity(devices.len());
    for (index, device) in devices.into_iter().enumerate() {
        requests.push(DeviceRequest {
            key: resolve::device_key(&device.key, || format!("devices.{index}.key"))?,
            name: device.name,
            csr: device.csr,
            attributes: device.attributes,
            unregistered: placing.unregistered,
        });
    }
    let mut read = app.engine.registry().read().await?;
    let product = resolve::product(&mut *read, &placing.product, Place::Field("product")).await?.id;
    let group = match &placing.group {
        Some(name) => Some(resolve::group(&mut *read, name, Place::Field("group")).await?.id),
        None => None,
    };
    let region = match &placing.region {
        Some(code) => Some(resolve::region(&mut *read, code, Place::Field("region")).await?.id),
        None => None,
    };
    drop(read);
    Ok(app.engine.enroll_devices(actor, product, group, region, requests).await?)
}
