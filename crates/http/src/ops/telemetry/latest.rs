//! `GET /devices/{key}/latest`

use std::collections::BTreeMap;

use crate::ops::prelude::*;

/// The last that the device said: its status, and the last row of each of its streams.
#[utoipa::path(get, path = "/api/v1/devices/{key}/latest", operation_id = "deviceLatest", tag = "telemetry",
    params(("key" = String, Path, description = "Device key, or `id:42`")),
    responses((status = 200, description = "The last of everything", body = api::LatestView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(key): Segment,
) -> ApiResult<Answer<api::LatestView>> {
    let mut read = app.engine.registry().read().await?;
    let id = resolve::device(&mut *read, &key, Place::Path).await?.id;
    drop(read);
    let latest = app.engine.series().latest(&[id]).await?.pop();
    let status = latest.as_ref().and_then(|latest| latest.status.as_ref()).map(live::status);
    let streams: BTreeMap<String, api::StreamRowView> = latest
        .map(|latest| latest.streams)
        .unwrap_or_default()
        .into_iter()
        .map(|row| (row.values.stream.as_str().to_owned(), super::stream::view(row)))
        .collect();
    Ok(Answer(api::LatestView { status, streams }))
}
