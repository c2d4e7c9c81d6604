//! `GET /deployments/{id}/events`

use std::collections::BTreeSet;

use argosy_engine::Change;
use argosy_proto::{DeploymentId, DeviceId};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::events::{self, GATHER, Source, Step};
use crate::ops::prelude::*;

/// Follows a deployment as server-sent events named `deployment`: how it stands now, then again whenever it changes, with the device
/// updates that changed. Every event is whole, so nothing is lost with a connection. The stream ends with the deployment.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/events", operation_id = "deploymentEvents", tag = "deployments",
    params(("id" = String, Path, description = "The deployment's id: `12` or `id:12`")),
    responses((status = 200, description = "A stream of `deployment` events, each a DeploymentEvent",
        body = api::DeploymentEvent, content_type = "text/event-stream")))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(id): Segment,
) -> ApiResult<Response> {
    let id = resolve::deployment_id(&id)?;
    // Follow first, read then: what changes in between is told twice rather than never.
    let feed = app.engine.feed().follow();
    if app.engine.registry().read().await?.deployment(id).await?.is_none() {
        return Err(Problem::new(ProblemCode::NotFound, format!("the deployment {id} does not exist")).into());
    }
    let place = events::follower(&app)?;
    let source = Follower {
        app: Arc::clone(&app),
        feed,
        id,
        devices: BTreeSet::new(),
        lagged: false,
        due: true,
        started: false,
    };
    Ok(events::follow(&app, place, source))
}

struct Follower {
    app: Arc<App>,
    feed: broadcast::Receiver<Change>,
    id: DeploymentId,
    /// What changed since the last event; kept here since `next` may be dropped while it waits.
    devices: BTreeSet<DeviceId>,
    lagged: bool,
    due: bool,
    started: bool,
}

impl Follower {
    fn note(&mut self, note: Result<Change, RecvError>) -> bool {
        match note {
            Ok(Change::Deployment { id, devices }) if id == self.id => {
                self.devices.extend(devices.iter().copied());
                self.due = true;
            }
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => {
                self.lagged = true;
                self.due = true;
            }
            Err(RecvError::Closed) => return false,
        }
        true
    }

    async fn event(&self, devices: &[DeviceId], truncated: bool) -> ApiResult<api::DeploymentEvent> {
        let keys: Vec<_> = devices.iter().map(|device| (self.id, *device)).collect();
        let updates = match keys.is_empty() {
            true => Vec::new(),
            false => self.app.engine.registry().read().await?.device_updates_by_id(&keys).await?,
        };
        // Counts after rows: an event never shows a device further than its counts do.
        let deployment = super::view(&self.app, self.id).await?;
        let now = self.app.engine.now();
        let devices = updates.into_iter().map(|update| present::device_update(update, now)).collect();
        Ok(api::DeploymentEvent { deployment, devices, truncated })
    }
}

impl Source for Follower {
    async fn next(&mut self) -> Step {
        while !self.due {
            let note = self.feed.recv().await;
            if !self.note(note) {
                return Step::End;
            }
        }
        if self.started {
            tokio::time::sleep(GATHER).await;
        }
        self.started = true;
        loop {
            match self.feed.try_recv() {
                Ok(change) => self.note(Ok(change)),
                Err(broadcast::error::TryRecvError::Lagged(n)) => self.note(Err(RecvError::Lagged(n))),
                Err(_) => break,
            };
        }
        let truncated = self.lagged || self.devices.len() > api::MAX_EVENT_DEVICES;
        let listed: Vec<DeviceId> = self.devices.iter().copied().take(api::MAX_EVENT_DEVICES).collect();
        let Ok(event) = self.event(&listed, truncated).await else { return Step::End };
        (self.due, self.lagged) = (false, false);
        self.devices.clear();
        let bytes = events::event("deployment", &event);
        // Canceled is final before its device updates are: the last event comes when those are too.
        let ended = event.deployment.state.is_final()
            && event.deployment.progress.finished == event.deployment.progress.total;
        if ended { Step::Last(bytes) } else { Step::Tell(bytes) }
    }
}
