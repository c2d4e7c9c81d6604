//! Devices, counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{DeviceState, NamedRef, RegionRef};

/// Which part of the fleet to count: what is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CountQuery {
    /// Of this product (name or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// In this group (name or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// In this region (code or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// Counts of devices: exact. `online` follows a connection or its end within moments (the next group commit).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceCounts {
    /// All.
    pub total: u64,
    /// Connected now.
    pub online: u64,
    /// By state.
    pub by_state: BTreeMap<DeviceState, u64>,
    /// By reported version, most first, 100 at most.
    pub by_version: Vec<VersionCount>,
    /// By product.
    pub by_product: Vec<ProductCount>,
    /// By group.
    pub by_group: Vec<GroupCount>,
    /// By region.
    pub by_region: Vec<RegionCount>,
    /// Showing other contents than they were sent.
    pub contents_mismatch: u64,
}

/// Devices that report one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionCount {
    /// The version; absent: never reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Devices.
    pub count: u64,
    /// Those of them that are connected now.
    pub online: u64,
}

/// Devices of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductCount {
    /// The product.
    pub product: NamedRef,
    /// Devices.
    pub count: u64,
    /// Those of them that are connected now.
    pub online: u64,
}

/// Devices in one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupCount {
    /// The group; absent: in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<NamedRef>,
    /// Devices.
    pub count: u64,
    /// Those of them that are connected now.
    pub online: u64,
}

/// Devices in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegionCount {
    /// The region; absent: in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<RegionRef>,
    /// Devices.
    pub count: u64,
    /// Those of them that are connected now.
    pub online: u64,
}
