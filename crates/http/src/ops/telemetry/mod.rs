//! What devices tell over time, read from the series store.

pub(crate) mod deployment_downloads;
pub(crate) mod downloads;
pub(crate) mod latest;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod presence;
pub(crate) mod sales;
pub(crate) mod stream;

mod fleet;

use std::collections::HashMap;

use argosy_domain::model::EventRow;
use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{EventFilter, SeriesCursor, TimeSpan};
use argosy_proto::DeviceId;

use crate::ops::prelude::*;

/// From when to when; an empty time is a mistake.
pub(crate) fn span(from: Option<api::Time>, to: Option<api::Time>) -> ApiResult<TimeSpan> {
    let stamp = |time: api::Time| Timestamp(time.0);
    let from = from.map_or(TimeSpan::ALL.from, stamp);
    let to = to.map_or(TimeSpan::ALL.to, stamp);
    if from >= to {
        return Err(Problem::new(ProblemCode::BadRequest, "from must be before to").about("from").into());
    }
    Ok(TimeSpan::new(from, to))
}

/// The page that a query asks for, of a list out of the series store.
pub(crate) fn page(cursor: Option<String>, limit: Option<u32>) -> ApiResult<PageRequest> {
    if cursor.as_deref().is_some_and(|text| text.parse::<SeriesCursor>().is_err()) {
        return Err(resolve::foreign_cursor());
    }
    Ok(PageRequest { after: cursor, ..resolve::page(None, limit)? })
}

/// A page of events, each with its device's key; those that `view` does not take are left out.
pub(crate) async fn events<T>(
    app: &App,
    filter: &EventFilter,
    page: &PageRequest,
    view: impl Fn(EventRow, String) -> Option<T>,
) -> ApiResult<Answer<api::Page<T>>> {
    let found: Page<EventRow> = app.engine.series().events(filter, page).await?;
    let keys = keys(app, found.items.iter().map(|row| row.device)).await?;
    let items = found.items.into_iter().filter_map(|row| {
        let key = keys.get(&row.device).cloned().unwrap_or_else(|| format!("id:{}", row.device));
        view(row, key)
    });
    Ok(Answer(api::Page { items: items.collect(), next: found.next }))
}

/// Keys of devices.
pub(crate) async fn keys(
    app: &App,
    devices: impl IntoIterator<Item = DeviceId>,
) -> ApiResult<HashMap<DeviceId, String>> {
    let ids: std::collections::BTreeSet<DeviceId> = devices.into_iter().collect();
    let ids: Vec<DeviceId> = ids.into_iter().collect();
    let mut read = app.engine.registry().read().await?;
    let mut keys = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(1000) {
        let filter = argosy_domain::model::DeviceFilter { devices: chunk.to_vec(), ..Default::default() };
        let found = read.devices(&filter, &PageRequest::first(1000)).await?;
        keys.extend(found.items.into_iter().map(|device| (device.id, device.spec.key.to_string())));
    }
    Ok(keys)
}
