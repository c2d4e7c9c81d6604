//! Parts of the fleet, as the series store is asked for them: it knows devices by their ids only.

use argosy_domain::model::{Device, DeviceFilter};
use argosy_domain::page::{MAX_PAGE, PageRequest};

use crate::ops::prelude::*;

/// Walks all devices that the filter selects.
pub(super) async fn walk(
    read: &mut dyn ReadSession,
    filter: &DeviceFilter,
    mut each: impl FnMut(Device) -> ApiResult<()> + Send,
) -> ApiResult<()> {
    let mut after = None;
    loop {
        let found = read.devices(filter, &PageRequest { limit: MAX_PAGE, after }).await?;
        for device in found.items {
            each(device)?;
        }
        after = found.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
