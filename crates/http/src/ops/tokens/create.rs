//! `POST /tokens`

use crate::ops::prelude::*;

/// Makes a bearer token for a program, with the caller's rights. It is shown this once, so there is no idempotency key here:
/// its answer is never kept.
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "createToken", tag = "account",
    request_body = api::CreateTokenRequest,
    responses((status = 201, description = "Made", body = api::CreateTokenResponse)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Json { value, .. }: Json<api::CreateTokenRequest>,
) -> ApiResult<Response> {
    let expires_at = value.expires_at.map(|at| Timestamp(at.0));
    let created_at = app.engine.now();
    let made = app.engine.create_token(&actor, &value.name, expires_at).await?;
    let view = api::TokenView {
        id: made.id.0,
        name: value.name.trim().to_owned(),
        created_at: present::time(created_at),
        expires_at: value.expires_at,
    };
    Ok((StatusCode::CREATED, Answer(api::CreateTokenResponse { token: made.token, view })).into_response())
}
