//! `GET /audit`

use argosy_domain::ports::AuditFilter;

use crate::ops::prelude::*;

/// Who did what, newest first.
#[utoipa::path(get, path = "/api/v1/audit", operation_id = "listAudit", tag = "ledger", params(api::AuditQuery),
    responses((status = 200, description = "A page of the audit trail", body = api::Page<api::AuditView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::AuditQuery>,
) -> ApiResult<Answer<api::Page<api::AuditView>>> {
    let filter = AuditFilter { actor: query.actor, action: query.action, subject: query.subject };
    let page = resolve::page(query.cursor, query.limit)?;
    let found = app.engine.registry().read().await?.audit(&filter, &page).await?;
    Ok(Answer(present::page(found, present::audit_entry)))
}
