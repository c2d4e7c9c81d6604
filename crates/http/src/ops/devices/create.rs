//! `POST /devices`

use crate::ops::prelude::*;

use super::enroll::{Placing, enroll};

/// Registers one device; with a CSR its certificate comes with the answer.
#[utoipa::path(post, path = "/api/v1/devices", operation_id = "createDevice", tag = "devices",
    params(IdempotencyKey), request_body = api::CreateDeviceRequest,
    responses((status = 201, description = "Registered", body = api::CreateDeviceResponse)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Creation { value, ticket }: Creation<api::CreateDeviceRequest>,
) -> ApiResult<Response> {
    let (shared, by) = (Arc::clone(&app), actor.clone());
    let work = async move {
        let placing = Placing {
            product: value.product,
            group: value.group,
            region: value.region,
            unregistered: value.unregistered,
        };
        let one = api::BatchDevice {
            key: value.key,
            name: value.name,
            csr: value.csr,
            attributes: value.attributes,
        };
        let enrolled = enroll(&shared, &by, placing, vec![one]).await?.pop();
        let enrolled =
            enrolled.ok_or_else(|| Problem::new(ProblemCode::Internal, "nothing was registered"))?;
        let mut read = shared.engine.registry().read().await?;
        let device = read.device(enrolled.id).await?;
        let device =
            device.ok_or_else(|| Problem::new(ProblemCode::NotFound, "the device was removed meanwhile"))?;
        Ok(api::CreateDeviceResponse {
            device: Names::default().device(&mut *read, device).await?,
            certificate: enrolled.certificate.map(present::issued),
            roots_pem: shared.engine.authority().roots_pem(),
        })
    };
    ticket.create(&app, &actor, work).await
}
