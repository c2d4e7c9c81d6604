//! One-time codes with which devices register.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{NamedRef, RegionRef, RegistrationCodeState, Time};

/// Asks for a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRegistrationCodeRequest {
    /// Only a device of this product can use it (name or `id:42`).
    pub product: String,
    /// The group that the device joins (name or `id:42`).
    pub group: String,
    /// The region that the device is in (code or `id:42`).
    pub region: String,
    /// What the device is called. If absent: what an operator called it before; else what it calls itself; else its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
}

/// A code, without its digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegistrationCodeView {
    /// Row id.
    pub id: i64,
    /// What has become of it.
    pub state: RegistrationCodeState,
    /// Only a device of this product can use it.
    pub product: NamedRef,
    /// The group that the device joins.
    pub group: NamedRef,
    /// The region that the device is in.
    pub region: RegionRef,
    /// What the device is called, if the code says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// Who made it: `user:alice`, `token:ci`.
    pub created_by: String,
    /// When it was made.
    pub created_at: Time,
    /// From when on it cannot be used.
    pub expires_at: Time,
    /// When it was used or revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// The key of the device that was registered with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<String>,
    /// Who revoked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<String>,
}

/// A new code. Its digits are shown this one time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreateRegistrationCodeResponse {
    /// The six digits, leading zeros among them. A secret while it lives.
    pub code: String,
    /// The server's time when this was answered: `expires_at` minus this is what a countdown begins with, whatever the
    /// clock of who shows it.
    pub server_time: Time,
    /// That difference, in seconds.
    pub expires_in_s: u32,
    /// Everything else of it.
    #[serde(flatten)]
    pub view: RegistrationCodeView,
}

impl core::fmt::Debug for CreateRegistrationCodeResponse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CreateRegistrationCodeResponse").field("view", &self.view).finish_non_exhaustive()
    }
}

/// Which codes: every field that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RegistrationCodeQuery {
    /// In this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RegistrationCodeState>,
    /// For devices of this product (name or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows at most, 1 to 1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}
