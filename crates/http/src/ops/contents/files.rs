//! `GET /contents/{id}/original|file|preview|thumbnail`: a content's files. They never change, so they may be kept for ever.

use argosy_domain::ports::BlobStore;
use argosy_engine::{ContentFile, ContentPart};
use argosy_proto::Sha256Hash;
use axum::body::Body;
use bytes::Bytes;
use futures::stream::{self, Stream};
use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, ETAG, HeaderValue,
    IF_NONE_MATCH,
};

use crate::download::names;
use crate::ops::prelude::*;

/// Bytes read at a time.
const CHUNK: u64 = 256 * 1024;
/// Nobody but the caller's own browser may keep it; that one for as long as it likes.
const KEEP: &str = "private, max-age=31536000, immutable";

/// The picture as it was uploaded (a ready binary is its own original).
#[utoipa::path(get, path = "/api/v1/contents/{id}/original", operation_id = "contentOriginal", tag = "contents",
    params(("id" = String, Path, description = "The content's id (`12` or `id:12`) or its title")),
    responses((status = 200, description = "The uploaded file", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 304, description = "As the caller has it")))]
pub(crate) async fn original(
    app: State<Arc<App>>,
    _: Caller,
    id: Segment,
    headers: HeaderMap,
) -> ApiResult<Response> {
    serve(app, id, &headers, ContentPart::Original).await
}

/// The binary that devices download.
#[utoipa::path(get, path = "/api/v1/contents/{id}/file", operation_id = "contentFile", tag = "contents",
    params(("id" = String, Path, description = "The content's id (`12` or `id:12`) or its title")),
    responses((status = 200, description = "The LVGL 8 binary", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 304, description = "As the caller has it")))]
pub(crate) async fn file(
    app: State<Arc<App>>,
    _: Caller,
    id: Segment,
    headers: HeaderMap,
) -> ApiResult<Response> {
    serve(app, id, &headers, ContentPart::Binary).await
}

/// What the display shows, pixel by pixel.
#[utoipa::path(get, path = "/api/v1/contents/{id}/preview", operation_id = "contentPreview", tag = "contents",
    params(("id" = String, Path, description = "The content's id (`12` or `id:12`) or its title")),
    responses((status = 200, description = "A PNG", content_type = "image/png", body = Vec<u8>),
        (status = 304, description = "As the caller has it")))]
pub(crate) async fn preview(
    app: State<Arc<App>>,
    _: Caller,
    id: Segment,
    headers: HeaderMap,
) -> ApiResult<Response> {
    serve(app, id, &headers, ContentPart::Preview).await
}

/// The same, small.
#[utoipa::path(get, path = "/api/v1/contents/{id}/thumbnail", operation_id = "contentThumbnail", tag = "contents",
    params(("id" = String, Path, description = "The content's id (`12` or `id:12`) or its title")),
    responses((status = 200, description = "A PNG", content_type = "image/png", body = Vec<u8>),
        (status = 304, description = "As the caller has it")))]
pub(crate) async fn thumbnail(
    app: State<Arc<App>>,
    _: Caller,
    id: Segment,
    headers: HeaderMap,
) -> ApiResult<Response> {
    serve(app, id, &headers, ContentPart::Thumbnail).await
}

async fn serve(
    State(app): State<Arc<App>>,
    Segment(id): Segment,
    asked: &HeaderMap,
    part: ContentPart,
) -> ApiResult<Response> {
    let id = resolve::content(&mut *app.engine.registry().read().await?, &id, Place::Path).await?.id;
    let ContentFile { hash, size, media_type, file_name } = app.engine.content_file(id, part).await?;
    let etag = format!("\"{hash}\"");
    let known =
        asked.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|list| names(list, &etag));
    let status = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let size = u64::try_from(size).unwrap_or(0);
    let body = if known {
        Body::empty()
    } else {
        Body::from_stream(chunks(Arc::clone(app.engine.blobs()), hash, size))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(KEEP));
    headers.insert(ETAG, HeaderValue::from_str(&etag).unwrap_or(HeaderValue::from_static("\"\"")));
    if !known {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
        headers.insert(CONTENT_DISPOSITION, disposition(media_type, &file_name));
        // What somebody uploaded is looked at, never run.
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    }
    Ok(response)
}

/// A picture is shown where it stands, anything else is kept as a file; by a name that needs no quoting.
fn disposition(media_type: &str, file_name: &str) -> HeaderValue {
    let way = if media_type.starts_with("image/") { "inline" } else { "attachment" };
    let plain: String = file_name
        .chars()
        .take(80)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' })
        .collect();
    HeaderValue::from_str(&format!("{way}; filename=\"{plain}\""))
        .unwrap_or(HeaderValue::from_static("attachment"))
}

fn chunks(
    blobs: Arc<dyn BlobStore>,
    hash: Sha256Hash,
    size: u64,
) -> impl Stream<Item = Result<Bytes, argosy_domain::ports::PortError>> + Send + 'static {
    stream::try_unfold(0_u64, move |at| {
        let blobs = Arc::clone(&blobs);
        async move {
            if at >= size {
                return Ok(None);
            }
            let end = (at + CHUNK).min(size);
            let bytes = blobs.read(&hash, at..end).await?;
            Ok(Some((bytes, end)))
        }
    })
}
