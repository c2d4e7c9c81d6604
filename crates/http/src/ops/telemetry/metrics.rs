//! `GET /devices/{key}/metrics`

use argosy_domain::ports::{MAX_POINTS, Metric, RangeQuery, TimeSpan};
use argosy_proto::StreamName;

use crate::ops::prelude::*;

/// Points of a curve if the request does not say.
const POINTS: u32 = 300;
/// Curves at most.
const CURVES: usize = 16;
/// Milliseconds of the range if the request does not say.
const RANGE_MS: i64 = 24 * 60 * 60 * 1000;

/// Curves of the device's measures, down-sampled to the points asked for: of each point the least, the mean and the greatest value.
/// Where the device said nothing there is a gap, not a line.
#[utoipa::path(get, path = "/api/v1/devices/{key}/metrics", operation_id = "deviceMetrics", tag = "telemetry",
    params(("key" = String, Path, description = "Device key, or `id:42`"), api::MetricsQuery),
    responses((status = 200, description = "The curves", body = api::MetricsView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(key): Segment,
    Params(query): Params<api::MetricsQuery>,
) -> ApiResult<Answer<api::MetricsView>> {
    let bad =
        |field: &'static str, detail: String| Problem::new(ProblemCode::BadRequest, detail).about(field);
    let names: Vec<String> =
        query.metric.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() || names.len() > CURVES {
        return Err(bad("metric", format!("ask for 1 to {CURVES} metrics, separated by commas")).into());
    }
    let metrics: Result<Vec<Metric>, String> = names.iter().map(|name| metric(name)).collect();
    let metrics = metrics.map_err(|why| bad("metric", why))?;
    let points = query.points.unwrap_or(POINTS);
    if !(1..=MAX_POINTS).contains(&points) {
        return Err(bad("points", format!("points is 1 to {MAX_POINTS}")).into());
    }
    let to = query.to.map_or_else(|| app.engine.now(), |time| Timestamp(time.0));
    let from = query.from.map_or(Timestamp(to.0.saturating_sub(RANGE_MS)), |time| Timestamp(time.0));
    if from >= to {
        return Err(bad("from", "from must be before to".to_owned()).into());
    }
    let mut read = app.engine.registry().read().await?;
    let device = resolve::device(&mut *read, &key, Place::Path).await?.id;
    drop(read);
    let query = RangeQuery { device, metrics, span: TimeSpan::new(from, to), points };
    let found = app.engine.series().range(&query).await?;
    let curves = names.into_iter().zip(found.curves).map(|(metric, points)| api::CurveView {
        metric,
        points: points
            .into_iter()
            .map(|point| point.map(|p| api::PointView { min: p.min, avg: p.avg, max: p.max, count: p.count }))
            .collect(),
    });
    Ok(Answer(api::MetricsView {
        from: present::time(found.from),
        to: present::time(to),
        step_ms: found.step_ms,
        curves: curves.collect(),
    }))
}

fn metric(name: &str) -> Result<Metric, String> {
    // The words of the protocol are taken too.
    match name {
        "cpu_core_0" => return metric("cpu_0"),
        "cpu_core_1" => return metric("cpu_1"),
        _ => {}
    }
    match name.split_once('.') {
        Some((stream, column)) if !column.is_empty() => StreamName::new(stream)
            .map(|stream| Metric::Stream(stream, column.to_owned()))
            .map_err(|error| error.to_string()),
        _ => name
            .parse()
            .map(Metric::Status)
            .map_err(|error| format!("{error}; a column of a stream is STREAM.COLUMN")),
    }
}
