//! `PUT /uploads/{id}`

use std::time::Duration;

use argosy_domain::ports::{ByteStream, PortError, PortErrorKind};
use axum::body::Body;
use futures::StreamExt;
use hyper::header::CONTENT_LENGTH;

use crate::ops::prelude::*;

/// An upload that sends nothing for so long is cut off.
const STALL: Duration = Duration::from_secs(60);

/// Takes the raw bytes of a file, hashing on the way. They can be read by nobody until a firmware is registered from them.
/// What is cut off leaves nothing; sending again replaces what was sent.
#[utoipa::path(put, path = "/api/v1/uploads/{id}", operation_id = "putUpload", tag = "firmware",
    params(("id" = String, Path, description = "The upload's id")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "All bytes are durable", body = api::UploadedResponse)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<Answer<api::UploadedResponse>> {
    let expected = length(&headers)?;
    let limit = app.engine.config().max_upload_bytes;
    if expected.is_some_and(|length| length > limit) {
        let detail = format!("the file is larger than the {limit} bytes allowed; nothing was kept");
        return Err(Problem::new(ProblemCode::TooLarge, detail).into());
    }
    let staged = app.engine.receive_upload(&actor, &id, bytes_of(body, expected)).await?;
    Ok(Answer(api::UploadedResponse {
        id,
        sha256: staged.hash.to_string(),
        size: i64::try_from(staged.size).unwrap_or(i64::MAX),
    }))
}

/// The announced length, if one is; a body in chunks has none.
fn length(headers: &HeaderMap) -> ApiResult<Option<u64>> {
    let Some(value) = headers.get(CONTENT_LENGTH) else { return Ok(None) };
    let bad = || Problem::new(ProblemCode::BadRequest, "Content-Length is a number").about("Content-Length");
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    Ok(Some(number.ok_or_else(bad)?))
}

/// The body as the store takes it. Ending early, or not at all, is an error of the stream, so that the store keeps nothing.
fn bytes_of(body: Body, expected: Option<u64>) -> ByteStream {
    let state = (body.into_data_stream(), 0_u64, false);
    let stream = futures::stream::unfold(state, move |(mut data, received, ended)| async move {
        if ended {
            return None;
        }
        let broken =
            |why: &'static str| PortError::new("receive upload", PortErrorKind::Unavailable).with_source(why);
        match tokio::time::timeout(STALL, data.next()).await {
            Ok(Some(Ok(bytes))) => {
                let received = received + bytes.len() as u64;
                Some((Ok(bytes), (data, received, false)))
            }
            Ok(Some(Err(_))) => Some((Err(broken("the connection broke off")), (data, received, true))),
            Err(_) => Some((Err(broken("nothing came for a minute")), (data, received, true))),
            Ok(None) if expected.is_some_and(|expected| expected != received) => {
                Some((Err(broken("the body is shorter than its length")), (data, received, true)))
            }
            Ok(None) => None,
        }
    });
    stream.boxed()
}
