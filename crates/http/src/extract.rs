//! What handlers take from a request: the caller, path segments, query, JSON. Every refusal is a problem body.

use std::sync::Arc;
use std::time::Duration;

use argosy_api::{Problem, ProblemCode, SESSION_COOKIE};
use argosy_engine::Actor;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderMap, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::server::connection::Peer;

/// A JSON body must be complete within this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// How a caller showed who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    Session,
    Token,
}

/// A known caller, whatever its password's state.
#[derive(Debug, Clone)]
pub(crate) struct AnyCaller {
    pub(crate) actor: Actor,
    pub(crate) via: Via,
    /// The cookie's value, for a session.
    pub(crate) session: Option<String>,
}

/// A caller who may work: known, and with a password of its own.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Actor);

/// Who the headers belong to; `None` without credentials or with ones that are not good (any more).
pub(crate) async fn actor_of(app: &App, headers: &HeaderMap) -> ApiResult<Option<AnyCaller>> {
    if let Some(token) = bearer(headers) {
        let actor = app.engine.actor_by_token(token).await?;
        return Ok(actor.map(|actor| AnyCaller { actor, via: Via::Token, session: None }));
    }
    let Some(session) = cookie(headers) else { return Ok(None) };
    let actor = app.engine.actor_by_session(session).await?;
    Ok(actor.map(|actor| AnyCaller { actor, via: Via::Session, session: Some(session.to_owned()) }))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == SESSION_COOKIE)
        .map(|(_, value)| value)
}

/// Refuses a changing request that a browser sends from another site's page. Clients that are no browser send neither header.
pub(crate) fn same_site(method: &Method, headers: &HeaderMap) -> ApiResult<()> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let fine = match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text(HOST.as_str())
        }
        (None, None) => true,
    };
    if fine {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::CrossSite,
        "a changing request with a session must come from this server's own pages",
    )
    .into())
}

impl FromRequestParts<Arc<App>> for AnyCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> ApiResult<Self> {
        let Some(caller) = actor_of(app, &parts.headers).await? else {
            let given = bearer(&parts.headers).is_some() || cookie(&parts.headers).is_some();
            let detail = if given {
                "the session or token is not good any more; log in again"
            } else {
                "log in, or send a token"
            };
            return Err(Problem::new(ProblemCode::Unauthorized, detail).into());
        };
        if caller.via == Via::Session {
            same_site(&parts.method, &parts.headers)?;
        }
        Ok(caller)
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> ApiResult<Self> {
        let caller = AnyCaller::from_request_parts(parts, app).await?;
        if caller.actor.must_change_password {
            let detail = "change the one-time password first: POST /api/v1/me/password";
            return Err(Problem::new(ProblemCode::PasswordChangeRequired, detail).into());
        }
        Ok(Self(caller.actor))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let missing =
            || Problem::new(ProblemCode::Internal, "the server met an error; its log says which").into();
        parts.extensions.get::<Self>().copied().ok_or_else(missing)
    }
}

/// A path segment, percent-decoded.
#[derive(Debug, Clone)]
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text))
            .map_err(|error| Problem::new(ProblemCode::BadRequest, error.body_text()).into())
    }
}

/// Two path segments, percent-decoded.
#[derive(Debug, Clone)]
pub(crate) struct Segments(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segments {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        path.map(|Path((a, b))| Self(a, b))
            .map_err(|error| Problem::new(ProblemCode::BadRequest, error.body_text()).into())
    }
}

/// Query parameters; unknown ones are refused.
#[derive(Debug, Clone)]
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(value)| Self(value)).map_err(|error| {
            let detail = error.body_text();
            let field = quoted(&detail);
            let problem = Problem::new(ProblemCode::BadRequest, detail);
            field.map_or_else(|| problem.clone(), |field| problem.clone().about(field)).into()
        })
    }
}

/// A JSON body.
#[derive(Debug, Clone)]
pub(crate) struct Json<T> {
    pub(crate) value: T,
    /// As it came, for the idempotency key.
    pub(crate) raw: Bytes,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> ApiResult<Self> {
        let media =
            request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("application/json");
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            let detail = format!("send application/json, not {media:?}");
            return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail).into());
        }
        let raw = match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await {
            Ok(Ok(raw)) => raw,
            Ok(Err(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                return Err(Problem::new(
                    ProblemCode::TooLarge,
                    "the body is larger than this operation takes",
                )
                .into());
            }
            Ok(Err(_)) => return Err(Problem::new(ProblemCode::CutOff, "the body was cut off").into()),
            Err(_) => return Err(Problem::new(ProblemCode::CutOff, "the body did not come in time").into()),
        };
        // An absent body is an empty object: actions without parameters need none.
        let text: &[u8] = if raw.is_empty() { b"{}" } else { &raw };
        match serde_json::from_slice(text) {
            Ok(value) => Ok(Self { value, raw }),
            Err(error) => Err(unreadable(&error).into()),
        }
    }
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let detail = error.to_string();
    let field = (error.classify() == serde_json::error::Category::Data).then(|| quoted(&detail)).flatten();
    let code = if field.is_some() { ProblemCode::Invalid } else { ProblemCode::BadRequest };
    let problem = Problem::new(code, detail);
    match field {
        Some(field) => problem.about(field),
        None => problem,
    }
}

/// The field that serde names between back-quotes in `unknown field` and `missing field`.
fn quoted(text: &str) -> Option<String> {
    let after = text.split_once("field `")?.1;
    after.split_once('`').map(|(name, _)| name.to_owned())
}
