//! `GET /devices/counts`

use crate::ops::prelude::*;

/// Counts of all devices.
#[utoipa::path(get, path = "/api/v1/devices/counts", operation_id = "deviceCounts", tag = "devices",
    responses((status = 200, description = "The counts", body = api::DeviceCounts)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
) -> ApiResult<Answer<api::DeviceCounts>> {
    let mut read = app.engine.registry().read().await?;
    let counts = read.device_counts().await?;
    let mut names = Names::default();
    let mut by_group = Vec::with_capacity(counts.by_group.len());
    for (group, count) in counts.by_group {
        let group = match group {
            Some(id) => Some(names.group(&mut *read, id).await?),
            None => None,
        };
        by_group.push(api::GroupCount { group, count });
    }
    let mut by_region = Vec::with_capacity(counts.by_region.len());
    for (region, count) in counts.by_region {
        let region = match region {
            Some(id) => Some(names.region(&mut *read, id).await?),
            None => None,
        };
        by_region.push(api::RegionCount { region, count });
    }
    Ok(Answer(api::DeviceCounts {
        total: counts.total,
        online: counts.online,
        by_state: counts.by_state.into_iter().map(|(state, n)| (present::device_state(state), n)).collect(),
        by_version: counts
            .by_version
            .into_iter()
            .map(|(version, count)| api::VersionCount { version, count })
            .collect(),
        by_group,
        by_region,
    }))
}
