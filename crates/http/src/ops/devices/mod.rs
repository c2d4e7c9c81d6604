//! Devices.

pub(crate) mod activate;
pub(crate) mod batch;
pub(crate) mod certificates;
pub(crate) mod change;
pub(crate) mod change_many;
pub(crate) mod content_history;
pub(crate) mod contents;
pub(crate) mod counts;
pub(crate) mod create;
pub(crate) mod events;
pub(crate) mod firmware_history;
pub(crate) mod get;
pub(crate) mod issue_certificate;
pub(crate) mod list;
pub(crate) mod revoke_certificate;
pub(crate) mod suspend;
pub(crate) mod updates;

mod enroll;

use argosy_domain::model::{DeviceFilter, DevicePatch};

use crate::ops::prelude::*;

/// A selection with its names resolved.
pub(crate) async fn filter_of(
    read: &mut dyn ReadSession,
    selection: api::DeviceSelection,
) -> ApiResult<DeviceFilter> {
    let mut filter = DeviceFilter {
        state: selection.state.map(present::domain_device_state),
        firmware_version: selection.version,
        search: selection.search,
        ..DeviceFilter::default()
    };
    if let Some(name) = &selection.product {
        filter.product = Some(resolve::product(read, name, Place::Field("product")).await?.id);
    }
    if let Some(name) = &selection.group {
        filter.groups.push(resolve::group(read, name, Place::Field("group")).await?.id);
    }
    if let Some(code) = &selection.region {
        filter.regions.push(resolve::region(read, code, Place::Field("region")).await?.id);
    }
    Ok(filter)
}

/// A change with its names resolved.
pub(crate) async fn patch_of(
    read: &mut dyn ReadSession,
    change: api::DeviceChange,
) -> ApiResult<DevicePatch> {
    if change == api::DeviceChange::default() {
        return Err(Problem::new(ProblemCode::Invalid, "give at least one field to change").into());
    }
    let group = match change.group {
        None => None,
        Some(None) => Some(None),
        Some(Some(name)) => Some(Some(resolve::group(read, &name, Place::Field("group")).await?.id)),
    };
    let region = match change.region {
        None => None,
        Some(None) => Some(None),
        Some(Some(code)) => Some(Some(resolve::region(read, &code, Place::Field("region")).await?.id)),
    };
    Ok(DevicePatch { name: change.name, group, region, attributes: change.attributes, state: None })
}
