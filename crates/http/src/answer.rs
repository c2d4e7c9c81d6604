//! Small parts of answers and of their descriptions.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::request::Parts;
use serde::Serialize;
use utoipa::IntoParams;

use crate::error::{ApiError, ApiResult};
use crate::server::connection::Peer;

/// A JSON answer.
#[derive(Debug)]
pub(crate) struct Answer<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written: {error}");
                let detail = "the server met an error; its log says which";
                ApiError::from(argosy_api::Problem::new(argosy_api::ProblemCode::Internal, detail))
                    .into_response()
            }
        }
    }
}

/// How the caller reaches this server: the scheme of its connection and the `Host` it asked for. An address that is given back to the
/// same caller is made from it; its session works there too.
#[derive(Debug, Clone)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    /// The absolute URL of a path on this server.
    pub(crate) fn with(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let peer = Peer::from_request_parts(parts, state).await?;
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let plain = |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b));
        let scheme = if peer.secure { "https" } else { "http" };
        // Without a usable name the path alone is given: it works for whoever asked.
        Ok(Self(host.filter(plain).map_or_else(String::new, |host| format!("{scheme}://{host}"))))
    }
}

/// The header that makes a creating call safe to repeat (for the description; `creation` reads it).
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct IdempotencyKey {
    /// 1 to 128 visible ASCII characters of the client's choice. The same key with the same request is answered as the first time
    /// (for a day); with another request it is refused with 422.
    #[param(rename = "Idempotency-Key", required = false, min_length = 1, max_length = 128)]
    idempotency_key: Option<String>,
}
