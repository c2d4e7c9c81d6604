//! `POST /deployments/preview`

use crate::ops::prelude::*;

/// What a deployment would do, without making it: how many devices get it now, how many of them are connected, and how much each
/// downloads. Everything that would refuse the deployment refuses the preview, but for an empty target: that is 0 devices.
#[utoipa::path(post, path = "/api/v1/deployments/preview", operation_id = "previewDeployment", tag = "deployments",
    request_body = api::CreateDeploymentRequest,
    responses((status = 200, description = "What it would do", body = api::DeploymentPreview)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Json { value, .. }: Json<api::CreateDeploymentRequest>,
) -> ApiResult<Answer<api::DeploymentPreview>> {
    let mut read = app.engine.registry().read().await?;
    let request = super::create::request(&mut *read, value).await?;
    drop(read);
    let preview = app.engine.preview_deployment(request).await?;
    Ok(Answer(api::DeploymentPreview {
        name: preview.name,
        devices: preview.devices,
        online: preview.online,
        bytes_per_device: preview.bytes_per_device,
    }))
}
