//! `GET /metrics`

use crate::metrics::{METRICS_TYPE, MetricsSource as _, MetricsText};
use crate::ops::prelude::*;

/// Numbers for Prometheus. It needs a token or a session as everything but health does.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "system",
    responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain")))]
pub(crate) async fn handle(State(app): State<Arc<App>>, _caller: Caller) -> Response {
    let mut text = MetricsText::default();
    app.stats.write(&mut text);
    let cache = app.cache.stats();
    text.counter("argosy_artifact_cache_hits_total", "Blocks found in memory.", &[], cache.hits);
    text.counter("argosy_artifact_cache_misses_total", "Blocks read from the store.", &[], cache.misses);
    text.counter(
        "argosy_artifact_cache_evictions_total",
        "Blocks given up for others.",
        &[],
        cache.evictions,
    );
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    text.gauge("argosy_artifact_cache_bytes", "Bytes of blocks in use.", &[], cache.bytes as f64);
    for (name, value) in app.engine.metrics().snapshot() {
        text.counter(&format!("argosy_engine_{name}"), "A counter of the engine.", &[], value);
    }
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    let online = app.engine.presence().online_count() as f64;
    text.gauge("argosy_devices_online", "Devices connected now.", &[], online);
    let held = if app.engine.is_held() { 1.0 } else { 0.0 };
    text.gauge("argosy_held", "1: restored and held, nothing is dispatched or issued.", &[], held);
    for source in &app.metrics {
        source.write(&mut text);
    }
    ([(CONTENT_TYPE, METRICS_TYPE)], text.render()).into_response()
}
