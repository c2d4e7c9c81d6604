//! `GET /registration-codes`

use argosy_domain::model::RegistrationCodeState;
use argosy_domain::ports::RegistrationCodeFilter;

use super::view;
use crate::ops::prelude::*;

/// Codes, newest first, without their digits. Those that ended are listed for 30 days.
#[utoipa::path(get, path = "/api/v1/registration-codes", operation_id = "listRegistrationCodes", tag = "devices",
    params(api::RegistrationCodeQuery),
    responses((status = 200, description = "A page of codes", body = api::Page<api::RegistrationCodeView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::RegistrationCodeQuery>,
) -> ApiResult<Answer<api::Page<api::RegistrationCodeView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let mut read = app.engine.registry().read().await?;
    let product = match &query.product {
        Some(name) => Some(resolve::product(&mut *read, name, Place::Field("product")).await?.id),
        None => None,
    };
    let state: Option<RegistrationCodeState> = query.state.map(present::domain_registration_code_state);
    let now = app.engine.now();
    let found = read.registration_codes(&RegistrationCodeFilter { state, product }, now, &page).await?;
    let (mut names, mut items) = (Names::default(), Vec::with_capacity(found.items.len()));
    for code in found.items {
        items.push(view(&mut names, &mut *read, code, now).await?);
    }
    Ok(Answer(api::Page { items, next: found.next }))
}
