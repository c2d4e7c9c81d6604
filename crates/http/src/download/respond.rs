//! The answer to a download request.

use std::sync::Arc;

use argosy_api::{Problem, ProblemCode, Time};
use argosy_engine::download::{Grant, Grantee, UrlRefusal};
use bytes::Bytes;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE, RETRY_AFTER,
};
use hyper::{Method, Request, Response, StatusCode};

use super::DownloadBody;
use super::range::{Wanted, wanted};
use crate::app::App;
use crate::body::ResponseBody;
use crate::error::ApiError;
use crate::extract::actor_of;
use crate::server::stats::add;

/// Seconds that a device is asked to wait when there is no slot.
const RETRY_AFTER_S: &str = "10";

/// Answers a request below `/d/`.
pub(crate) async fn respond<B>(app: &Arc<App>, request: &Request<B>) -> Response<ResponseBody> {
    match answer(app, request).await {
        Ok(response) => response,
        Err(error) => error.into_response_for(request.method()),
    }
}

async fn answer<B>(app: &Arc<App>, request: &Request<B>) -> Result<Response<ResponseBody>, ApiError> {
    let head = match *request.method() {
        Method::GET => false,
        Method::HEAD => true,
        _ => {
            let problem = Problem::new(ProblemCode::MethodNotAllowed, "downloads take GET and HEAD");
            return Err(ApiError::from(problem).with_header(ALLOW, HeaderValue::from_static("GET, HEAD")));
        }
    };
    let (hash, file) = split(request.uri().path()).ok_or_else(not_a_download)?;
    let query = request.uri().query().unwrap_or_default();
    let grant = app.signer.verify(hash, file, query, app.engine.now()).map_err(refused)?;
    check_grantee(app, &grant, request.headers()).await?;

    let size = app
        .cache
        .size(&grant.artifact)
        .await
        .map_err(ApiError::from)?
        .ok_or_else(|| Problem::new(ProblemCode::NotFound, "the file was removed from the server"))?;
    let etag = format!("\"{}\"", grant.artifact);
    let mut headers = HeaderMap::with_capacity(10);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-transform"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    insert(&mut headers, ETAG, &etag);

    if header(request.headers(), &IF_NONE_MATCH).is_some_and(|list| names(list, &etag)) {
        return Ok(empty(StatusCode::NOT_MODIFIED, headers));
    }
    // A range of another version of the file would be glued to the wrong bytes.
    let same = header(request.headers(), &IF_RANGE).is_none_or(|validator| validator == etag);
    let asked = header(request.headers(), &RANGE)
        .filter(|_| same && request.headers().get_all(RANGE).iter().count() == 1);
    let (status, range) = match wanted(asked, size) {
        Wanted::Whole => (StatusCode::OK, 0..size),
        Wanted::Part { start, end } => {
            insert(&mut headers, CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1));
            (StatusCode::PARTIAL_CONTENT, start..end)
        }
        Wanted::Outside => {
            let detail = format!("the file has {size} bytes; the range asks for none of them");
            let value = HeaderValue::from_str(&format!("bytes */{size}"))
                .unwrap_or(HeaderValue::from_static("bytes"));
            let problem = Problem::new(ProblemCode::RangeNotSatisfiable, detail);
            return Err(ApiError::from(problem).with_header(CONTENT_RANGE, value));
        }
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    insert(&mut headers, CONTENT_DISPOSITION, &format!("attachment; filename=\"{file}\""));
    if head {
        return Ok(empty(status, headers));
    }

    let Some(slot) = app.gate.enter().await else {
        add(&app.stats.downloads_refused, 1);
        let problem = Problem::new(ProblemCode::Unavailable, "too many downloads at once; try again later");
        return Err(ApiError::from(problem).with_header(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S)));
    };
    let (cache, stats) = (Arc::clone(&app.cache), Arc::clone(&app.stats));
    let body = DownloadBody::new(cache, stats, grant.artifact, size, range, slot);
    let mut response = Response::new(ResponseBody::Download(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// A URL for a person works only together with that person's session or token.
async fn check_grantee(app: &App, grant: &Grant, headers: &HeaderMap) -> Result<(), ApiError> {
    let Grantee::User(user) = &grant.grantee else { return Ok(()) };
    let caller = actor_of(app, headers).await?;
    if caller.is_some_and(|caller| caller.actor.user == *user) {
        return Ok(());
    }
    let detail =
        "the URL was made for a user of the console; it works only with that user's session or token";
    Err(Problem::new(ProblemCode::UrlForeign, detail).into())
}

fn refused(refusal: UrlRefusal) -> ApiError {
    let (code, detail) = match refusal {
        UrlRefusal::Tampered => (ProblemCode::UrlTampered, refusal.to_string()),
        UrlRefusal::Foreign => (ProblemCode::UrlForeign, refusal.to_string()),
        UrlRefusal::Expired { at } => (
            ProblemCode::UrlExpired,
            format!("the URL was good until {}; ask for a new one", Time(at.as_millis())),
        ),
    };
    Problem::new(code, detail).into()
}

fn not_a_download() -> ApiError {
    Problem::new(ProblemCode::NotFound, "a download is /d/{sha256}/{file}, as a signed URL has it").into()
}

fn split(path: &str) -> Option<(&str, &str)> {
    let (hash, file) = path.strip_prefix("/d/")?.split_once('/')?;
    // The signer writes nothing else, and what is quoted in a header below must be harmless.
    let plain =
        |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    (hash.len() == 64 && !file.is_empty() && plain(hash) && plain(file)).then_some((hash, file))
}

fn header<'a>(headers: &'a HeaderMap, name: &hyper::header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a list of entity tags names ours.
pub(crate) fn names(list: &str, etag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag == etag || tag.strip_prefix("W/") == Some(etag))
}

fn insert(headers: &mut HeaderMap, name: hyper::header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn empty(status: StatusCode, headers: HeaderMap) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Bytes(Bytes::new()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
