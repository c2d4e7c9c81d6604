//! `GET /deployments`

use argosy_domain::ports::DeploymentFilter;

use crate::ops::prelude::*;

/// Deployments, newest first, with their counts.
#[utoipa::path(get, path = "/api/v1/deployments", operation_id = "listDeployments", tag = "deployments",
    params(api::DeploymentQuery),
    responses((status = 200, description = "A page of deployments", body = api::Page<api::DeploymentView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::DeploymentQuery>,
) -> ApiResult<Answer<api::Page<api::DeploymentView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let filter =
        DeploymentFilter { states: resolve::words(query.state.as_deref(), "state")?, search: query.search };
    // One session at a time: a caller that holds one while it waits for the next would starve others.
    let found = app.engine.registry().read().await?.deployments(&filter, &page).await?;
    let mut summaries = Vec::with_capacity(found.items.len());
    for deployment in &found.items {
        summaries.push(app.engine.deployment_summary(deployment.id).await?);
    }
    let mut read = app.engine.registry().read().await?;
    let (mut names, mut items) = (Names::default(), Vec::with_capacity(summaries.len()));
    for summary in summaries {
        items.push(names.deployment(&mut *read, summary).await?);
    }
    Ok(Answer(api::Page { items, next: found.next }))
}
