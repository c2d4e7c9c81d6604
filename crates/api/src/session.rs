//! Live connections of devices.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{Door, Time};

/// Which live connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SessionQuery {
    /// Of devices whose key holds this text, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows at most, 1 to 1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// A live connection of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// Whose.
    pub key: String,
    /// MQTT client id.
    pub client_id: String,
    /// Peer address.
    pub address: String,
    /// Through which door.
    pub door: Door,
    /// `TLSv1.2` or `TLSv1.3`; absent on the plain listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_version: Option<String>,
    /// Serial of the presented certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_serial: Option<String>,
    /// `3.1.1` or `5`.
    pub mqtt_version: String,
    /// Topic filters it has.
    pub subscriptions: Vec<String>,
    /// Since when.
    pub connected_at: Time,
}
