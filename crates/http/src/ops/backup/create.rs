//! `POST /backup`

use argosy_domain::ports::BackupError;
use axum::body::Body;

use crate::ops::prelude::*;

/// Media type of an age file; there is no registered one.
const AGE_TYPE: &str = "application/octet-stream";

/// Makes a backup of everything while the server works, and streams it, encrypted to the recipient. For administrators; one at a
/// time. A backup that broke off on the way is known by its end: `argosy backup --verify`. Its answer is never kept, so there is
/// no idempotency key.
#[utoipa::path(post, path = "/api/v1/backup", operation_id = "createBackup", tag = "system",
    request_body = api::CreateBackupRequest,
    responses((status = 200, description = "An age file", body = String, content_type = "application/octet-stream")))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Json { value, .. }: Json<api::CreateBackupRequest>,
) -> ApiResult<Response> {
    let stream = app.engine.backup(&actor, &value.recipient).await.map_err(|error| match error {
        argosy_engine::BackupRefusal::Refused(error) => error.into(),
        argosy_engine::BackupRefusal::Maker(BackupError::BadRecipient(why)) => {
            Problem::new(ProblemCode::Invalid, why).about("recipient").into()
        }
        argosy_engine::BackupRefusal::Maker(BackupError::Busy) => {
            let detail = "a backup is being made already; wait for its end";
            crate::error::ApiError::from(Problem::new(ProblemCode::Conflict, detail).coded("backup_running"))
        }
        argosy_engine::BackupRefusal::Maker(BackupError::Failed(error)) => error.into(),
    })?;
    Ok(([(CONTENT_TYPE, AGE_TYPE)], Body::from_stream(stream)).into_response())
}
