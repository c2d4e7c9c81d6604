//! `POST /uploads`

use crate::ops::prelude::*;

/// Gives an address to `PUT` a file to. What no firmware is registered from in time is cleaned away.
#[utoipa::path(post, path = "/api/v1/uploads", operation_id = "createUpload", tag = "firmware",
    params(IdempotencyKey), request_body = api::CreateUploadRequest,
    responses((status = 201, description = "The address", body = api::CreateUploadResponse)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    base: BaseUrl,
    Creation { value, ticket }: Creation<api::CreateUploadRequest>,
) -> ApiResult<Response> {
    let (engine, by) = (Arc::clone(&app.engine), actor.clone());
    let work = async move {
        let size = match value.size.map(u64::try_from) {
            None => None,
            Some(Ok(size)) if size > 0 => Some(size),
            Some(_) => {
                return Err(Problem::new(ProblemCode::Invalid, "a file has 1 byte at least")
                    .about("size")
                    .into());
            }
        };
        let upload = engine.create_upload(&by, &value.file_name, size).await?;
        let path = format!("{}/uploads/{}", api::PREFIX, upload.id);
        Ok(api::CreateUploadResponse {
            id: upload.id,
            upload_url: base.with(&path),
            upload_path: path,
            expires_at: present::time(upload.expires_at),
            max_size: i64::try_from(engine.config().max_upload_bytes).unwrap_or(i64::MAX),
        })
    };
    ticket.create(&app, &actor, work).await
}
