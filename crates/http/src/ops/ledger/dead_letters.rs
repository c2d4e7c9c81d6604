//! `GET /dead-letters`

use argosy_domain::model::InboxKind;
use argosy_domain::ports::InboxFilter;

use crate::ops::prelude::*;

/// Messages of devices that could not be understood, newest first. The oldest go when there are too many.
#[utoipa::path(get, path = "/api/v1/dead-letters", operation_id = "listDeadLetters", tag = "ledger", params(api::DeadLetterQuery),
    responses((status = 200, description = "A page of dead letters", body = api::Page<api::DeadLetterView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::DeadLetterQuery>,
) -> ApiResult<Answer<api::Page<api::DeadLetterView>>> {
    let key = query.device.map(|text| resolve::device_key(&text, || "device".to_owned())).transpose()?;
    let filter = InboxFilter { kind: Some(InboxKind::DeadLetter), key };
    let page = resolve::page(query.cursor, query.limit)?;
    let found = app.engine.registry().read().await?.inbox(&filter, &page).await?;
    Ok(Answer(present::page(found, present::dead_letter)))
}
