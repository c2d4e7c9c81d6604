//! `POST /firmware`

use argosy_domain::model::FirmwareState;
use argosy_engine::FirmwareRequest;

use crate::ops::prelude::*;

/// Registers an uploaded file as firmware. The image is read first: a wrong chip, a broken or an oversized image is refused with what
/// is wrong. The same version and file name for a product is refused with 409.
#[utoipa::path(post, path = "/api/v1/firmware", operation_id = "createFirmware", tag = "firmware",
    params(IdempotencyKey), request_body = api::CreateFirmwareRequest,
    responses((status = 201, description = "Registered", body = api::FirmwareView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Creation { value, ticket }: Creation<api::CreateFirmwareRequest>,
) -> ApiResult<Response> {
    let (engine, by) = (Arc::clone(&app.engine), actor.clone());
    let work = async move {
        let mut read = engine.registry().read().await?;
        let product = resolve::product(&mut *read, &value.product, Place::Field("product")).await?.id;
        drop(read);
        let request = FirmwareRequest {
            upload: value.upload_id,
            product,
            version: value.version,
            file_name: value.file_name,
            release_notes: value.release_notes.unwrap_or_default(),
            state: value.state.map_or(FirmwareState::Released, present::domain_firmware_state),
        };
        let firmware = engine.register_firmware(&by, request).await?;
        let mut read = engine.registry().read().await?;
        Ok(Names::default().firmware(&mut *read, firmware).await?)
    };
    ticket.create(&app, &actor, work).await
}
