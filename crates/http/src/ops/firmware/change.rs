//! `PATCH /firmware/{id}`

use crate::ops::prelude::*;

/// Changes a firmware's state and notes. A draft is released or withdrawn, a released one withdrawn; withdrawn is for ever.
#[utoipa::path(patch, path = "/api/v1/firmware/{id}", operation_id = "changeFirmware", tag = "firmware",
    params(("id" = String, Path, description = "The firmware's id: `12` or `id:12`")),
    request_body = api::ChangeFirmwareRequest,
    responses((status = 200, description = "Changed", body = api::FirmwareView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(id): Segment,
    Json { value, .. }: Json<api::ChangeFirmwareRequest>,
) -> ApiResult<Answer<api::FirmwareView>> {
    let (id, state) = (resolve::firmware_id(&id)?, value.state.map(present::domain_firmware_state));
    let firmware = app.engine.update_firmware(&actor, id, state, value.release_notes.as_deref()).await?;
    let mut read = app.engine.registry().read().await?;
    Ok(Answer(Names::default().firmware(&mut *read, firmware).await?))
}
