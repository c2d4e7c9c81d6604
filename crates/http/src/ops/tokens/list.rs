//! `GET /tokens`

use crate::ops::prelude::*;

/// The caller's own tokens, the oldest first, without their secrets.
#[utoipa::path(get, path = "/api/v1/tokens", operation_id = "listTokens", tag = "account",
    params(api::PageQuery),
    responses((status = 200, description = "The tokens", body = api::Page<api::TokenView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Params(query): Params<api::PageQuery>,
) -> ApiResult<Answer<api::Page<api::TokenView>>> {
    let page = resolve::page(query.cursor, query.limit)?;
    let tokens = app.engine.registry().read().await?.api_tokens(actor.user, &page).await?;
    let items = tokens.items.into_iter().map(|token| api::TokenView {
        id: token.id.0,
        name: token.name,
        created_at: present::time(token.created_at),
        expires_at: token.expires_at.map(present::time),
    });
    Ok(Answer(api::Page { items: items.collect(), next: tokens.next }))
}
