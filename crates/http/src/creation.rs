//! Creating calls that a client may repeat: with an `Idempotency-Key` the same request is answered the same, once.

use std::future::Future;
use std::sync::Arc;

use argosy_api::{IDEMPOTENCY_KEY, Problem, ProblemCode};
use argosy_engine::{Actor, Idempotent, RequestHash};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Json;

/// Says that an answer is the kept one of an earlier call.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The JSON body of a creating call, and what makes a repeat of it known.
#[derive(Debug)]
pub(crate) struct Creation<T> {
    pub(crate) value: T,
    pub(crate) ticket: Ticket,
}

/// The key that the client chose, if it did, and the request it stands for.
#[derive(Debug)]
pub(crate) struct Ticket {
    key: Option<String>,
    request: RequestHash,
    /// The answer holds a secret: it is kept sealed.
    sealed: bool,
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Creation<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> ApiResult<Self> {
        let key = match request.headers().get(IDEMPOTENCY_KEY) {
            None => None,
            Some(value) => Some(value.to_str().map(str::to_owned).map_err(|_| {
                Problem::new(ProblemCode::BadRequest, "an idempotency key is visible ASCII")
                    .about("Idempotency-Key")
            })?),
        };
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let Json { value, raw } = Json::<T>::from_request(request, app).await?;
        let request = RequestHash::of(&[method.as_str().as_bytes(), path.as_bytes(), &raw]);
        Ok(Self { value, ticket: Ticket { key, request, sealed: false } })
    }
}

/// Keeps a key from being worked on twice at the same moment.
struct Working {
    app: Arc<App>,
    key: (String, String),
}

impl Working {
    fn begin(app: &Arc<App>, actor: &Actor, key: &str) -> ApiResult<Self> {
        let key = (actor.name.clone(), key.to_owned());
        if !app.in_progress.lock().insert(key.clone()) {
            let detail = "a request with this idempotency key is being worked on; repeat it in a moment";
            let error = ApiError::from(Problem::new(ProblemCode::InProgress, detail));
            return Err(error.with_header(hyper::header::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        Ok(Self { app: Arc::clone(app), key })
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.app.in_progress.lock().remove(&self.key);
    }
}

impl Ticket {
    /// For an answer that holds a secret.
    pub(crate) fn sealed(mut self) -> Self {
        self.sealed = true;
        self
    }

    /// Carries `work` out and answers 201, or answers as the first time.
    ///
    /// With a key the work runs to its end even if the caller is gone, so that its answer is kept for the repeat.
    pub(crate) async fn create<T, F>(self, app: &Arc<App>, actor: &Actor, work: F) -> ApiResult<Response>
    where
        T: Serialize + Send + 'static,
        F: Future<Output = ApiResult<T>> + Send + 'static,
    {
        self.create_or_find(app, actor, work, |made: String| async move {
            let detail = format!(
                "this call made {made}, and the server ended before it answered: look there, and use a new idempotency key to \
                 make another"
            );
            Err(ApiError::from(Problem::new(ProblemCode::Conflict, detail).coded("answer_lost")))
        })
        .await
    }

    /// As [`Ticket::create`]; `find` gives the answer anew, from the name of what was made (`deployment:17`), for a repeat after a crash
    /// between the making and the answer.
    pub(crate) async fn create_or_find<T, F, L>(
        self,
        app: &Arc<App>,
        actor: &Actor,
        work: F,
        find: impl FnOnce(String) -> L + Send + 'static,
    ) -> ApiResult<Response>
    where
        T: Serialize + Send + 'static,
        F: Future<Output = ApiResult<T>> + Send + 'static,
        L: Future<Output = ApiResult<T>> + Send + 'static,
    {
        let Some(key) = self.key else { return Ok(created(json(&work.await?)?, false)) };
        let working = Working::begin(app, actor, &key)?;
        let (app, actor, request, sealed) = (Arc::clone(app), actor.clone(), self.request, self.sealed);
        let task = app.tracker.clone().spawn(async move {
            let _working = working;
            match app.engine.idempotent(&actor, &key, &request).await? {
                Idempotent::Replay { status, body } if sealed => {
                    let lost = || {
                        let detail = "the kept answer cannot be read any more; use a new idempotency key";
                        ApiError::from(Problem::new(ProblemCode::Conflict, detail).coded("answer_lost"))
                    };
                    Ok(replayed(
                        status,
                        app.engine.open_answer(&purpose(&actor, &key), &body).ok_or_else(lost)?,
                    ))
                }
                Idempotent::Replay { status, body } => Ok(replayed(status, body)),
                Idempotent::Made { subject } => {
                    Ok(replayed(StatusCode::CREATED.as_u16(), json(&find(subject).await?)?))
                }
                Idempotent::Fresh => {
                    let body = match work.await {
                        Ok(made) => json(&made)?,
                        Err(error) => {
                            app.engine.release_key(&actor, &key).await?;
                            return Err(error);
                        }
                    };
                    let status = StatusCode::CREATED.as_u16();
                    let kept = if sealed {
                        app.engine.seal_answer(&purpose(&actor, &key), &body)
                    } else {
                        body.clone()
                    };
                    app.engine.keep_answer(&actor, &key, &request, status, kept).await?;
                    Ok(created(body, false))
                }
            }
        });
        match task.await {
            Ok(answer) => answer,
            Err(_) => {
                Err(Problem::new(ProblemCode::Internal, "the server met an error; its log says which").into())
            }
        }
    }
}

/// What a sealed answer is sealed for: it answers nobody else, and no other call.
fn purpose(actor: &Actor, key: &str) -> String {
    format!("{} {key}", actor.name)
}

fn json<T: Serialize>(value: &T) -> ApiResult<String> {
    serde_json::to_string(value).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written: {error}");
        Problem::new(ProblemCode::Internal, "the server met an error; its log says which").into()
    })
}

fn replayed(status: u16, body: String) -> Response {
    let mut response = created(body, true);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::CREATED);
    response
}

fn created(body: String, replay: bool) -> Response {
    let mut response = (StatusCode::CREATED, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if replay {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
