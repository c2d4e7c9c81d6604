//! `POST /login`

use crate::ops::prelude::*;

use super::cookie;

/// Logs a person in: the session comes as a cookie. After wrong tries the name and the address have to wait (429).
#[utoipa::path(post, path = "/api/v1/login", operation_id = "login", tag = "account", security(()),
    request_body = api::LoginRequest,
    responses((status = 200, description = "Logged in", body = api::LoginResponse)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    peer: Peer,
    headers: HeaderMap,
    Json { value, .. }: Json<api::LoginRequest>,
) -> ApiResult<Response> {
    // Nobody shall be logged in as somebody else by another site's form.
    same_site(&Method::POST, &headers)?;
    let logged_in = app.engine.login(&value.name, value.password, &peer.address.ip().to_string()).await?;
    let view = api::LoginResponse {
        user: present::user(&logged_in.user),
        must_change_password: logged_in.user.must_change_password,
        expires_at: present::time(logged_in.expires_at),
    };
    let mut response = Answer(view).into_response();
    response.headers_mut().insert(SET_COOKIE, cookie::begin(&app, peer, &logged_in)?);
    Ok(response)
}
