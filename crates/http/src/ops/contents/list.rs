//! `GET /contents`

use argosy_domain::ports::ContentFilter;

use crate::ops::prelude::*;

/// Contents, newest first.
#[utoipa::path(get, path = "/api/v1/contents", operation_id = "listContents", tag = "contents", params(api::ContentQuery),
    responses((status = 200, description = "A page of contents", body = api::Page<api::ContentView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::ContentQuery>,
) -> ApiResult<Answer<api::Page<api::ContentView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let mut read = app.engine.registry().read().await?;
    let product = match &query.product {
        Some(name) => Some(resolve::product(&mut *read, name, Place::Field("product")).await?.id),
        None => None,
    };
    let state = query.state.map(present::domain_content_state);
    let found = read.contents(&ContentFilter { product, state, search: query.search }, &page).await?;
    let (mut names, mut items) = (Names::default(), Vec::with_capacity(found.items.len()));
    for content in found.items {
        items.push(names.content(&mut *read, content, None).await?);
    }
    Ok(Answer(api::Page { items, next: found.next }))
}
