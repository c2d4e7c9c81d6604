//! `GET /`: the page that stands where the console will.

use hyper::header::CONTENT_SECURITY_POLICY;

use crate::ops::prelude::*;

/// The page, in the binary.
const PAGE: &str = include_str!("console.html");

/// A page that says that this build has no console, and where things are.
pub(crate) async fn handle() -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy)], PAGE).into_response()
}
