//! `POST /deployments/{id}/cancel`

use crate::ops::prelude::*;

/// Ends a deployment: what is not final is canceled at once, and devices at work are told. Nobody is waited for.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/cancel", operation_id = "cancelDeployment", tag = "deployments",
    params(("id" = String, Path, description = "The deployment's id: `12` or `id:12`")),
    request_body = Option<api::DeploymentAction>,
    responses((status = 200, description = "The deployment as it is now", body = api::DeploymentView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(id): Segment,
    Json { value, .. }: Json<api::DeploymentAction>,
) -> ApiResult<Answer<api::DeploymentView>> {
    let id = resolve::deployment_id(&id)?;
    app.engine.cancel_deployment(&actor, id, value.reason.as_deref().unwrap_or_default()).await?;
    Ok(Answer(super::view(&app, id).await?))
}
