//! From what went wrong inside to what is said outside. Internal texts stop here: they are logged once, and the caller gets the kind.

use argosy_api::{Problem, ProblemCode};
use argosy_domain::ports::{PortError, PortErrorKind};
use argosy_engine::EngineError;
use axum::response::IntoResponse;
use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Method, Response, StatusCode};

use crate::body::ResponseBody;

/// Media type of problem details.
pub(crate) const PROBLEM_TYPE: &str = "application/problem+json";

/// Seconds after which a repeat may help when something was busy.
const RETRY_S: u32 = 2;

/// An answer that is an error.
#[derive(Debug)]
pub(crate) struct ApiError {
    problem: Box<Problem>,
    headers: HeaderMap,
}

/// Result of a handler.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    fn retry_after(self, seconds: u32) -> Self {
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The same as a body that may be dropped for `HEAD`.
    pub(crate) fn into_response_for(self, method: &Method) -> Response<ResponseBody> {
        let body = Bytes::from(serde_json::to_vec(&self.problem).unwrap_or_default());
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let length = body.len();
        let body = if method == Method::HEAD { Bytes::new() } else { body };
        let mut response = Response::new(ResponseBody::Bytes(body));
        *response.status_mut() = status;
        *response.headers_mut() = self.headers;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        response
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        let error = Self { problem: Box::new(problem), headers: HeaderMap::new() };
        if error.problem.code == ProblemCode::Unauthorized.as_str() {
            let challenge = HeaderValue::from_static("Bearer realm=\"argosy\"");
            return error.with_header(hyper::header::WWW_AUTHENTICATE, challenge);
        }
        error
    }
}

impl From<PortError> for ApiError {
    fn from(error: PortError) -> Self {
        let cause = chain(&error);
        let (code, detail) = match error.kind {
            PortErrorKind::Unavailable => {
                tracing::warn!(cause, "a request could not be carried out now: {cause}");
                (
                    ProblemCode::Unavailable,
                    "the server is busy, or does not reach its database; try again in a moment",
                )
            }
            PortErrorKind::Full => {
                tracing::error!(cause, "no space left: {cause}");
                (ProblemCode::StorageFull, "the server has no space left; nothing was kept")
            }
            PortErrorKind::Conflict => {
                (ProblemCode::Conflict, "somebody else changed it at the same moment; look at it again")
            }
            PortErrorKind::Reference => (
                ProblemCode::UnknownReference,
                "something that the request refers to does not exist, or is still referred to",
            ),
            PortErrorKind::Internal => {
                tracing::error!(cause, "a request failed: {cause}");
                (ProblemCode::Internal, "the server met an error; its log says which")
            }
        };
        let transient = error.is_transient();
        let error = Self::from(Problem::new(code, detail));
        if transient { error.retry_after(RETRY_S) } else { error }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let detail = error.to_string();
        let problem = match error {
            EngineError::Port(error) => return error.into(),
            EngineError::TooMany { retry_after_s } => {
                return Self::from(Problem::new(ProblemCode::TooManyRequests, detail))
                    .retry_after(retry_after_s);
            }
            EngineError::NotFound { .. } => Problem::new(ProblemCode::NotFound, detail),
            EngineError::Invalid { field, .. } => {
                let problem = Problem::new(ProblemCode::Invalid, detail);
                if field.is_empty() { problem } else { problem.about(field) }
            }
            EngineError::Conflict { code: "idempotency_mismatch", .. } => {
                Problem::new(ProblemCode::IdempotencyMismatch, detail)
            }
            EngineError::Conflict { code, .. } => Problem::new(ProblemCode::Conflict, detail).coded(code),
            EngineError::Forbidden { code, .. } => Problem::new(ProblemCode::Forbidden, detail).coded(code),
            EngineError::BadCredentials => Problem::new(ProblemCode::WrongPassword, detail),
            EngineError::CutOff { .. } => Problem::new(ProblemCode::CutOff, detail),
            EngineError::TooLarge { .. } => Problem::new(ProblemCode::TooLarge, detail),
        };
        problem.into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> axum::response::Response {
        self.into_response_for(&Method::GET).map(axum::body::Body::new)
    }
}

/// An error with its causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
