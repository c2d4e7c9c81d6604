//! `GET /registration-codes/{id}`

use super::{id_of, view};
use crate::ops::prelude::*;

/// One code, without its digits: who waits for a device to use it looks here.
#[utoipa::path(get, path = "/api/v1/registration-codes/{id}", operation_id = "getRegistrationCode", tag = "devices",
    params(("id" = i64, Path, description = "The code's id")),
    responses((status = 200, description = "The code", body = api::RegistrationCodeView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(id): Segment,
) -> ApiResult<Answer<api::RegistrationCodeView>> {
    let id = id_of(&id)?;
    let mut read = app.engine.registry().read().await?;
    let found = read.registration_code(id).await?;
    let code =
        found.ok_or_else(|| Problem::new(ProblemCode::NotFound, "there is no such registration code"))?;
    Ok(Answer(view(&mut Names::default(), &mut *read, code, app.engine.now()).await?))
}
