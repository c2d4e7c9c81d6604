//! `POST /products`

use crate::ops::prelude::*;

/// Makes a product.
#[utoipa::path(post, path = "/api/v1/products", operation_id = "createProduct", tag = "products",
    params(IdempotencyKey), request_body = api::ProductSpec,
    responses((status = 201, description = "Made", body = api::ProductView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Creation { value, ticket }: Creation<api::ProductSpec>,
) -> ApiResult<Response> {
    let (engine, by) = (Arc::clone(&app.engine), actor.clone());
    let work =
        async move { Ok(present::product(engine.create_product(&by, present::new_product(value)).await?)) };
    ticket.create(&app, &actor, work).await
}
