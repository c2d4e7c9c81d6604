//! Devices, their updates and their history.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    DeploymentKind, DeviceState, FirmwareChangeKind, IssuedCertificate, NamedRef, Outcome, RegionRef, Time,
    UpdateState,
};

/// Devices that one batch call may create.
pub const MAX_BATCH: usize = 500;

/// A device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceView {
    /// Row id.
    pub id: i64,
    /// Its key: its name on the wire, in certificates and in paths.
    pub key: String,
    /// Its name for people.
    pub name: String,
    /// Its hardware model.
    pub product: NamedRef,
    /// Its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<NamedRef>,
    /// Its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<RegionRef>,
    /// Free attributes.
    pub attributes: BTreeMap<String, String>,
    /// Whether it may take part.
    pub state: DeviceState,
    /// Connected now.
    pub online: bool,
    /// Since when it is connected, or gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online_changed_at: Option<Time>,
    /// The last message or connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Time>,
    /// The version it runs, by its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware_version: Option<String>,
    /// The registered firmware that it runs, by hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware_id: Option<i64>,
    /// SHA-256 of the image it runs, if it was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_hash: Option<String>,
    /// What its agent can do.
    pub capabilities: Vec<String>,
    /// It shows other contents than it was last sent with success.
    pub contents_mismatch: bool,
    /// Its last `status/system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub status: Option<serde_json::Value>,
    /// When it was registered.
    pub created_at: Time,
    /// When its registration was last changed.
    pub updated_at: Time,
}

/// Which devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DeviceQuery {
    /// Of this product (name or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// In this group (name or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// In this region (code or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// In this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub state: Option<DeviceState>,
    /// Connected or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<bool>,
    /// Showing other contents than it was sent, or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents_mismatch: Option<bool>,
    /// Reporting exactly this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Key begins with it, or name contains it.
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

/// Registers one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDeviceRequest {
    /// Its key: `[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`.
    pub key: String,
    /// Its name for people; the key if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its hardware model (name or `id:42`).
    pub product: String,
    /// Its group (name or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its region (code or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Free attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// A certificate request (PEM): a certificate comes with the answer. The private key never leaves the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<String>,
    /// Only its identity is made known: it takes no part until it registers itself with a code (or is activated).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub unregistered: bool,
}

/// A registered device, with its certificate if one was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CreateDeviceResponse {
    /// The device.
    #[serde(flatten)]
    pub device: DeviceView,
    /// Its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<IssuedCertificate>,
    /// The roots that the device must trust, PEM.
    pub roots_pem: String,
}

/// Registers up to 500 devices, all or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchDevicesRequest {
    /// Their hardware model (name or `id:42`).
    pub product: String,
    /// Their group (name or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Their region (code or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Only their identities are made known: they take no part until they register themselves with a code (or are activated).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub unregistered: bool,
    /// The devices, 1 to 500.
    #[schema(min_items = 1, max_items = 500)]
    pub devices: Vec<BatchDevice>,
}

/// One device of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchDevice {
    /// Its key.
    pub key: String,
    /// Its name for people; the key if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A certificate request, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<String>,
    /// Free attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// The registered batch, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchDevicesResponse {
    /// The devices.
    pub devices: Vec<BatchDeviceResult>,
    /// The roots that the devices must trust, PEM.
    pub roots_pem: String,
}

/// One registered device of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchDeviceResult {
    /// Its key.
    pub key: String,
    /// Its row id.
    pub id: i64,
    /// Its certificate, if it sent a request for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<IssuedCertificate>,
}

/// A change of a registration. What is absent stays; `group` and `region` take `null` to clear.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceChange {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New group (name or `id:42`), or `null`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub group: Option<Option<String>>,
    /// New region (code or `id:42`), or `null`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub region: Option<Option<String>>,
    /// New attributes: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<BTreeMap<String, String>>,
}

/// Tells "absent" from `null`: a field that is there is `Some`, whatever it holds.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

/// Which devices a change of many is for: `keys`, or every device that `filter` selects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeDevicesRequest {
    /// These devices, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// These devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<DeviceSelection>,
    /// What changes (a name cannot be given to many).
    pub change: DeviceChange,
}

/// Which devices, in the body of a request: every field that is set must hold. At least one must be set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceSelection {
    /// Of this product (name or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// In this group (name or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// In this region (code or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// In this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DeviceState>,
    /// Reporting exactly this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Key begins with it, or name contains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
}

/// How many devices were changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeDevicesResponse {
    /// Devices changed.
    pub changed: u64,
}

/// One change of what a device runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FirmwareChangeView {
    /// When the server learnt of it.
    pub at: Time,
    /// What happened.
    pub kind: FirmwareChangeKind,
    /// The version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_version: Option<String>,
    /// The version after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_version: Option<String>,
    /// SHA-256 of the image after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_hash: Option<String>,
    /// The deployment that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<i64>,
}

/// One device in one deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceUpdateView {
    /// Which deployment.
    pub deployment_id: i64,
    /// Which device.
    pub device_id: i64,
    /// Its key.
    pub key: String,
    /// What it is sent.
    pub kind: DeploymentKind,
    /// Where it stands.
    pub state: UpdateState,
    /// The console's word for it.
    pub outcome: Outcome,
    /// Attempts begun.
    pub attempt: u32,
    /// Percent, 0 to 100.
    pub progress: u8,
    /// Bytes downloaded, by the device's word.
    pub downloaded_bytes: i64,
    /// Bytes to download.
    pub total_bytes: i64,
    /// Contents: how many files it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u32>,
    /// Contents: how many of them it said that it has (boards say so for each file).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_done: Option<u32>,
    /// Bytes a second of the current attempt, from bytes and server time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_bytes_per_s: Option<f64>,
    /// Seconds until it is downloaded at that speed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_s: Option<f64>,
    /// What the device or the server says of a bad end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the current attempt was dispatched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatched_at: Option<Time>,
    /// The last message on the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event_at: Option<Time>,
    /// When it became final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// An event of `GET /devices/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DevicesEvent {
    /// Devices that changed, as they are now; 200 at most.
    pub devices: Vec<DeviceEvent>,
    /// More changed than is listed: read the list again.
    pub resync: bool,
}

/// One device of a [`DevicesEvent`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceEvent {
    /// Which device.
    pub key: String,
    /// Its row id.
    pub id: i64,
    /// Connected now.
    pub online: bool,
    /// Whether it may take part.
    pub state: DeviceState,
    /// The version it reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware_version: Option<String>,
    /// It shows other contents than it was last sent with success.
    pub contents_mismatch: bool,
    /// The last message or connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Time>,
}
