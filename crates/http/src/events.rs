//! Server-sent events: notes of the engine's feed, gathered for a moment, then one event with how things are now.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use argosy_api::{Problem, ProblemCode};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::error::ApiResult;

/// Changes are gathered for so long before they are told: a rollout makes thousands a second.
pub(crate) const GATHER: Duration = Duration::from_millis(250);
/// With nothing to tell a comment is sent, so that proxies keep the connection and dead followers are noticed.
pub(crate) const BEAT: Duration = Duration::from_secs(15);
/// A stream ends by itself after so long; the client comes back, with credentials that are checked again.
pub(crate) const LIFE: Duration = Duration::from_secs(3600);

/// What a follower's source has to say next.
pub(crate) enum Step {
    /// This.
    Tell(Bytes),
    /// Nothing; the comment of [`BEAT`].
    Beat,
    /// This, and then the end.
    Last(Bytes),
    /// The end.
    End,
}

/// Tells a follower one thing after the other.
pub(crate) trait Source: Send + 'static {
    /// Waits for the next thing to tell.
    fn next(&mut self) -> impl Future<Output = Step> + Send;
}

/// A place among the followers.
pub(crate) fn follower(app: &Arc<App>) -> ApiResult<OwnedSemaphorePermit> {
    let place = Arc::clone(&app.followers).try_acquire_owned();
    place.map_err(|_| {
        Problem::new(ProblemCode::Unavailable, "too many followers at once; try again later").into()
    })
}

/// One event.
pub(crate) fn event<T: Serialize>(name: &str, data: &T) -> Bytes {
    // JSON has no raw line breaks, so one `data` line holds it.
    let data = serde_json::to_string(data).unwrap_or_else(|_| "{}".to_owned());
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

/// The response that follows `source` until it ends, the follower leaves, or the server stops.
pub(crate) fn follow<S: Source>(app: &Arc<App>, place: OwnedSemaphorePermit, source: S) -> Response {
    let shutdown = app.shutdown.clone();
    let end = tokio::time::Instant::now() + LIFE;
    let steps = stream::unfold(Some((source, place)), move |state| {
        let shutdown = shutdown.clone();
        async move {
            let (mut source, place) = state?;
            let step = tokio::select! {
                step = source.next() => step,
                () = tokio::time::sleep(BEAT) => Step::Beat,
                () = tokio::time::sleep_until(end) => Step::End,
                () = shutdown.soft() => Step::End,
            };
            match step {
                Step::Tell(bytes) => Some((Ok::<_, Infallible>(bytes), Some((source, place)))),
                Step::Beat => Some((Ok(Bytes::from_static(b": beat\n\n")), Some((source, place)))),
                Step::Last(bytes) => Some((Ok(bytes), None)),
                Step::End => None,
            }
        }
    });
    let mut response = Response::new(Body::from_stream(steps));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // For nginx: do not gather.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
