//! `GET /deployments/{id}`

use crate::ops::prelude::*;

/// One deployment, with exact counts.
#[utoipa::path(get, path = "/api/v1/deployments/{id}", operation_id = "getDeployment", tag = "deployments",
    params(("id" = String, Path, description = "The deployment's id: `12` or `id:12`")),
    responses((status = 200, description = "The deployment", body = api::DeploymentView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(id): Segment,
) -> ApiResult<Answer<api::DeploymentView>> {
    Ok(Answer(super::view(&app, resolve::deployment_id(&id)?).await?))
}
