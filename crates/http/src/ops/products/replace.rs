//! `PUT /products/{name}`

use crate::ops::prelude::*;

/// Changes a product: all of its fields.
#[utoipa::path(put, path = "/api/v1/products/{name}", operation_id = "replaceProduct", tag = "products",
    params(("name" = String, Path, description = "Name, or `id:42`")), request_body = api::ProductSpec,
    responses((status = 200, description = "Changed", body = api::ProductView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(name): Segment,
    Json { value, .. }: Json<api::ProductSpec>,
) -> ApiResult<Answer<api::ProductView>> {
    let id = resolve::product(&mut *app.engine.registry().read().await?, &name, Place::Path).await?.id;
    Ok(Answer(present::product(app.engine.update_product(&actor, id, present::new_product(value)).await?)))
}
