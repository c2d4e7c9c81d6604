//! What devices say of themselves: `status/system` and `hello`, and what follows from it for their updates and histories.

use argosy_domain::Timestamp;
use argosy_domain::model::{FirmwareChange, FirmwareChangeKind, UpdateEvent, UpdateState};
use argosy_domain::ports::InboundMessage;
use argosy_proto::message::{Hello, StatusSystem};
use argosy_proto::{DeviceId, DeviceKey, HistoryId, Sha256Hash, UpdateKind};

use super::batch::{Batch, UpdateKey};

impl Batch<'_> {
    pub(super) fn on_status(&mut self, device: DeviceId, status: &StatusSystem, at: Timestamp) {
        let version = status.firmware_version.as_ref().map(|v| v.as_str().to_owned());
        self.reported(device, version, None, at);
        self.on_shown(device, status, at);
    }

    pub(super) fn on_hello(&mut self, device: DeviceId, raw: &InboundMessage, hello: &Hello, at: Timestamp) {
        self.touch(device, at).capabilities = Some(hello.capabilities.clone());
        self.set_brief(device, |b| b.capabilities.clone_from(&hello.capabilities));
        self.after.hello_acks.push(raw.key.clone());
        let Some(boot) = &hello.boot else { return };
        let mut open: Vec<(UpdateKey, UpdateState)> =
            self.updates_of.get(&device).map_or_else(Vec::new, |ids| {
                ids.iter().filter_map(|id| self.updates.get(id).map(|(u, _)| (*id, u.state))).collect()
            });
        open.sort_unstable_by_key(|(id, _)| *id);
        let from = self.brief_of(device).and_then(|b| b.firmware_version.clone());
        for (id, state) in open {
            let Some(deployed) = self.facts.get(&id.0).and_then(|f| f.image) else { continue };
            if state.is_final() {
                continue;
            }
            if state.in_flight()
                && boot.rolled_back_from == Some(deployed)
                && state.rank() >= UpdateState::Downloaded.rank()
            {
                let message =
                    Some("the new image did not hold; the device runs its old one again".to_owned());
                self.move_update(id, &UpdateEvent::RolledBack { message }, at);
                continue;
            }
            let Some(image_hash) = boot.image_hash else { continue };
            let event = match (boot.confirmed, state == UpdateState::Pending) {
                (true, true) if image_hash == deployed && !self.at_work(device) => UpdateEvent::AlreadyRuns,
                (true, false) if image_hash != deployed && !self.came_back(id, &raw.key) => continue,
                (true, false) => UpdateEvent::Booted { image_hash, deployed },
                // On trial: the new image has started, its confirmation is still to come.
                (false, false) if image_hash == deployed => UpdateEvent::Installed,
                _ => continue,
            };
            self.move_update(id, &event, at);
        }
        self.set_brief(device, |b| b.firmware_version = from);
        let version = boot.version.as_ref().map(|v| v.as_str().to_owned());
        self.reported(device, version, boot.image_hash.filter(|_| boot.confirmed), at);
    }

    /// Whether the device has connected again since its last word on this update. A restart ends the connection: the old image's
    /// `hello` on the same one was sent (or sent again) before the restart, and says nothing of how the new image did.
    fn came_back(&self, id: UpdateKey, key: &DeviceKey) -> bool {
        let said_at = self.updates.get(&id).and_then(|(update, _)| update.last_event_at);
        let since = self.engine.presence.of(key).map(|connection| connection.since);
        match (since, said_at) {
            (Some(since), Some(said_at)) => since >= said_at,
            _ => true,
        }
    }

    /// Whether the device holds a slot of some deployment: it will run that one's image next, whatever it runs now.
    fn at_work(&self, device: DeviceId) -> bool {
        let ids = self.updates_of.get(&device).map(Vec::as_slice).unwrap_or_default();
        ids.iter()
            .filter_map(|id| self.updates.get(id))
            .any(|(update, _)| update.state.in_flight() && update.kind() == UpdateKind::Firmware)
    }

    /// What a device says it runs. A change that no deployment explains goes into its history as reported.
    pub(super) fn reported(
        &mut self,
        device: DeviceId,
        version: Option<String>,
        image: Option<Sha256Hash>,
        at: Timestamp,
    ) {
        let Some(brief) = self.brief_of(device).cloned() else { return };
        let new_image = image.filter(|hash| brief.image_hash != Some(*hash));
        let new_version = version.clone().filter(|v| brief.firmware_version.as_ref() != Some(v));
        if let Some(hash) = new_image {
            self.touch(device, at).image_hash = Some(Some(hash));
        }
        if let Some(version) = new_version.clone() {
            self.touch(device, at).firmware_version = Some(version);
        }
        // The first word of a device is no change; a new version next to a known image that we deployed is that deployment's.
        let explained = new_image.is_none()
            && version.is_some()
            && self.engine.facts.version_of(brief.image_hash) == version;
        let first = brief.firmware_version.is_none() && brief.image_hash.is_none();
        let deployed_now = self.history.iter().any(|h| h.device == device && h.at == at);
        if (new_image.is_some() || new_version.is_some()) && !explained && !first && !deployed_now {
            self.history.push(FirmwareChange {
                id: HistoryId(0),
                device,
                at,
                from_version: brief.firmware_version.clone(),
                to_version: version.clone(),
                image_hash: new_image,
                deployment: None,
                kind: FirmwareChangeKind::Reported,
            });
        }
        self.set_brief(device, |b| {
            if version.is_some() {
                b.firmware_version = version;
            }
            if image.is_some() {
                b.image_hash = image;
            }
        });
    }
}
