//! `GET /contents/{id}`

use crate::ops::prelude::*;

/// One content, and how many devices show it now.
#[utoipa::path(get, path = "/api/v1/contents/{id}", operation_id = "getContent", tag = "contents",
    params(("id" = String, Path, description = "The content's id (`12` or `id:12`) or its title")),
    responses((status = 200, description = "The content", body = api::ContentView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(id): Segment,
) -> ApiResult<Answer<api::ContentView>> {
    let mut read = app.engine.registry().read().await?;
    let content = resolve::content(&mut *read, &id, Place::Path).await?;
    let shown_by = read.count_devices_showing(content.spec.product, content.spec.binary).await?;
    Ok(Answer(Names::default().content(&mut *read, content, Some(shown_by)).await?))
}
