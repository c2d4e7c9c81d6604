//! The device plane: everything between a device's MQTT connection and the ports [`DeviceLink`] and [`DeviceEvents`].
//!
//! [`embedded`] is a broker in this process. A second way to reach devices (another broker, over its own protocol) is a module
//! beside it that implements the same port and passes the same tests.
//!
//! [`DeviceLink`]: argosy_domain::ports::DeviceLink
//! [`DeviceEvents`]: argosy_domain::ports::DeviceEvents

pub mod embedded;
mod metrics;

pub use metrics::{LinkMetrics, Refused, Sample};
