//! The sections, a file for those that belong together.

mod content;
mod download;
mod engine;
mod fleet;
mod http;
mod log;
mod mqtt;
mod process;
mod registration;
mod series;
mod storage;

pub(crate) use content::Content;
pub(crate) use download::{Download, Uploads};
pub(crate) use engine::{Ingest, Sessions};
pub(crate) use fleet::Fleet;
pub(crate) use http::{Http, Https};
pub(crate) use log::Log;
pub(crate) use mqtt::Mqtt;
pub(crate) use process::{Pki, Shutdown};
pub(crate) use registration::Registration;
pub(crate) use series::Series;
pub(crate) use storage::{Blobs, Database};
