//! `POST /regions`

use crate::ops::prelude::*;

/// Makes a region.
#[utoipa::path(post, path = "/api/v1/regions", operation_id = "createRegion", tag = "regions",
    params(IdempotencyKey), request_body = api::RegionSpec,
    responses((status = 201, description = "Made", body = api::RegionView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Creation { value, ticket }: Creation<api::RegionSpec>,
) -> ApiResult<Response> {
    let (engine, by) = (Arc::clone(&app.engine), actor.clone());
    let work =
        async move { Ok(present::region(engine.create_region(&by, &value.code, &value.name).await?, None)) };
    ticket.create(&app, &actor, work).await
}
