//! `GET /devices/{key}/downloads`

use argosy_domain::model::{DownloadStep, Event, EventKind, EventRow};
use argosy_domain::ports::EventFilter;

use crate::ops::prelude::*;

/// Steps of the device's downloads, newest first: as it told them, and when. Progress is kept at its start and at each quarter.
#[utoipa::path(get, path = "/api/v1/devices/{key}/downloads", operation_id = "deviceDownloads", tag = "telemetry",
    params(("key" = String, Path, description = "Device key, or `id:42`"), api::DownloadQuery),
    responses((status = 200, description = "A page of steps", body = api::Page<api::DownloadEventView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(key): Segment,
    Params(query): Params<api::DownloadQuery>,
) -> ApiResult<Answer<api::Page<api::DownloadEventView>>> {
    let mut read = app.engine.registry().read().await?;
    let id = resolve::device(&mut *read, &key, Place::Path).await?.id;
    drop(read);
    answer(&app, query, EventFilter { devices: Some(vec![id]), ..EventFilter::kind(EventKind::Download) })
        .await
}

pub(super) async fn answer(
    app: &App,
    query: api::DownloadQuery,
    filter: EventFilter,
) -> ApiResult<Answer<api::Page<api::DownloadEventView>>> {
    let page = super::page(query.cursor, query.limit)?;
    let step: Option<DownloadStep> = resolve::words(query.step.as_deref(), "step")?.pop();
    let filter = EventFilter {
        span: super::span(query.from, query.to)?,
        word: step.map(|step| step.as_str().to_owned()),
        ..filter
    };
    super::events(app, &filter, &page, view).await
}

fn view(row: EventRow, device: String) -> Option<api::DownloadEventView> {
    let Event::Download { deployment, step, bytes, percent, speed_kbps, download_ms, message } = row.event
    else {
        return None;
    };
    Some(api::DownloadEventView {
        id: row.id,
        device,
        deployment_id: deployment.0,
        at: present::time(row.at),
        device_time: row.device_time.map(present::time),
        step: step.as_str().to_owned(),
        bytes,
        percent,
        speed_kbps,
        download_ms,
        message,
    })
}
