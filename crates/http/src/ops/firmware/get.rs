//! `GET /firmware/{id}`

use crate::ops::prelude::*;

/// One firmware.
#[utoipa::path(get, path = "/api/v1/firmware/{id}", operation_id = "getFirmware", tag = "firmware",
    params(("id" = String, Path, description = "The firmware's id: `12` or `id:12`")),
    responses((status = 200, description = "The firmware", body = api::FirmwareView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(id): Segment,
) -> ApiResult<Answer<api::FirmwareView>> {
    let mut read = app.engine.registry().read().await?;
    let firmware = super::find(&mut *read, &id).await?;
    Ok(Answer(Names::default().firmware(&mut *read, firmware).await?))
}
