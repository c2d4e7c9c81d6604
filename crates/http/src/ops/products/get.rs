//! `GET /products/{name}`

use crate::ops::prelude::*;

/// One product.
#[utoipa::path(get, path = "/api/v1/products/{name}", operation_id = "getProduct", tag = "products",
    params(("name" = String, Path, description = "Name, or `id:42`")),
    responses((status = 200, description = "The product", body = api::ProductView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(name): Segment,
) -> ApiResult<Answer<api::ProductView>> {
    let mut read = app.engine.registry().read().await?;
    let found = resolve::product(&mut *read, &name, Place::Path).await?;
    Ok(Answer(present::product(found)))
}
