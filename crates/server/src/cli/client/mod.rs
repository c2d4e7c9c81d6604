//! The client of the HTTP API: one connection, JSON in and out, uploads and server-sent events.
//!
//! Small on purpose: hyper over plain TCP or rustls, trusting only the roots it is given. Errors are [`Failure`]s with the exit
//! code that `docs/cli.md` promises.

mod base;
mod connection;
mod events;
mod query;

use std::io;
use std::time::Duration;

use argosy_api::{IDEMPOTENCY_KEY, PREFIX, Problem, SESSION_COOKIE};
use argosy_domain::ports::Entropy as _;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderValue, SET_COOKIE, USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::base::Base;
use self::connection::Connection;
pub(crate) use self::events::Events;
pub(crate) use self::query::{query_of, segment};
use crate::args::{Exit, Failure};
use crate::system::SystemEntropy;

/// The body of a request.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How long an answer may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer at most.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
/// Tries of a call that may be repeated.
const TRIES: u32 = 3;

/// A client of one server.
#[derive(Debug)]
pub(crate) struct Client {
    base: Base,
    connection: Connection,
    token: Option<String>,
    session: Option<String>,
}

impl Client {
    /// A client of the server at `base`; `roots_pem` is what an https server is trusted by.
    pub(crate) fn new(base: Base, roots_pem: Option<&[u8]>, token: Option<String>) -> Result<Self, Failure> {
        let connection = Connection::new(&base, roots_pem)?;
        Ok(Self { base, connection, token, session: None })
    }

    /// The server.
    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    /// `GET`.
    pub(crate) async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, None::<&()>).await
    }

    /// `GET` of a file.
    pub(crate) async fn bytes(&mut self, path: &str) -> Result<Bytes, Failure> {
        let response = self.send(Method::GET, path, None, &[]).await?;
        read(response).await
    }

    /// A call with a JSON body and a JSON answer.
    pub(crate) async fn call<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let response = self.send(method, path, json(body)?, &[]).await?;
        read_json(response).await
    }

    /// A call whose answer has no body.
    pub(crate) async fn act(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<(), Failure> {
        let response = self.send(method, path, json(body)?, &[]).await?;
        read(response).await.map(drop)
    }

    /// A creating `POST`: carries an idempotency key, so that it can be repeated when the answer was lost.
    pub(crate) async fn create<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let mut random = [0; 16];
        SystemEntropy.fill(&mut random);
        let key = random.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.create_as(&key, path, body).await
    }

    /// [`Self::create`] with an idempotency key of the caller's: one that it remembers over runs.
    pub(crate) async fn create_as<T: DeserializeOwned>(
        &mut self,
        key: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let mut tries = 1;
        loop {
            let headers = [(IDEMPOTENCY_KEY, key)];
            let answer = match self.send(Method::POST, path, json(Some(body))?, &headers).await {
                Ok(response) => read_json(response).await,
                Err(failure) => Err(failure),
            };
            match answer {
                Err(failure) if failure.exit == Exit::Unreachable && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                answer => return answer,
            }
        }
    }

    /// Sends raw bytes of a known length.
    pub(crate) async fn upload<T: DeserializeOwned>(
        &mut self,
        path: &str,
        length: u64,
        body: Body,
    ) -> Result<T, Failure> {
        let length = length.to_string();
        let headers =
            [(CONTENT_TYPE.as_str(), "application/octet-stream"), (CONTENT_LENGTH.as_str(), length.as_str())];
        let request = self.request(Method::PUT, path, Some(body), &headers)?;
        // As long as it takes: the server ends an upload that stands still.
        let response = self.connection.send(request).await?;
        read_json(refuse(response).await?).await
    }

    /// A `POST` whose answer is a stream of bytes; it begins when the server has prepared it, however long that takes.
    pub(crate) async fn stream(&mut self, path: &str, body: &impl Serialize) -> Result<Incoming, Failure> {
        let headers = [(CONTENT_TYPE.as_str(), "application/json")];
        let request = self.request(Method::POST, path, json(Some(body))?, &headers)?;
        let response = self.connection.send(request).await?;
        Ok(refuse(response).await?.into_body())
    }

    /// Follows server-sent events.
    pub(crate) async fn events(&mut self, path: &str) -> Result<Events, Failure> {
        let response = self.send(Method::GET, path, None, &[(ACCEPT.as_str(), "text/event-stream")]).await?;
        Ok(Events::new(response.into_body()))
    }

    /// Logs in with name and password: the session is used for what follows.
    pub(crate) async fn open_session<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.token = None;
        let response = self.send(Method::POST, path, json(Some(body))?, &[]).await?;
        self.keep_session(&response);
        read_json(response).await
    }

    /// A call that answers with a new session and no body that matters.
    pub(crate) async fn renew_session(&mut self, path: &str, body: &impl Serialize) -> Result<(), Failure> {
        let response = self.send(Method::POST, path, json(Some(body))?, &[]).await?;
        self.keep_session(&response);
        read(response).await.map(drop)
    }

    fn keep_session(&mut self, response: &Response<Incoming>) {
        let cookies = response.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.filter_map(|cookie| cookie.split(';').next()?.split_once('='));
        if let Some((_, value)) = pairs.rfind(|(name, _)| name.trim() == SESSION_COOKIE) {
            self.session = Some(value.trim().to_owned());
        }
    }

    /// Sends a request; an answer that says no is a [`Failure`].
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Body>,
        headers: &[(&str, &str)],
    ) -> Result<Response<Incoming>, Failure> {
        let mut headers = headers.to_vec();
        if body.is_some() {
            headers.push((CONTENT_TYPE.as_str(), "application/json"));
        }
        let request = self.request(method, path, body, &headers)?;
        let response = match tokio::time::timeout(PATIENCE, self.connection.send(request)).await {
            Ok(response) => response?,
            Err(_) => {
                let text = format!("{} does not answer within {} s", self.base, PATIENCE.as_secs());
                return Err(Failure::new(Exit::Unreachable, text));
            }
        };
        refuse(response).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Body>,
        headers: &[(&str, &str)],
    ) -> Result<Request<Body>, Failure> {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("{PREFIX}/{path}") };
        let wrong = |error: &dyn std::error::Error| Failure::because("the request cannot be written", error);
        let body = body.unwrap_or_else(|| Full::default().map_err(|never| match never {}).boxed_unsync());
        let mut request = Request::builder().method(method).uri(path).body(body).map_err(|e| wrong(&e))?;
        let out = request.headers_mut();
        out.insert(HOST, HeaderValue::from_str(&self.base.authority()).map_err(|e| wrong(&e))?);
        out.insert(USER_AGENT, HeaderValue::from_static(concat!("argosy/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in headers {
            let name = name.parse::<hyper::header::HeaderName>().map_err(|e| wrong(&e))?;
            out.insert(name, HeaderValue::from_str(value).map_err(|e| wrong(&e))?);
        }
        if let Some(token) = &self.token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value
                .map_err(|_| Failure::new(Exit::Refused, "the token has characters that no token has"))?;
            value.set_sensitive(true);
            out.insert(AUTHORIZATION, value);
        } else if let Some(session) = &self.session {
            let mut value =
                HeaderValue::from_str(&format!("{SESSION_COOKIE}={session}")).map_err(|e| wrong(&e))?;
            value.set_sensitive(true);
            out.insert(COOKIE, value);
        }
        Ok(request)
    }
}

