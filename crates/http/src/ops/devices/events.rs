//! `GET /devices/events`

use std::collections::BTreeSet;

use argosy_domain::model::DeviceFilter;
use argosy_domain::page::PageRequest;
use argosy_engine::Change;
use argosy_proto::DeviceId;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::events::{self, GATHER, Source, Step};
use crate::ops::prelude::*;

/// Devices that one event lists at most.
const MAX_LISTED: usize = 200;

/// Follows what changes on devices, as server-sent events named `devices`. It starts with nothing: read the list first or afterwards.
#[utoipa::path(get, path = "/api/v1/devices/events", operation_id = "deviceEvents", tag = "devices",
    responses((status = 200, description = "A stream of `devices` events, each a DevicesEvent",
        body = api::DevicesEvent, content_type = "text/event-stream")))]
pub(crate) async fn handle(State(app): State<Arc<App>>, _caller: Caller) -> ApiResult<Response> {
    let place = events::follower(&app)?;
    let source = Devices {
        feed: app.engine.feed().follow(),
        app: Arc::clone(&app),
        changed: BTreeSet::new(),
        resync: false,
        hello: true,
    };
    Ok(events::follow(&app, place, source))
}

struct Devices {
    app: Arc<App>,
    feed: broadcast::Receiver<Change>,
    /// What changed since the last event; kept here since `next` may be dropped while it waits.
    changed: BTreeSet<DeviceId>,
    resync: bool,
    hello: bool,
}

impl Devices {
    fn note(&mut self, note: Result<Change, RecvError>) -> bool {
        match note {
            Ok(Change::Devices { ids }) => self.changed.extend(ids.iter().copied()),
            Ok(Change::Deployment { .. }) => {}
            Err(RecvError::Lagged(_)) => self.resync = true,
            Err(RecvError::Closed) => return false,
        }
        true
    }
}

impl Source for Devices {
    async fn next(&mut self) -> Step {
        if std::mem::take(&mut self.hello) {
            // Headers and a first line at once: the follower knows that nothing is missed from here on.
            return Step::Beat;
        }
        while self.changed.is_empty() && !self.resync {
            let note = self.feed.recv().await;
            if !self.note(note) {
                return Step::End;
            }
        }
        tokio::time::sleep(GATHER).await;
        while let Ok(note) = self.feed.try_recv() {
            self.note(Ok(note));
        }
        let more = self.changed.len() > MAX_LISTED;
        let ids: Vec<DeviceId> = std::mem::take(&mut self.changed).into_iter().take(MAX_LISTED).collect();
        let resync = std::mem::take(&mut self.resync) || more;
        let devices = match read(&self.app, ids).await {
            Ok(devices) => devices,
            Err(_) => return Step::End,
        };
        Step::Tell(events::event("devices", &api::DevicesEvent { devices, resync }))
    }
}

async fn read(app: &App, ids: Vec<DeviceId>) -> ApiResult<Vec<api::DeviceEvent>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let filter = DeviceFilter { devices: ids, ..DeviceFilter::default() };
    let page = PageRequest::first(u32::try_from(MAX_LISTED).unwrap_or(1));
    let mut found = app.engine.registry().read().await?.devices(&filter, &page).await?;
    app.engine.freshen(&mut found.items);
    Ok(found.items.into_iter().map(present::device_event).collect())
}
