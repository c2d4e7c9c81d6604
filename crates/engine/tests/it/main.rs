//! The engine over the fakes of its ports (which their contract suites hold to the real back ends).

mod contents;
mod fleet;
mod history;
mod identity;
mod ingest;
mod newer;
mod registration;
mod rollout;
