//! `GET /devices/{key}/streams/{stream}`

use argosy_domain::model::{SampleRow, StreamSample};
use argosy_domain::ports::SampleFilter;
use argosy_proto::StreamName;

use crate::ops::prelude::*;

/// Rows that the device sent on `data/{stream}`, newest first.
#[utoipa::path(get, path = "/api/v1/devices/{key}/streams/{stream}", operation_id = "deviceStream", tag = "telemetry",
    params(("key" = String, Path, description = "Device key, or `id:42`"),
        ("stream" = String, Path, description = "The stream's name"), api::SpanQuery),
    responses((status = 200, description = "A page of rows", body = api::Page<api::StreamRowView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segments(key, stream): Segments,
    Params(query): Params<api::SpanQuery>,
) -> ApiResult<Answer<api::Page<api::StreamRowView>>> {
    let page = super::page(query.cursor, query.limit)?;
    let span = super::span(query.from, query.to)?;
    let stream = StreamName::new(stream)
        .map_err(|error| Problem::new(ProblemCode::BadRequest, error.to_string()).about("stream"))?;
    let mut read = app.engine.registry().read().await?;
    let device = resolve::device(&mut *read, &key, Place::Path).await?.id;
    drop(read);
    let found = app.engine.series().stream(&SampleFilter { device, span }, &stream, &page).await?;
    Ok(Answer(present::page(found, view)))
}

pub(super) fn view(row: SampleRow<StreamSample>) -> api::StreamRowView {
    api::StreamRowView {
        at: present::time(row.at),
        device_time: row.device_time.map(present::time),
        values: row
            .values
            .values
            .into_iter()
            .map(|(name, value)| (name, serde_json::to_value(value).unwrap_or_default()))
            .collect(),
    }
}
