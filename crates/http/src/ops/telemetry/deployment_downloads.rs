//! `GET /deployments/{id}/downloads`

use argosy_domain::model::EventKind;
use argosy_domain::ports::EventFilter;

use crate::ops::prelude::*;

/// Steps of the deployment's downloads on all devices, newest first.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/downloads", operation_id = "deploymentDownloads", tag = "telemetry",
    params(("id" = String, Path, description = "`42` or `id:42`"), api::DownloadQuery),
    responses((status = 200, description = "A page of steps", body = api::Page<api::DownloadEventView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(id): Segment,
    Params(query): Params<api::DownloadQuery>,
) -> ApiResult<Answer<api::Page<api::DownloadEventView>>> {
    let id = resolve::deployment_id(&id)?;
    let mut read = app.engine.registry().read().await?;
    if read.deployment(id).await?.is_none() {
        return Err(Place::Path.missing("deployment", &id.to_string()));
    }
    drop(read);
    let filter = EventFilter { deployment: Some(id), ..EventFilter::kind(EventKind::Download) };
    super::downloads::answer(&app, query, filter).await
}