fn json(body: Option<&impl Serialize>) -> Result<Option<Body>, Failure> {
    let Some(body) = body else { return Ok(None) };
    let text = serde_json::to_vec(body).map_err(|e| Failure::because("the request cannot be written", &e))?;
    Ok(Some(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()))
}

async fn read(response: Response<Incoming>) -> Result<Bytes, Failure> {
    match Limited::new(response.into_body(), MAX_ANSWER).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(Failure::new(Exit::Unreachable, format!("the answer broke off: {error}"))),
    }
}

async fn read_json<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, Failure> {
    let body = read(response).await?;
    serde_json::from_slice(&body).map_err(|error| {
        Failure::because("the answer is not understood: is it an Argosy server of this version?", &error)
    })
}

/// Turns an answer that says no into a [`Failure`] with what to do.
async fn refuse(response: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = read(response).await.unwrap_or_default();
    let problem = serde_json::from_slice::<Problem>(&body).ok();
    Err(said_no(status, problem))
}

fn said_no(status: StatusCode, problem: Option<Problem>) -> Failure {
    let exit = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::Refused,
        StatusCode::NOT_FOUND => Exit::NotFound,
        StatusCode::CONFLICT => Exit::Conflict,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Exit::Unreachable
        }
        _ => Exit::Failed,
    };
    let Some(problem) = problem else {
        return Failure::new(exit, format!("the server answered {status}; is it an Argosy server?"));
    };
    let mut message = if problem.detail.is_empty() { problem.title } else { problem.detail };
    if let Some(field) = &problem.field {
        message.push_str(&format!(" (field {field})"));
    }
    let advice = match problem.code.as_str() {
        "unauthorized" => "log in with `argosy login`, or give a token with --token or ARGOSY_TOKEN",
        "password_change_required" => "run `argosy login`: it asks for a new password",
        "too_many_requests" => "wait a minute and try again",
        _ => "",
    };
    if !advice.is_empty() {
        message.push_str(&format!("\n  {advice}"));
    }
    Failure::new(exit, message)
}

#[cfg(test)]
mod tests {
    use argosy_api::ProblemCode;

    use super::*;

    #[test]
    fn every_problem_has_its_exit_code() {
        for (code, exit) in [
            (ProblemCode::Unauthorized, Exit::Refused),
            (ProblemCode::Forbidden, Exit::Refused),
            (ProblemCode::NotFound, Exit::NotFound),
            (ProblemCode::Conflict, Exit::Conflict),
            (ProblemCode::Unavailable, Exit::Unreachable),
            (ProblemCode::Invalid, Exit::Failed),
            (ProblemCode::TooLarge, Exit::Failed),
        ] {
            let status = StatusCode::from_u16(code.status()).unwrap();
            let failure = said_no(status, Some(Problem::new(code, "why").about("field")));
            assert_eq!(failure.exit, exit, "{code:?}");
            assert!(failure.message.starts_with("why (field field)"), "{}", failure.message);
        }
    }
}
