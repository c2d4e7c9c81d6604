//! `POST /registration-codes`

use argosy_engine::CodeRequest;

use super::view;
use crate::ops::prelude::*;

/// Makes a six-digit code. It is shown this once: a repeat with the same idempotency key gets the same answer, which is kept
/// sealed under the server's key.
#[utoipa::path(post, path = "/api/v1/registration-codes", operation_id = "createRegistrationCode", tag = "devices",
    params(IdempotencyKey), request_body = api::CreateRegistrationCodeRequest,
    responses((status = 201, description = "Made", body = api::CreateRegistrationCodeResponse)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Creation { value, ticket }: Creation<api::CreateRegistrationCodeRequest>,
) -> ApiResult<Response> {
    let (shared, by) = (Arc::clone(&app), actor.clone());
    let work = async move {
        let mut read = shared.engine.registry().read().await?;
        let request = CodeRequest {
            product: resolve::product(&mut *read, &value.product, Place::Field("product")).await?.id,
            group: resolve::group(&mut *read, &value.group, Place::Field("group")).await?.id,
            region: resolve::region(&mut *read, &value.region, Place::Field("region")).await?.id,
            device_name: value.device_name,
        };
        drop(read);
        let made = shared.engine.create_registration_code(&by, request).await?;
        let mut read = shared.engine.registry().read().await?;
        let now = shared.engine.now();
        let left = made.row.spec.expires_at.since(now).as_secs();
        Ok(api::CreateRegistrationCodeResponse {
            code: made.code,
            server_time: present::time(now),
            expires_in_s: u32::try_from(left).unwrap_or(u32::MAX),
            view: view(&mut Names::default(), &mut *read, made.row, now).await?,
        })
    };
    ticket.sealed().create(&app, &actor, work).await
}
