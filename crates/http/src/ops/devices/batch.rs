//! `POST /devices/batch`

use crate::ops::prelude::*;

use super::enroll::{Placing, enroll};

/// Registers up to 500 devices, all or none. A device that exists already with this product is not an error: with a CSR it gets
/// a further certificate, so a factory may repeat a call that was cut off.
#[utoipa::path(post, path = "/api/v1/devices/batch", operation_id = "createDevices", tag = "devices",
    params(IdempotencyKey), request_body = api::BatchDevicesRequest,
    responses((status = 201, description = "Registered, in the order of the request", body = api::BatchDevicesResponse)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Creation { value, ticket }: Creation<api::BatchDevicesRequest>,
) -> ApiResult<Response> {
    let (shared, by) = (Arc::clone(&app), actor.clone());
    let work = async move {
        let placing = Placing {
            product: value.product,
            group: value.group,
            region: value.region,
            unregistered: value.unregistered,
        };
        let enrolled = enroll(&shared, &by, placing, value.devices).await?;
        let devices = enrolled.into_iter().map(|device| api::BatchDeviceResult {
            key: device.key.to_string(),
            id: device.id.0,
            certificate: device.certificate.map(present::issued),
        });
        Ok(api::BatchDevicesResponse {
            devices: devices.collect(),
            roots_pem: shared.engine.authority().roots_pem(),
        })
    };
    ticket.create(&app, &actor, work).await
}
