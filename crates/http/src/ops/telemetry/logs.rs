//! `GET /logs`, `GET /devices/{key}/logs`

use argosy_domain::model::{DeviceFilter, Event, EventKind, EventRow};
use argosy_domain::ports::{EventFilter, MAX_SERIES_DEVICES};
use argosy_proto::DeviceId;

use crate::ops::prelude::*;

/// Error logs of the fleet, newest first. A search through much may give pages with fewer rows than asked, or none, that have a `next`.
#[utoipa::path(get, path = "/api/v1/logs", operation_id = "listLogs", tag = "telemetry", params(api::LogQuery),
    responses((status = 200, description = "A page of logs", body = api::Page<api::LogView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::LogQuery>,
) -> ApiResult<Answer<api::Page<api::LogView>>> {
    let mut filter = DeviceFilter::default();
    let mut read = app.engine.registry().read().await?;
    if let Some(name) = &query.group {
        filter.groups.push(resolve::group(&mut *read, name, Place::Field("group")).await?.id);
    }
    if let Some(code) = &query.region {
        filter.regions.push(resolve::region(&mut *read, code, Place::Field("region")).await?.id);
    }
    let devices = if filter == DeviceFilter::default() {
        None
    } else {
        let mut ids: Vec<DeviceId> = Vec::new();
        super::fleet::walk(&mut *read, &filter, |device| {
            ids.push(device.id);
            if ids.len() > MAX_SERIES_DEVICES {
                let detail = format!(
                    "it holds more than {MAX_SERIES_DEVICES} devices: search the whole fleet instead, or a smaller part"
                );
                return Err(Problem::new(ProblemCode::BadRequest, detail).about("group").into());
            }
            Ok(())
        })
        .await?;
        Some(ids)
    };
    drop(read);
    answer(&app, query, devices).await
}

/// Error logs of the device, newest first.
#[utoipa::path(get, path = "/api/v1/devices/{key}/logs", operation_id = "deviceLogs", tag = "telemetry",
    params(("key" = String, Path, description = "Device key, or `id:42`"), api::LogQuery),
    responses((status = 200, description = "A page of logs", body = api::Page<api::LogView>)))]
pub(crate) async fn device(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(key): Segment,
    Params(query): Params<api::LogQuery>,
) -> ApiResult<Answer<api::Page<api::LogView>>> {
    if query.group.is_some() || query.region.is_some() {
        let detail = "a device's logs are asked for without group and region";
        return Err(Problem::new(ProblemCode::BadRequest, detail).about("group").into());
    }
    let mut read = app.engine.registry().read().await?;
    let id = resolve::device(&mut *read, &key, Place::Path).await?.id;
    drop(read);
    answer(&app, query, Some(vec![id])).await
}

async fn answer(
    app: &App,
    query: api::LogQuery,
    devices: Option<Vec<DeviceId>>,
) -> ApiResult<Answer<api::Page<api::LogView>>> {
    let page = super::page(query.cursor, query.limit)?;
    let filter = EventFilter {
        span: super::span(query.from, query.to)?,
        devices,
        word: query.tag,
        text: query.search,
        ..EventFilter::kind(EventKind::Log)
    };
    super::events(app, &filter, &page, view).await
}

fn view(row: EventRow, device: String) -> Option<api::LogView> {
    let Event::Log { tag, text } = row.event else { return None };
    Some(api::LogView {
        id: row.id,
        device,
        at: present::time(row.at),
        device_time: row.device_time.map(present::time),
        tag,
        text,
    })
}
