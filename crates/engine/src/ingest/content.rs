//! What devices say of the contents they show: a deployment's proof, and a line of their history.
//!
//! Most reports repeat what is known and end in memory ([`ShownCache`](crate::dispatch::ShownCache)); only a set that differs is looked
//! up, judged and written, within the batch that carries it.

use std::collections::{BTreeMap, BTreeSet};

use argosy_domain::Timestamp;
use argosy_domain::model::{
    ContentChange, ShownContents, ShownFiles, UpdateEvent, UpdateState, content_progress,
};
use argosy_domain::ports::{PortResult, UnitOfWork};
use argosy_proto::message::{Progress, ResultStatus, StatusSystem};
use argosy_proto::{DeploymentId, DeviceId, UpdateKind};

use super::batch::{Batch, UpdateKey};
use crate::Engine;

/// Deployments of the same contents that are asked whether they sent them to a device, for its history.
const EXPLAINING: usize = 4;

/// What a batch says of shown contents.
#[derive(Default)]
pub(super) struct ShownBatch {
    /// Devices whose reports differ from what was known: all of their reports in the batch are judged, in order.
    watched: BTreeSet<DeviceId>,
    rows: BTreeMap<DeviceId, ShownContents>,
    changed: BTreeSet<DeviceId>,
    changes: Vec<ContentChange>,
    said: BTreeMap<DeviceId, (ShownFiles, Timestamp)>,
}

/// What a status says is shown; `None`: nothing is said of it.
pub(super) fn shown_by(status: &StatusSystem) -> Option<ShownFiles> {
    Some(status.advertisements.as_ref()?.iter().map(|file| file.id).collect())
}

impl ShownBatch {
    /// A report of a device; `true` if it says something new, so that the device's open updates are needed.
    pub(super) fn hears(
        &mut self,
        engine: &Engine,
        device: DeviceId,
        status: &StatusSystem,
        at: Timestamp,
    ) -> bool {
        let Some(files) = shown_by(status) else { return false };
        if !self.watched.contains(&device) && engine.shown.says_again(device, &files, at) {
            return false;
        }
        self.watched.insert(device)
    }

    /// Reads what is known of the devices that say something new.
    pub(super) async fn load(&mut self, work: &mut dyn UnitOfWork) -> PortResult<()> {
        if !self.watched.is_empty() {
            let devices: Vec<DeviceId> = self.watched.iter().copied().collect();
            self.rows =
                work.shown_contents(&devices).await?.into_iter().map(|row| (row.device, row)).collect();
        }
        Ok(())
    }

    fn set(&mut self, (row, change): (ShownContents, Option<ContentChange>)) {
        self.changes.extend(change);
        if self.rows.get(&row.device) != Some(&row) {
            self.changed.insert(row.device);
        }
        self.rows.insert(row.device, row);
    }

    /// Writes what changed; gives what the devices said, to be kept once it is durable.
    pub(super) async fn write(
        mut self,
        engine: &Engine,
        work: &mut dyn UnitOfWork,
    ) -> PortResult<BTreeMap<DeviceId, (ShownFiles, Timestamp)>> {
        if !self.changed.is_empty() {
            let rows: Vec<ShownContents> =
                self.changed.iter().filter_map(|device| self.rows.get(device)).cloned().collect();
            work.save_shown_contents(&rows).await?;
        }
        if !self.changes.is_empty() {
            self.explain(engine, work).await?;
            work.insert_content_changes(&self.changes).await?;
        }
        Ok(self.said)
    }

