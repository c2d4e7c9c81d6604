//! `GET /dead-letters`

use argosy_domain::model::EventKind;
use argosy_domain::ports::EventFilter;

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
    let filter = EventFilter { key, ..EventFilter::kind(EventKind::DeadLetter) };
    let page = crate::ops::telemetry::page(query.cursor, query.limit)?;
    let found = app.engine.series().events(&filter, &page).await?;
    let items = found.items.into_iter().filter_map(present::dead_letter).collect();
    Ok(Answer(api::Page { items, next: found.next }))
}
