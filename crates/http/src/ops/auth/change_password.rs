//! `POST /me/password`

use crate::ops::prelude::*;

use super::{cookie, me_of};

/// Changes the caller's own password. All of its sessions end; a caller with a session gets a new one.
#[utoipa::path(post, path = "/api/v1/me/password", operation_id = "changePassword", tag = "account",
    request_body = api::ChangePasswordRequest,
    responses((status = 200, description = "Changed", body = api::MeResponse)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    peer: Peer,
    caller: AnyCaller,
    Json { value, .. }: Json<api::ChangePasswordRequest>,
) -> ApiResult<Response> {
    app.engine.change_password(&caller.actor, value.current, value.new.clone()).await?;
    let me = me_of(&app, &caller).await?;
    let name = me.user.name.clone();
    let mut response = Answer(api::MeResponse { must_change_password: false, ..me }).into_response();
    if caller.via == Via::Session {
        let logged_in = app.engine.login(&name, value.new, &peer.address.ip().to_string()).await?;
        response.headers_mut().insert(SET_COOKIE, cookie::begin(&app, peer, &logged_in)?);
    }
    Ok(response)
}
