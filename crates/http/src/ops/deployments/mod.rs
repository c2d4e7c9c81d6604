//! Deployments.

pub(crate) mod cancel;
pub(crate) mod create;
pub(crate) mod devices;
pub(crate) mod events;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod preview;
pub(crate) mod resume;

use argosy_proto::DeploymentId;

use crate::ops::prelude::*;

/// A deployment as the API shows it.
pub(crate) async fn view(app: &App, id: DeploymentId) -> ApiResult<api::DeploymentView> {
    let summary = app.engine.deployment_summary(id).await?;
    let mut read = app.engine.registry().read().await?;
    Ok(Names::default().deployment(&mut *read, summary).await?)
}
