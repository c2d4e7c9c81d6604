//! A device: what the registry knows of it, and what it last said of itself.

use std::collections::BTreeMap;

use argosy_proto::{
    DeploymentId, DeviceId, DeviceKey, FirmwareId, GroupId, HistoryId, ProductId, RegionId, Sha256Hash,
};
use serde::{Deserialize, Serialize};

use super::{UnknownWord, text_enum};
use crate::Timestamp;

text_enum! {
    /// Whether a device may take part.
    DeviceState {
        /// Known by certificate, not yet named and placed (it comes with registration by code).
        Unregistered = "unregistered",
        /// Takes part.
        Active = "active",
        /// Refused at CONNECT and cut off, until an operator reactivates it.
        Suspended = "suspended",
    }
}

/// Free key/value pairs an operator attaches: at most 32, keys `[A-Za-z0-9_.-]{1,64}`, values up to 256 characters.
pub type Attributes = BTreeMap<String, String>;

/// What a device is registered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDevice {
    /// Its key on the wire.
    pub key: DeviceKey,
    /// Its name for people.
    pub name: String,
    /// Its hardware model.
    pub product: ProductId,
    /// Its group, if any.
    pub group: Option<GroupId>,
    /// Its region, if any.
    pub region: Option<RegionId>,
    /// Free attributes.
    pub attributes: Attributes,
    /// Its first state.
    pub state: DeviceState,
}

/// A registered device. `firmware_*` is what it reported or was proven to run; `online` and `last_seen_at` are
/// live facts, which the engine knows sooner than the database (a row of their own there, written in bulk every few seconds).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Row id.
    pub id: DeviceId,
    /// Everything that it was registered with, as changed since.
    #[serde(flatten)]
    pub spec: NewDevice,
    /// The version it runs, by its own word.
    pub firmware_version: Option<String>,
    /// Hash of the image it runs: by its `hello`, or by a finished deployment.
    pub image_hash: Option<Sha256Hash>,
    /// The registered firmware with that hash, if any.
    pub firmware: Option<FirmwareId>,
    /// What its agent can do (`boot-confirm`, …); empty for old devices.
    pub capabilities: Vec<String>,
    /// It shows other contents than it was last sent with success.
    pub contents_mismatch: bool,
    /// Connected now.
    pub online: bool,
    /// Since when it is connected, or has been disconnected.
    pub online_changed_at: Option<Timestamp>,
    /// The last message or connection of it.
    pub last_seen_at: Option<Timestamp>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When its registration was last changed.
    pub updated_at: Timestamp,
}

impl Device {
    /// Whether it confirms a new image by `hello` after its trial boot.
    pub fn confirms_boot(&self) -> bool {
        self.capabilities.iter().any(|c| c == "boot-confirm")
    }
}

/// A change of a device's registration; `None` leaves a field as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DevicePatch {
    /// New name.
    pub name: Option<String>,
    /// New group.
    pub group: Option<Option<GroupId>>,
    /// New region.
    pub region: Option<Option<RegionId>>,
    /// New attributes (all of them).
    pub attributes: Option<Attributes>,
    /// New state.
    pub state: Option<DeviceState>,
}

/// Which devices: every field that is set must hold. Used by lists and as a deployment's stored selection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFilter {
    /// Of this product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductId>,
    /// In one of these groups (empty: any).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupId>,
    /// In one of these regions (empty: any).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionId>,
    /// One of these devices (empty: any).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceId>,
    /// In this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DeviceState>,
    /// Connected or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<bool>,
    /// Showing something else than it was sent, or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents_mismatch: Option<bool>,
    /// Reporting exactly this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware_version: Option<String>,
    /// Key begins with this, or name contains it (ASCII case does not matter).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
}

/// What one batch of messages says of one device's live facts. `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceTouch {
    /// Which device.
    pub device: DeviceId,
    /// When it was heard.
    pub seen_at: Timestamp,
    /// Connected or gone, if that changed.
    pub online: Option<bool>,
    /// When it changed; `None`: when it was heard.
    pub online_at: Option<Timestamp>,
    /// The version it reports.
    pub firmware_version: Option<String>,
    /// The image it reports (`hello`) or was proven to run; `Some(None)`: what it runs is no longer known.
    pub image_hash: Option<Option<Sha256Hash>>,
    /// What its agent can do.
    pub capabilities: Option<Vec<String>>,
}

impl DeviceTouch {
    /// A touch that says no more than "heard at".
    pub const fn seen(device: DeviceId, seen_at: Timestamp) -> Self {
        Self {
            device,
            seen_at,
            online: None,
            online_at: None,
            firmware_version: None,
            image_hash: None,
            capabilities: None,
        }
    }
}

/// One change of what a device runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareChange {
    /// Row id (0 before it is stored).
    pub id: HistoryId,
    /// Which device.
    pub device: DeviceId,
    /// When the server learnt of it.
    pub at: Timestamp,
    /// The version before, if known.
    pub from_version: Option<String>,
    /// The version after, if known.
    pub to_version: Option<String>,
    /// The image after, if known.
    pub image_hash: Option<Sha256Hash>,
    /// The deployment that did it, if one did.
    pub deployment: Option<DeploymentId>,
    /// What happened.
    pub kind: FirmwareChangeKind,
}

text_enum! {
    /// How a device came to run what it runs.
    FirmwareChangeKind {
        /// A deployment succeeded.
        Updated = "updated",
        /// The new image did not hold; the old one runs again.
        RolledBack = "rolled_back",
        /// The device reported it, no deployment of ours did it.
        Reported = "reported",
    }
}
