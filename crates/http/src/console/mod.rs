//! The console: the files that `build.rs` put into the program, and one page for every address that is the console's to show.
//!
//! Names of assets hold a hash of their content, so that they are kept for ever; the page itself is never kept. The page is the only
//! thing that changes: a fresh nonce is written into it, which is what lets the console's own style elements in and nobody else's.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::response::IntoResponse;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderMap, HeaderName, HeaderValue, VARY,
};
use hyper::{Method, Response, StatusCode, Uri};

use crate::app::App;

/// A file of the built console.
struct File {
    /// Its path in a URL.
    path: &'static str,
    bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// What stands in the built page where the nonce belongs.
const NONCE: &str = "__CSP_NONCE__";
/// The page of a program that was built without the console.
const ABSENT: &str = include_str!("absent.html");

fn find(path: &str) -> Option<&'static File> {
    FILES.binary_search_by(|file| file.path.cmp(path)).ok().and_then(|at| FILES.get(at))
}

/// Whether this build has the console.
pub fn is_built() -> bool {
    !FILES.is_empty()
}

/// Whether `path` is the console's to answer: not the API's, the downloads' or the system's.
pub(crate) fn owns(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    let path = uri.path();
    let wants_page =
        headers.get(ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("text/html"));
    path == "/" || find(path).is_some() || (is_built() && wants_page && !path.starts_with("/api/"))
}

/// A file of the console, or its page.
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response<axum::body::Body> {
    match find(uri.path()) {
        Some(file) if file.path != "/index.html" => asset(file, &headers),
        _ => page(&app),
    }
}

fn asset(file: &'static File, headers: &HeaderMap) -> Response<axum::body::Body> {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or("");
    let accepts =
        |coding: &str| accepted.split(',').any(|part| part.split(';').next().unwrap_or("").trim() == coding);
    let packed = [("br", ".br"), ("gzip", ".gz")].into_iter().find_map(|(coding, ending)| {
        let found = accepts(coding).then(|| find(&format!("{}{ending}", file.path))).flatten()?;
        Some((coding, found.bytes))
    });
    let mut response = packed.map_or(file.bytes, |(_, bytes)| bytes).into_response();
    let set = response.headers_mut();
    set.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(file.path)));
    if let Some((coding, _)) = packed {
        set.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    set.insert(VARY, HeaderValue::from_static("accept-encoding"));
    let hashed = file.path.starts_with("/assets/");
    let keep = if hashed { "public, max-age=31536000, immutable" } else { "public, max-age=3600" };
    set.insert(CACHE_CONTROL, HeaderValue::from_static(keep));
    response
}

fn page(app: &App) -> Response<axum::body::Body> {
    let Some(index) = find("/index.html") else {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
        return html(ABSENT.to_owned(), policy);
    };
    // Split once: the page is small, and what stands between the nonces never changes.
    static PARTS: OnceLock<Vec<String>> = OnceLock::new();
    let parts =
        PARTS.get_or_init(|| String::from_utf8_lossy(index.bytes).split(NONCE).map(str::to_owned).collect());
    let mut random = [0; 16];
    app.engine.fill_random(&mut random);
    let mut nonce = String::with_capacity(32);
    for byte in random {
        let _ = write!(nonce, "{byte:02x}");
    }
    // `style-src-attr`: React and ECharts set styles of elements; no style *element* gets in without the nonce.
    let policy = format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; \
         img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    html(parts.join(&nonce), &policy)
}

fn html(text: String, policy: &str) -> Response<axum::body::Body> {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    debug_assert_eq!(response.status(), StatusCode::OK);
    response
}

/// Only what a build of the console makes.
fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "map") => "application/json",
        Some("woff2") => "font/woff2",
        Some("png") => "image/png",
        Some("html") => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    }
}
