//! The operations, a file each: its documentation, its request and response, its handler. To add one: a file here, a line in
//! `routes.rs`, a line in `openapi.rs`, and `cargo xtask openapi`.

pub(crate) mod auth;
pub(crate) mod backup;
pub(crate) mod contents;
pub(crate) mod deployments;
pub(crate) mod devices;
pub(crate) mod firmware;
pub(crate) mod groups;
pub(crate) mod identity;
pub(crate) mod ledger;
pub(crate) mod products;
pub(crate) mod regions;
pub(crate) mod registration_codes;
pub(crate) mod sessions;
pub(crate) mod system;
pub(crate) mod telemetry;
pub(crate) mod tokens;
pub(crate) mod uploads;

/// What nearly every operation needs.
pub(crate) mod prelude {
    pub(crate) use std::sync::Arc;

    pub(crate) use argosy_api as api;
    pub(crate) use argosy_api::{Problem, ProblemCode};
    pub(crate) use argosy_domain::Timestamp;
    pub(crate) use argosy_domain::ports::ReadSession;
    pub(crate) use axum::extract::State;
    pub(crate) use axum::response::{IntoResponse, Response};
    pub(crate) use hyper::header::{CONTENT_TYPE, HeaderMap, SET_COOKIE};
    pub(crate) use hyper::{Method, StatusCode};

    pub(crate) use crate::answer::{Answer, BaseUrl, IdempotencyKey};
    pub(crate) use crate::app::App;
    pub(crate) use crate::creation::Creation;
    pub(crate) use crate::error::ApiResult;
    pub(crate) use crate::extract::{AnyCaller, Caller, Json, Params, Segment, Segments, Via, same_site};
    pub(crate) use crate::live;
    pub(crate) use crate::present::{self, Names};
    pub(crate) use crate::resolve::{self, Place};
    pub(crate) use crate::server::connection::Peer;
}
