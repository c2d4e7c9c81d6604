//! `GET /sessions`

use argosy_proto::DeviceKey;

use crate::ops::prelude::*;

/// Live connections of devices, in the order of their keys.
#[utoipa::path(get, path = "/api/v1/sessions", operation_id = "listSessions", tag = "sessions", params(api::SessionQuery),
    responses((status = 200, description = "A page of connections", body = api::Page<api::SessionView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::SessionQuery>,
) -> ApiResult<Answer<api::Page<api::SessionView>>> {
    let limit = resolve::page(None, query.limit)?.bounded() as usize;
    let after = match query.cursor.as_deref().map(DeviceKey::new) {
        None => None,
        Some(Ok(key)) => Some(key),
        Some(Err(_)) => return Err(resolve::foreign_cursor()),
    };
    let search = query.search.as_deref().unwrap_or_default().trim();
    let Some(link) = app.engine.link() else {
        return Err(Problem::new(ProblemCode::Unavailable, "the device plane is not up yet").into());
    };
    let mut sessions = link.sessions(after.as_ref(), search, limit + 1).await;
    let more = sessions.len() > limit;
    sessions.truncate(limit);
    let next = if more { sessions.last().map(|s| s.key.to_string()) } else { None };
    Ok(Answer(api::Page { items: sessions.into_iter().map(present::live_session).collect(), next }))
}
