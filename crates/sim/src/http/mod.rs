//! HTTP/1.1 as a device speaks it: ranged GETs on one connection. And one plain call for the enrolment.

mod call;
mod fetch;
mod response;
mod url;

pub(crate) use call::{CallError, call};
pub(crate) use fetch::{Connecting, Fetched, Fetcher, HttpLink, Range};
pub(crate) use url::{Url, UrlError};
