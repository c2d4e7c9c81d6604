//! The HTTP side: the admin API, signed downloads, live events, metrics, and the embedded console.
//!
//! Two ways lead through it. Downloads (`/d/…`) go straight from the connection to [`download`]: no router, no layers. Everything else
//! goes through the router in `routes`, one file an operation below `ops`. Both share one [`App`] behind any number of listeners.

mod answer;
mod app;
mod body;
mod console;
mod creation;
mod download;
mod error;
mod events;
mod extract;
mod live;
pub mod metrics;
pub mod openapi;
mod ops;
mod present;
mod present_content;
mod present_identity;
mod present_names;
mod resolve;
mod routes;
mod server;

pub use app::{ApiConfig, App, AppParts};
pub use console::is_built as console_is_built;
pub use download::DownloadLimits;
pub use server::{HttpLimits, HttpServer, HttpStats, MinimumRate, listen};
