//! A fleet of simulated devices in one process: each with its own key and certificate, its own TLS connections to the broker
//! and the download server, and the update core that real devices run.
//!
//! [`Fleet::start`] gives a handle with live counters; the binary `argosy-sim` is a command line around it. What a device
//! decides is `argosy-agent-core`'s; here are its network, its flash, its faults and the report.

mod choices;
mod clock;
mod config;
mod context;
mod counters;
mod device;
mod enrol;
mod features;
mod fleet;
mod hardware;
mod http;
mod identity;
pub mod load;
mod mqtt;
mod net;
mod report;
#[cfg(test)]
mod tests;

pub use clock::WallClock;
pub use config::{FleetConfig, KeysError, MAX_DEVICES, Mode, Shares, device_keys};
pub use counters::Counters;
pub use enrol::{EnrolError, Enrolment, enrol};
pub use features::{Features, Registering, Renewing};
pub use fleet::{Fleet, FleetError, FleetHandle};
pub use identity::{Identity, IdentityError, IdentityStore};
pub use report::{Percentiles, Report};
