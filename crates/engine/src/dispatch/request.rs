//! What a device is sent: a firmware, or contents, each file with its signed address.

use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::model::DeployedFile;
use argosy_domain::ports::Door;
use argosy_proto::message::{
    ContentFile, FileInfo, FirmwareContent, SignedUrl, UpdateAdvertisement, UpdateFirmware,
};
use argosy_proto::{
    CommandId, DeploymentId, DeviceKey, DeviceTime, DownMessage, FirmwareVersion, UpdateKind,
};

use super::DeploymentFacts;
use crate::Engine;

/// For whom the addresses of one request are signed.
struct Grantee<'a> {
    key: &'a DeviceKey,
    deployment: DeploymentId,
    door: Door,
    minutes: u32,
    expires_at: Timestamp,
}

impl Engine {
    /// The request of a command and for how many seconds it is good; `None`: no address can be given.
    pub(super) fn request(
        &self,
        key: &DeviceKey,
        deployment: DeploymentId,
        command_id: CommandId,
        facts: &DeploymentFacts,
    ) -> Option<(DownMessage, u32)> {
        let now = self.now();
        let minutes = self.config.url_minutes.max(SignedUrl::MIN_TIMEOUT);
        let grantee = Grantee {
            key,
            deployment,
            door: self.presence.of(key).map_or(Door::Mtls, |c| c.door),
            minutes,
            expires_at: now + Duration::from_secs(u64::from(minutes) * 60),
        };
        let timestamp = DeviceTime::from_unix_ms(now.as_millis());
        let message = match facts.kind {
            UpdateKind::Firmware => {
                let file = facts.files.first()?;
                DownMessage::UpdateFirmware(UpdateFirmware {
                    command_id,
                    content: FirmwareContent {
                        signed_url: self.address(&grantee, file, &file.name)?,
                        file_info: file_info(file),
                        version: FirmwareVersion::new(facts.version.clone()).ok(),
                        manifest: None,
                        delta: Vec::new(),
                    },
                    timestamp,
                })
            }
            UpdateKind::Advertisement => {
                let contents = facts.files.iter().map(|file| {
                    // LVGL opens a file by its ending; a title may be anything.
                    let signed_url = self.address(&grantee, file, &format!("{}.bin", file.artifact))?;
                    Some(ContentFile { signed_url, file_info: file_info(file) })
                });
                DownMessage::UpdateAdvertisement(UpdateAdvertisement {
                    command_id,
                    contents: contents.collect::<Option<Vec<_>>>()?,
                    total_size: u64::try_from(facts.size).unwrap_or_default(),
                    timestamp,
                })
            }
        };
        Some((message, minutes * 60))
    }

    fn address(&self, to: &Grantee<'_>, file: &DeployedFile, name: &str) -> Option<SignedUrl> {
        let links = &self.ports.links;
        let Some(url) = links.for_device(to.door, &file.hash, name, to.key, to.deployment, to.expires_at)
        else {
            tracing::error!(
                device = %to.key,
                "device {} came by the plain listener, but download.plain_url is not configured: it cannot be sent an update",
                to.key
            );
            return None;
        };
        Some(SignedUrl::new(url, to.minutes))
    }
}

fn file_info(file: &DeployedFile) -> FileInfo {
    FileInfo { id: file.artifact, file_hash: file.hash, size: u64::try_from(file.size).unwrap_or_default() }
}
