//! Logging in and out, the caller's own account.

pub(crate) mod change_password;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod me;

mod cookie;

use crate::ops::prelude::*;

/// The caller as the API shows it.
pub(crate) async fn me_of(app: &App, caller: &AnyCaller) -> ApiResult<api::MeResponse> {
    let user = app.engine.registry().read().await?.user(caller.actor.user).await?;
    let user =
        user.ok_or_else(|| Problem::new(ProblemCode::Unauthorized, "the user was removed; log in again"))?;
    Ok(api::MeResponse {
        user: present::user(&user),
        must_change_password: user.must_change_password,
        via: if caller.via == Via::Session { "session" } else { "token" }.to_owned(),
    })
}
