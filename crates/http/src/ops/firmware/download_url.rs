//! `GET /firmware/{id}/download-url`

use crate::ops::prelude::*;

/// A URL to download the file from. It works for a few minutes, and only together with the caller's own session or token.
#[utoipa::path(get, path = "/api/v1/firmware/{id}/download-url", operation_id = "firmwareDownloadUrl", tag = "firmware",
    params(("id" = String, Path, description = "The firmware's id: `12` or `id:12`")),
    responses((status = 200, description = "The URL", body = api::DownloadUrlResponse)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    base: BaseUrl,
    Segment(id): Segment,
) -> ApiResult<Answer<api::DownloadUrlResponse>> {
    let firmware = super::find(&mut *app.engine.registry().read().await?, &id).await?;
    let expires_at = app.engine.now() + app.config.downloads.user_url_ttl;
    let signed = app.signer.sign_for_user(&firmware.hash, &firmware.spec.file_name, actor.user, expires_at);
    Ok(Answer(api::DownloadUrlResponse {
        path: signed.as_str().to_owned(),
        url: base.with(signed.as_str()),
        expires_at: present::time(expires_at),
    }))
}
