//! The session cookie.

use argosy_api::SESSION_COOKIE;
use argosy_engine::LoggedIn;
use hyper::header::HeaderValue;

use crate::ops::prelude::*;

/// The cookie of a new session. Scripts cannot read it, other sites cannot send it, and over TLS it never leaves TLS.
pub(crate) fn begin(app: &App, peer: Peer, logged_in: &LoggedIn) -> ApiResult<HeaderValue> {
    let seconds = logged_in.expires_at.since(app.engine.now()).as_secs();
    let text =
        format!("{SESSION_COOKIE}={}; {}; Max-Age={seconds}", logged_in.session_token, attributes(peer));
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| Problem::new(ProblemCode::Internal, "the server met an error; its log says which"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Takes the cookie back.
pub(crate) fn end(peer: Peer) -> HeaderValue {
    let text = format!("{SESSION_COOKIE}=; {}; Max-Age=0", attributes(peer));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("argosy_session=; Path=/; Max-Age=0"))
}

const fn attributes(peer: Peer) -> &'static str {
    if peer.secure {
        "Path=/; HttpOnly; SameSite=Strict; Secure"
    } else {
        "Path=/; HttpOnly; SameSite=Strict"
    }
}