    /// A report that no success explains may still be the work of a deployment: of one that was canceled too late.
    async fn explain(&mut self, engine: &Engine, work: &mut dyn UnitOfWork) -> PortResult<()> {
        let mut asked: BTreeSet<UpdateKey> = BTreeSet::new();
        for change in self.changes.iter().filter(|change| change.deployment.is_none()) {
            let sent = engine.facts.of_contents(&change.shown);
            asked.extend(sent.into_iter().take(EXPLAINING).map(|id| (id, change.device)));
        }
        if asked.is_empty() {
            return Ok(());
        }
        let asked: Vec<UpdateKey> = asked.into_iter().take(argosy_domain::ports::MAX_BULK).collect();
        let mut found = work.device_updates_by_id(&asked).await?;
        found.retain(|update| update.attempt > 0);
        for change in self.changes.iter_mut().filter(|change| change.deployment.is_none()) {
            let sent = engine.facts.of_contents(&change.shown);
            change.deployment = sent
                .into_iter()
                .find(|id| found.iter().any(|u| u.deployment == *id && u.device == change.device));
        }
        Ok(())
    }
}

impl Batch<'_> {
    /// Judges a report that says something new: it may end an update, and it is what the device shows from now on.
    pub(super) fn on_shown(&mut self, device: DeviceId, status: &StatusSystem, at: Timestamp) {
        if !self.shown.watched.contains(&device) {
            return;
        }
        let Some(files) = shown_by(status) else { return };
        self.after.touched.insert(device);
        self.shown.said.insert(device, (files.clone(), at));
        let mut open: Vec<(UpdateKey, UpdateState)> = self
            .updates_of
            .get(&device)
            .into_iter()
            .flatten()
            .filter_map(|id| self.updates.get(id).map(|(update, _)| (*id, update)))
            .filter(|(_, update)| update.kind() == UpdateKind::Advertisement && !update.state.is_final())
            .map(|(id, update)| (id, update.state))
            .collect();
        open.sort_unstable_by_key(|(id, _)| *id);
        let at_work = open.iter().any(|(_, state)| state.in_flight());
        for (id, state) in open {
            let deployed = self.facts.get(&id.0).and_then(|facts| facts.shown.as_ref());
            // A device at work on other contents will show those next, whatever it shows now: a waiting update has its turn.
            if deployed == Some(&files) && (state.in_flight() || !at_work) {
                self.move_update(id, &UpdateEvent::Shown, at);
            }
        }
        let before = self.shown.rows.get(&device).cloned();
        self.shown.set(ShownContents::reported(before, device, files, None, at));
    }

    /// A deployment of contents succeeded on the device, by the device's own word.
    pub(super) fn now_shows(&mut self, device: DeviceId, deployment: DeploymentId, at: Timestamp) {
        let Some(files) = self.facts.get(&deployment).and_then(|facts| facts.shown.clone()) else { return };
        let before = self.shown.rows.get(&device).cloned();
        self.shown.set(ShownContents::sent(before, device, deployment, files, true, at));
    }

    /// What progress says of a content update, in percent and bytes of the whole set.
    pub(super) fn content_progress(
        &self,
        id: UpdateKey,
        files_done: u32,
        progress: &Progress,
    ) -> UpdateEvent {
        let bytes = |value: Option<u64>| value.and_then(|b| i64::try_from(b).ok());
        let sizes: Vec<i64> =
            self.facts.get(&id.0).map_or_else(Vec::new, |facts| facts.files.iter().map(|f| f.size).collect());
        let (percent, downloaded_bytes) = content_progress(
            &sizes,
            files_done,
            progress.progress,
            bytes(progress.downloaded_bytes),
            bytes(progress.total_bytes),
        );
        UpdateEvent::Progress { percent, downloaded_bytes }
    }
}

/// What a result says of a content update; `None`: it is a word for firmware.
pub(super) fn content_result(status: ResultStatus, message: Option<String>) -> Option<UpdateEvent> {
    match status {
        ResultStatus::Success => Some(UpdateEvent::FileDone),
        ResultStatus::Error | ResultStatus::Failed => Some(UpdateEvent::Failed { message }),
        ResultStatus::Timeout => Some(UpdateEvent::TimedOut { message }),
        ResultStatus::Installed | ResultStatus::RolledBack => None,
    }
}
