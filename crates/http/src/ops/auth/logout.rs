//! `POST /logout`

use crate::ops::prelude::*;

use super::cookie;

/// Ends the session of the cookie. A token stays good until it is deleted.
#[utoipa::path(post, path = "/api/v1/logout", operation_id = "logout", tag = "account",
    responses((status = 204, description = "Logged out")))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    peer: Peer,
    caller: AnyCaller,
) -> ApiResult<Response> {
    if let Some(session) = &caller.session {
        app.engine.logout(session).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(SET_COOKIE, cookie::end(peer));
    Ok(response)
}
