//! `POST /groups`

use crate::ops::prelude::*;

/// Makes a group.
#[utoipa::path(post, path = "/api/v1/groups", operation_id = "createGroup", tag = "groups",
    params(IdempotencyKey), request_body = api::GroupSpec,
    responses((status = 201, description = "Made", body = api::GroupView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Creation { value, ticket }: Creation<api::GroupSpec>,
) -> ApiResult<Response> {
    let (engine, by) = (Arc::clone(&app.engine), actor.clone());
    let work = async move { Ok(present::group(engine.create_group(&by, &value.name).await?, None)) };
    ticket.create(&app, &actor, work).await
}
