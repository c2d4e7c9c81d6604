//! `POST /deployments/{id}/resume`

use crate::ops::prelude::*;

/// Goes on dispatching.
#[utoipa::path(post, path = "/api/v1/deployments/{id}/resume", operation_id = "resumeDeployment", tag = "deployments",
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
    app.engine.resume_deployment(&actor, id, value.reason.as_deref().unwrap_or_default()).await?;
    Ok(Answer(super::view(&app, id).await?))
}
