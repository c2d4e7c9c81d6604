//! `PATCH /contents/{id}`

use crate::ops::prelude::*;

/// Changes a content's title, description and state. Its files never change: upload another content instead.
#[utoipa::path(patch, path = "/api/v1/contents/{id}", operation_id = "changeContent", tag = "contents",
    params(("id" = String, Path, description = "The content's id (`12` or `id:12`) or its title")),
    request_body = api::ChangeContentRequest,
    responses((status = 200, description = "Changed", body = api::ContentView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(id): Segment,
    Json { value, .. }: Json<api::ChangeContentRequest>,
) -> ApiResult<Answer<api::ContentView>> {
    let id = resolve::content(&mut *app.engine.registry().read().await?, &id, Place::Path).await?.id;
    let state = value.state.map(present::domain_content_state);
    let content = app
        .engine
        .update_content(&actor, id, value.title.as_deref(), value.description.as_deref(), state)
        .await?;
    let mut read = app.engine.registry().read().await?;
    Ok(Answer(Names::default().content(&mut *read, content, None).await?))
}
