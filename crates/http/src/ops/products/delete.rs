//! `DELETE /products/{name}`

use crate::ops::prelude::*;

/// Removes a product that nothing refers to.
#[utoipa::path(delete, path = "/api/v1/products/{name}", operation_id = "deleteProduct", tag = "products",
    params(("name" = String, Path, description = "Name, or `id:42`")),
    responses((status = 204, description = "Removed")))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(name): Segment,
) -> ApiResult<StatusCode> {
    let id = resolve::product(&mut *app.engine.registry().read().await?, &name, Place::Path).await?.id;
    app.engine.delete_product(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
