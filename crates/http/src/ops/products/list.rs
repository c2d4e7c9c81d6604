//! `GET /products`

use crate::ops::prelude::*;

/// Products by id.
#[utoipa::path(get, path = "/api/v1/products", operation_id = "listProducts", tag = "products", params(api::ListQuery),
    responses((status = 200, description = "A page of products", body = api::Page<api::ProductView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::ListQuery>,
) -> ApiResult<Answer<api::Page<api::ProductView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let found = app.engine.registry().read().await?.products(query.search.as_deref(), &page).await?;
    Ok(Answer(present::page(found, present::product)))
}
