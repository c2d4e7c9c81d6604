//! `GET /devices/{key}/presence`

use argosy_domain::model::{Event, EventKind};
use argosy_domain::ports::EventFilter;

use crate::ops::prelude::*;

/// When the device came and went, newest first. A crash of the server may lose its last moments.
#[utoipa::path(get, path = "/api/v1/devices/{key}/presence", operation_id = "devicePresence", tag = "telemetry",
    params(("key" = String, Path, description = "Device key, or `id:42`"), api::SpanQuery),
    responses((status = 200, description = "A page of comings and goings", body = api::Page<api::PresenceView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(key): Segment,
    Params(query): Params<api::SpanQuery>,
) -> ApiResult<Answer<api::Page<api::PresenceView>>> {
    let page = super::page(query.cursor, query.limit)?;
    let span = super::span(query.from, query.to)?;
    let mut read = app.engine.registry().read().await?;
    let id = resolve::device(&mut *read, &key, Place::Path).await?.id;
    drop(read);
    let filter = EventFilter { span, devices: Some(vec![id]), ..EventFilter::kind(EventKind::Presence) };
    super::events(&app, &filter, &page, |row, _| {
        let Event::Presence { online } = row.event else { return None };
        Some(api::PresenceView { id: row.id, at: present::time(row.at), online })
    })
    .await
}
