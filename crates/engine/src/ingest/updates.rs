//! What devices say about their updates: each message moves one device update, by the domain's one function.

use argosy_domain::Timestamp;
use argosy_domain::model::{
    Applied, DeviceUpdate, DownloadStep, Event, Fact, FirmwareChange, FirmwareChangeKind, UpdateEvent,
    UpdateState,
};
use argosy_domain::ports::{DeviceBrief, InboundMessage};
use argosy_proto::message::{Progress, ResultStatus, UpdateResult};
use argosy_proto::{CommandId, DeploymentId, DeviceId, HistoryId, UpMessage, UpdateKind};

use super::batch::{Batch, UpdateKey, confirms_boot, update_command};
use super::content::content_result;
use super::rows;
use crate::metrics::add;

impl Batch<'_> {
    pub(super) fn on_progress(
        &mut self,
        device: DeviceId,
        raw: &InboundMessage,
        message: &UpMessage,
        progress: &Progress,
        at: Timestamp,
    ) {
        let percent = progress.progress.min(100);
        let bytes = progress.downloaded_bytes.and_then(|b| i64::try_from(b).ok());
        let of_contents = update_command(&progress.command_id).and_then(|named| {
            let id = (named.deployment, device);
            let files_done = self.updates.get(&id).map(|(update, _)| update.files_done)?;
            (named.kind == UpdateKind::Advertisement).then(|| self.content_progress(id, files_done, progress))
        });
        let event = move |update: &DeviceUpdate, _: &DeviceBrief| {
            let downloaded_bytes = bytes.unwrap_or(update.total_bytes / 100 * i64::from(percent));
            Some(of_contents.unwrap_or(UpdateEvent::Progress { percent, downloaded_bytes }))
        };
        self.on_command(device, raw, message, &progress.command_id, event, at);
    }

    pub(super) fn on_result(
        &mut self,
        device: DeviceId,
        raw: &InboundMessage,
        message: &UpMessage,
        result: &UpdateResult,
        at: Timestamp,
    ) {
        let (why, status) = (result.message.clone(), result.status);
        let event = move |update: &DeviceUpdate, brief: &DeviceBrief| match update.kind() {
            UpdateKind::Advertisement => content_result(status, why),
            UpdateKind::Firmware => Some(match status {
                ResultStatus::Success => UpdateEvent::Downloaded { confirms_boot: confirms_boot(brief) },
                ResultStatus::Installed => UpdateEvent::Installed,
                ResultStatus::RolledBack => UpdateEvent::RolledBack { message: why },
                ResultStatus::Error | ResultStatus::Failed => UpdateEvent::Failed { message: why },
                ResultStatus::Timeout => UpdateEvent::TimedOut { message: why },
            }),
        };
        self.on_command(device, raw, message, &result.command_id, event, at);
    }

    /// Finds the update that a command names and moves it.
    pub(super) fn on_command(
        &mut self,
        device: DeviceId,
        raw: &InboundMessage,
        message: &UpMessage,
        command: &CommandId,
        event: impl FnOnce(&DeviceUpdate, &DeviceBrief) -> Option<UpdateEvent>,
        at: Timestamp,
    ) {
        let Some(named) = update_command(command) else {
            return self.dead_letter(raw, format!("the command {command} is unknown"), at);
        };
        if named.device != device {
            return self.dead_letter(raw, format!("the command {command} is another device's"), at);
        }
        let id = (named.deployment, device);
        let (event, earlier) = match (self.updates.get(&id), self.briefs.get(&device)) {
            // An attempt that was never begun is no command of ours.
            (Some((update, _)), Some(brief))
                if named.kind == update.kind() && (1..=update.attempt).contains(&named.attempt) =>
            {
                (event(update, brief), named.attempt < update.attempt)
            }
            _ => return self.dead_letter(raw, format!("the command {command} is unknown"), at),
        };
        let Some(event) = event else {
            return self.dead_letter(raw, "this answer is for a firmware update".to_owned(), at);
        };
        let matters = !earlier
            || matches!(
                event,
                UpdateEvent::Downloaded { .. } | UpdateEvent::Installed | UpdateEvent::RolledBack { .. }
            );
        let before = self.updates.get(&id).map(|(update, _)| (update.state, update.progress));
        if matters {
            self.move_update(id, &event, at);
        }
        self.keep_step(id, message, before, at);
        if !matters {
            // What an earlier attempt achieved is true of the device; that it failed or gets on says nothing of the one that runs.
            return;
        }
        let success = matches!(event, UpdateEvent::Downloaded { confirms_boot: false });
        let canceled = self.updates.get(&id).is_some_and(|(u, _)| u.state == UpdateState::Canceled);
        if success && canceled {
            // It runs the image although nobody wants it any more: that is its history, not the update's end.
            self.now_runs(device, named.deployment, at);
        }
    }

    /// Keeps what was said as a step of the download: every word but those of progress that reach no further quarter.
    fn keep_step(
        &mut self,
        id: UpdateKey,
        message: &UpMessage,
        before: Option<(UpdateState, u8)>,
        at: Timestamp,
    ) {
        let Some(mut row) = rows::download_of(id.1, id.0, message, at) else { return };
        if let (Fact::Event(Event::Download { step, .. }), Some((state, percent))) = (&mut row.fact, before)
            && *step == DownloadStep::Progress
        {
            let Some((now, _)) = self.updates.get(&id) else { return };
            if state != UpdateState::Downloading && now.state == UpdateState::Downloading {
                *step = DownloadStep::Started;
            } else if now.progress / 25 == percent / 25 {
                return;
            }
        }
        self.rows.push(row);
    }

    /// Applies an event and does what its end asks for.
    pub(super) fn move_update(&mut self, id: UpdateKey, event: &UpdateEvent, at: Timestamp) {
        let Some((update, _)) = self.updates.get_mut(&id) else { return };
        let (before, kind) = (update.state, update.kind());
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
                match kind {
                    UpdateKind::Firmware => self.now_runs(id.1, id.0, at),
                    UpdateKind::Advertisement => self.now_shows(id.1, id.0, at),
                }
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
        let Some(image) = facts.image else { return };
        let from_version = self.brief_of(device).and_then(|b| b.firmware_version.clone());
        // The hello that proved the update may have said the hash already: the change is the deployment's all the same, once.
        let told = self.history.iter().any(|h| h.device == device && h.deployment == Some(deployment));
        if !told {
            self.history.retain(|h| {
                !(h.device == device && h.kind == FirmwareChangeKind::Reported && h.image_hash == Some(image))
            });
            self.history.push(FirmwareChange {
                id: HistoryId(0),
                device,
                at,
                from_version,
                to_version: Some(facts.version.clone()),
                image_hash: Some(image),
                deployment: Some(deployment),
                kind: FirmwareChangeKind::Updated,
            });
        }
        if known != Some(image) {
            self.touch(device, at).image_hash = Some(Some(image));
            self.set_brief(device, |b| b.image_hash = Some(image));
        }
    }
}
