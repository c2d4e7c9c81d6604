//! Deployments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    DeployedContent, DeploymentKind, DeploymentState, DeviceUpdateView, NamedRef, Outcome, Time, UpdateState,
};

/// Device updates that one event of `GET /deployments/{id}/events` lists at most.
pub const MAX_EVENT_DEVICES: usize = 200;

/// Deploys a firmware, or contents. Send an `Idempotency-Key`, so that a repeat after a lost answer does not deploy twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDeploymentRequest {
    /// Name for people; made from file name and version, or from titles, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The firmware, by id. Or give `product` and `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<i64>,
    /// Its hardware model (name or `id:42`), with `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Its version, with `product`; 409 if several files have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Instead of a firmware: contents (title or `id:42`), 1 to 16 of one product, in the order in which they are shown. They replace
    /// whatever a device shows: what is left out is taken away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<String>,
    /// To which devices. Only devices of the product are taken.
    pub target: DeploymentTarget,
    /// How it goes; the defaults if absent.
    #[serde(default)]
    pub policy: PolicyRequest,
}

/// To which devices: exactly one of the fields. The set is fixed when the deployment is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploymentTarget {
    /// `true`: every device of the product.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// These devices (key or `id:42`), 10,000 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Devices in these groups (name or `id:42`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Devices in these regions (code or `id:42`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
}

/// How a deployment goes. What is absent takes its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyRequest {
    /// Devices at work at once; 1000 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100_000)]
    pub max_in_flight: Option<u32>,
    /// Requests sent a second at most; 1000 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100_000)]
    pub rate_per_s: Option<u32>,
    /// Seconds without a message after which an attempt is given up; 600 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 10, maximum = 86_400)]
    pub attempt_timeout_s: Option<u32>,
    /// Seconds offline after which an attempt is given up; 60 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3_600)]
    pub offline_grace_s: Option<u32>,
    /// Attempts a device; 3 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 20)]
    pub max_attempts: Option<u32>,
    /// What is not final then becomes `timed_out`; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// How a deployment goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyView {
    /// Devices at work at once.
    pub max_in_flight: u32,
    /// Requests sent a second at most.
    pub rate_per_s: u32,
    /// Seconds without a message after which an attempt is given up.
    pub attempt_timeout_s: u32,
    /// Seconds offline after which an attempt is given up.
    pub offline_grace_s: u32,
    /// Attempts a device.
    pub max_attempts: u32,
    /// What is not final then becomes `timed_out`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// What is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeployedFirmware {
    /// Row id.
    pub id: i64,
    /// For which hardware model.
    pub product: NamedRef,
    /// Version.
    pub version: String,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: i64,
}

/// What a deployment would do, were it made now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentPreview {
    /// The name that it would have.
    pub name: String,
    /// Active devices of the product in the target.
    pub devices: u64,
    /// Those of them that are connected now.
    pub online: u64,
    /// Bytes that each of them downloads, before any that already run it are left out.
    pub bytes_per_device: i64,
}

/// A deployment. Counts are read from the device updates themselves: they are exact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentView {
    /// Row id.
    pub id: i64,
    /// Name for people.
    pub name: String,
    /// What it carries.
    pub kind: DeploymentKind,
    /// For devices of this hardware model.
    pub product: NamedRef,
    /// The firmware, if it carries one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<DeployedFirmware>,
    /// The contents, in order, if it carries contents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<DeployedContent>,
    /// Where it stands.
    pub state: DeploymentState,
    /// All targets have been worked out: `total` does not grow any more.
    pub planned: bool,
    /// How it goes.
    pub policy: PolicyView,
    /// Its device updates, counted.
    pub progress: DeploymentProgress,
    /// When it was made.
    pub created_at: Time,
    /// When the first request was dispatched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// Device updates of a deployment, counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentProgress {
    /// All.
    pub total: u64,
    /// Those that are final.
    pub finished: u64,
    /// By state; a state without devices is absent.
    pub by_state: BTreeMap<UpdateState, u64>,
    /// By the console's words; all of them.
    pub by_outcome: BTreeMap<Outcome, u64>,
    /// Bytes that devices reported as downloaded.
    pub downloaded_bytes: i64,
    /// Bytes of all targets.
    pub total_bytes: i64,
    /// Bytes a second since the first dispatch (until the end, once ended), from bytes and server time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_bytes_per_s: Option<f64>,
    /// Seconds until all bytes are there at that speed; absent when unknown or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_s: Option<f64>,
    /// Successes over final ones, 0 to 1; absent while none is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<f64>,
}

/// Which deployments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DeploymentQuery {
    /// In these states, separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Name contains it.
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

/// Which device updates of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DeploymentDevicesQuery {
    /// In these states (or the console's words), separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Device key begins with it.
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

/// Why a deployment is paused, resumed or canceled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploymentAction {
    /// For the audit trail; a cancel also tells it to the devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An event of `GET /deployments/{id}/events`. Every one carries the whole deployment, so a missed one costs nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentEvent {
    /// The deployment as it is now.
    pub deployment: DeploymentView,
    /// Device updates that changed since the last event, 200 at most.
    pub devices: Vec<DeviceUpdateView>,
    /// More devices changed than are listed: read the list if they matter.
    pub truncated: bool,
}
