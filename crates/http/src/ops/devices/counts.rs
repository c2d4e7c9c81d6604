//! `GET /devices/counts`

use argosy_domain::model::DeviceFilter;
use argosy_domain::ports::CountScope;

use crate::ops::prelude::*;

/// Counts of all devices, or of those of a product, a group, a region.
#[utoipa::path(get, path = "/api/v1/devices/counts", operation_id = "deviceCounts", tag = "devices", params(api::CountQuery),
    responses((status = 200, description = "The counts", body = api::DeviceCounts)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::CountQuery>,
) -> ApiResult<Answer<api::DeviceCounts>> {
    let mut read = app.engine.registry().read().await?;
    let mut scope = CountScope::default();
    if let Some(name) = query.product {
        scope.product = Some(resolve::product(&mut *read, &name, Place::Field("product")).await?.id);
    }
    if let Some(name) = query.group {
        scope.group = Some(resolve::group(&mut *read, &name, Place::Field("group")).await?.id);
    }
    if let Some(code) = query.region {
        scope.region = Some(resolve::region(&mut *read, &code, Place::Field("region")).await?.id);
    }
    let mut counts = read.device_counts(&scope).await?;
    if scope == CountScope::default() {
        // Known sooner than the registry does: see `live`.
        counts.online = app.engine.presence().online_count() as u64;
    }
    let contents_mismatch = if scope == CountScope::default() {
        read.count_contents_mismatches().await?
    } else {
        let shows_others = DeviceFilter {
            product: scope.product,
            groups: scope.group.into_iter().collect(),
            regions: scope.region.into_iter().collect(),
            contents_mismatch: Some(true),
            ..DeviceFilter::default()
        };
        read.count_devices(&shows_others).await?
    };
    let mut names = Names::default();
    names.know_places(&mut *read).await?;
    let mut by_product = Vec::with_capacity(counts.by_product.len());
    for (product, tally) in counts.by_product {
        let product = names.product(&mut *read, product).await?;
        by_product.push(api::ProductCount { product, count: tally.devices, online: tally.online });
    }
    let mut by_group = Vec::with_capacity(counts.by_group.len());
    for (group, tally) in counts.by_group {
        let group = match group {
            Some(id) => Some(names.group(&mut *read, id).await?),
            None => None,
        };
        by_group.push(api::GroupCount { group, count: tally.devices, online: tally.online });
    }
    let mut by_region = Vec::with_capacity(counts.by_region.len());
    for (region, tally) in counts.by_region {
        let region = match region {
            Some(id) => Some(names.region(&mut *read, id).await?),
            None => None,
        };
        by_region.push(api::RegionCount { region, count: tally.devices, online: tally.online });
    }
    let by_state = counts.by_state.into_iter().map(|(state, t)| (present::device_state(state), t.devices));
    Ok(Answer(api::DeviceCounts {
        total: counts.total,
        online: counts.online,
        by_state: by_state.collect(),
        by_version: counts
            .by_version
            .into_iter()
            .map(|(version, t)| api::VersionCount { version, count: t.devices, online: t.online })
            .collect(),
        by_product,
        by_group,
        by_region,
        contents_mismatch,
    }))
}
