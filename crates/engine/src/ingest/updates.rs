//! What devices say about their updates: each message moves one device update, by the domain's one function.

use argosy_domain::Timestamp;
use argosy_domain::model::{
    Applied, DeviceUpdate, FirmwareChange, FirmwareChangeKind, UpdateEvent, UpdateState,
};
use argosy_domain::ports::{DeviceBrief, InboundMessage};
use argosy_proto::{CommandId, DeploymentId, DeviceId, HistoryId};

use super::batch::{Batch, UpdateKey, firmware_command};
use crate::metrics::add;

impl Batch<'_> {
    /// Finds the update that a command names and moves it.
    pub(super) fn on_command(
        &mut self,
        device: DeviceId,
        raw: &InboundMessage,
        command: &CommandId,
        event: impl FnOnce(&DeviceUpdate, &DeviceBrief) -> UpdateEvent,
        at: Timestamp,
    ) {
        let Some(named) = firmware_command(command) else {
            return self.dead_letter(raw, format!("the command {command} is unknown"), at);
        };
        if named.device != device {
            return self.dead_letter(raw, format!("the command {command} is another device's"), at);
        }
        let id = (named.deployment, device);
        let (event, earlier) = match (self.updates.get(&id), self.briefs.get(&device)) {
            // An attempt that was never begun is no command of ours.
            (Some((update, _)), Some(brief)) if (1..=update.attempt).contains(&named.attempt) => {
                (event(update, brief), named.attempt < update.attempt)
            }
            _ => return self.dead_letter(raw, format!("the command {command} is unknown"), at),
        };
        if earlier
            && !matches!(
                event,
                UpdateEvent::Downloaded { .. } | UpdateEvent::Installed | UpdateEvent::RolledBack { .. }
            )
        {
            // What an earlier attempt achieved is true of the device; that it failed or gets on says nothing of the one that runs.
            return;
        }
        let success = matches!(event, UpdateEvent::Downloaded { confirms_boot: false });
        self.move_update(id, &event, at);
        let canceled = self.updates.get(&id).is_some_and(|(u, _)| u.state == UpdateState::Canceled);
        if success && canceled {
            // It runs the image although nobody wants it any more: that is its history, not the update's end.
            self.now_runs(device, named.deployment, at);
        }
    }

    /// Applies an event and does what its end asks for.
    pub(super) fn move_update(&mut self, id: UpdateKey, event: &UpdateEvent, at: Timestamp) {
        let Some((update, _)) = self.updates.get_mut(&id) else { return };
        let before = update.state;
        if update.apply(event, at) == Applied::Ignored {
            return;
        }
        let state = update.state;
        self.after.changed.entry(id.0).or_default().insert(id.1);
        if before.is_final() || !state.is_final() {
            return;
        }
        self.after.slots_freed = true;
        self.after.ready.push(id.1);
        match state {
            UpdateState::Succeeded => {
                add(&self.engine.metrics.updates_succeeded_total, 1);
                self.now_runs(id.1, id.0, at);
            }
            UpdateState::RolledBack => {
                add(&self.engine.metrics.updates_failed_total, 1);
                let version = self.facts.get(&id.0).map(|f| f.version.clone());
                self.history.push(FirmwareChange {
                    id: HistoryId(0),
                    device: id.1,
                    at,
                    from_version: version,
                    to_version: None,
                    image_hash: None,
                    deployment: Some(id.0),
                    kind: FirmwareChangeKind::RolledBack,
                });
            }
            _ => add(&self.engine.metrics.updates_failed_total, 1),
        }
    }

    /// The device runs a deployment's image from now on.
    pub(super) fn now_runs(&mut self, device: DeviceId, deployment: DeploymentId, at: Timestamp) {
        let Some(facts) = self.facts.get(&deployment).cloned() else { return };
        let known = self.brief_of(device).and_then(|b| b.image_hash);
        let from_version = self.brief_of(device).and_then(|b| b.firmware_version.clone());
        // The hello that proved the update may have said the hash already: the change is the deployment's all the same, once.
        let told = self.history.iter().any(|h| h.device == device && h.deployment == Some(deployment));
        if !told {
            self.history.retain(|h| {
                !(h.device == device
                    && h.kind == FirmwareChangeKind::Reported
                    && h.image_hash == Some(facts.hash))
            });
            self.history.push(FirmwareChange {
                id: HistoryId(0),
                device,
                at,
                from_version,
                to_version: Some(facts.version.clone()),
                image_hash: Some(facts.hash),
                deployment: Some(deployment),
                kind: FirmwareChangeKind::Updated,
            });
        }
        if known != Some(facts.hash) {
            self.touch(device, at).image_hash = Some(Some(facts.hash));
            self.set_brief(device, |b| b.image_hash = Some(facts.hash));
        }
    }
}
