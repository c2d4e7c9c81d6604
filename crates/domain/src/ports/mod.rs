//! What the domain needs from outside, named without naming any engine. Every port has a contract suite in
//! `crate::testing` (feature `testing`), run against the fake and against every real back end.

mod authority;
mod backup;
mod blob;
mod clock;
mod error;
mod link;
mod media;
mod registry;
mod rights;
mod series;
mod series_rules;

pub use authority::*;
pub use backup::*;
pub use blob::*;
pub use clock::*;
pub use error::*;
pub use link::*;
pub use media::*;
pub use registry::*;
pub use rights::*;
pub use series::*;
pub use series_rules::*;
