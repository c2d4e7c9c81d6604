//! What devices show, as far as dispatch asks: who has the contents already, and who has downloaded them and says nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::model::{
    Applied, Deployment, DeviceUpdate, ShownContents, ShownFiles, UpdateEvent, UpdateState,
};
use argosy_domain::ports::{PortResult, UnitOfWork};
use argosy_proto::{DeviceId, Sha256Hash, UpdateKind};
use parking_lot::Mutex;

use super::writes::WRITE_CHUNK;
use crate::error::EngineResult;
use crate::metrics::add;
use crate::{Change, Engine};

/// Devices whose last report is remembered at most; then all are forgotten, and looked up again as they report.
const CAPACITY: usize = 2_000_000;

/// The last word of each device on what it shows, in memory: a status that says what is known costs no look at the registry.
#[derive(Debug, Default)]
pub(crate) struct ShownCache(Mutex<HashMap<DeviceId, (ShownFiles, Timestamp)>>);

impl ShownCache {
    /// Whether the device said just this before; notes that it says it again.
    pub(crate) fn says_again(&self, device: DeviceId, files: &ShownFiles, at: Timestamp) -> bool {
        let mut map = self.0.lock();
        match map.get_mut(&device) {
            Some((known, said_at)) if known == files => {
                *said_at = at.max(*said_at);
                true
            }
            _ => false,
        }
    }

    /// Keeps what a device said, once it is durable.
    pub(crate) fn keep(&self, device: DeviceId, files: ShownFiles, at: Timestamp) {
        let mut map = self.0.lock();
        if map.len() >= CAPACITY && !map.contains_key(&device) {
            map.clear();
        }
        map.insert(device, (files, at));
    }

    /// Whether the device has said since then that it shows something else.
    fn shows_others(&self, device: DeviceId, wanted: &ShownFiles, since: Timestamp) -> bool {
        self.0.lock().get(&device).is_some_and(|(files, at)| *at >= since && files != wanted)
    }
}

/// How many contents a deployment has; 0: it is of a firmware.
pub(super) fn contents(deployment: &Deployment) -> u32 {
    u32::try_from(deployment.spec.payload.contents().len()).unwrap_or(u32::MAX)
}

/// Which devices have what is deployed already: run the image, or show the contents.
pub(super) enum Has {
    Image(Option<Sha256Hash>, BTreeMap<DeviceId, Option<Sha256Hash>>),
    Contents(ShownFiles, BTreeMap<DeviceId, ShownContents>),
}

impl Has {
    pub(super) async fn read(
        work: &mut dyn UnitOfWork,
        deployment: &Deployment,
        devices: &[DeviceId],
        images: BTreeMap<DeviceId, Option<Sha256Hash>>,
    ) -> PortResult<Self> {
        Ok(match deployment.shown_set() {
            None => Self::Image(deployment.image(), images),
            Some(files) => {
                let rows = work.shown_contents(devices).await?;
                Self::Contents(files, rows.into_iter().map(|row| (row.device, row)).collect())
            }
        })
    }

    /// Whether this device has it. Contents count by the device's own word only.
    pub(super) fn it(&self, device: DeviceId) -> bool {
        match self {
            Self::Image(wanted, images) => {
                wanted.is_some() && images.get(&device).is_some_and(|image| image == wanted)
            }
            Self::Contents(wanted, rows) => {
                rows.get(&device).is_some_and(|row| row.reported && row.shown == *wanted)
            }
        }
    }

    /// No device has it.
    pub(super) fn none(&self) -> bool {
        match self {
            Self::Image(_, images) => !images.keys().any(|device| self.it(*device)),
            Self::Contents(_, rows) => !rows.keys().any(|device| self.it(*device)),
        }
    }

    /// These devices had the contents already: from now on they are what each of them was last sent.
    pub(super) async fn save_sent(
        &self,
        work: &mut dyn UnitOfWork,
        deployment: &Deployment,
        devices: &[DeviceId],
        now: Timestamp,
    ) -> PortResult<()> {
        let Self::Contents(files, rows) = self else { return Ok(()) };
        let sent: Vec<ShownContents> = devices
            .iter()
            .map(|device| {
                let before = rows.get(device).cloned();
                ShownContents::sent(before, *device, deployment.id, files.clone(), true, now).0
            })
            .collect();
        if sent.is_empty() {
            return Ok(());
        }
        work.save_shown_contents(&sent).await
    }
}

impl Engine {
    /// When contents that were downloaded whole count as shown if the device stays silent about them; `None`: it says that it shows
    /// others, or this is no such update.
    pub(super) fn settles_at(&self, update: &DeviceUpdate, wanted: Option<&ShownFiles>) -> Option<Timestamp> {
        let wanted = wanted.filter(|_| update.state == UpdateState::Downloaded)?;
        // What was said before a restart is forgotten: the device gets its time to say it again.
        let since = update.last_event_at.max(self.presence.start()).unwrap_or_else(|| self.now());
        let heard = update.last_event_at.unwrap_or(since);
        if update.kind() != UpdateKind::Advertisement || self.shown.shows_others(update.device, wanted, heard)
        {
            return None;
        }
        Some(since + Duration::from_secs(u64::from(self.config.contents_settle_s)))
    }

    /// Ends updates by the devices' results, and keeps what the devices show by them. Rows that moved meanwhile are left alone.
    pub(super) async fn settle(
        &self,
        deployment: &Deployment,
        updates: &[&DeviceUpdate],
    ) -> EngineResult<()> {
        let Some(files) = deployment.shown_set() else { return Ok(()) };
        for chunk in updates.chunks(WRITE_CHUNK) {
            let now = self.now();
            let mut work = self.ports.registry.begin("settle").await?;
            let ids: Vec<_> = chunk.iter().map(|u| (u.deployment, u.device)).collect();
            let devices: Vec<DeviceId> = chunk.iter().map(|u| u.device).collect();
            let mut saves = Vec::with_capacity(chunk.len());
            for mut update in work.device_updates_by_id(&ids).await? {
                let read = update.revision;
                let as_planned = chunk.iter().any(|u| u.device == update.device && u.revision == read);
                if as_planned && update.apply(&UpdateEvent::Settle, now) == Applied::Changed {
                    saves.push((update, read));
                }
            }
            if saves.is_empty() {
                continue;
            }
            let mut before: BTreeMap<DeviceId, ShownContents> =
                work.shown_contents(&devices).await?.into_iter().map(|row| (row.device, row)).collect();
            let (rows, changes): (Vec<_>, Vec<_>) = saves
                .iter()
                .map(|(update, _)| {
                    let known = before.remove(&update.device);
                    ShownContents::sent(known, update.device, deployment.id, files.clone(), false, now)
                })
                .unzip();
            let changes: Vec<_> = changes.into_iter().flatten().collect();
            work.save_device_updates(&saves).await?;
            work.save_shown_contents(&rows).await?;
            work.insert_content_changes(&changes).await?;
            work.commit().await?;
            add(&self.metrics.updates_succeeded_total, saves.len() as u64);
            let devices: Vec<DeviceId> = saves.iter().map(|(u, _)| u.device).collect();
            // Another update may have waited for these devices.
            self.ready.add(devices.iter().copied());
            self.feed.tell(Change::Deployment { id: deployment.id, devices: devices.as_slice().into() });
            self.feed.tell(Change::Devices { ids: devices.into() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use argosy_proto::ArtifactId;

    use super::*;

    fn set(ids: &[i64]) -> ShownFiles {
        ids.iter().copied().map(ArtifactId).collect()
    }

    #[test]
    fn what_was_said_is_known_until_something_else_is_said() {
        let cache = ShownCache::default();
        let device = DeviceId(1);
        assert!(!cache.says_again(device, &set(&[1]), Timestamp(10)), "nothing is known at first");
        cache.keep(device, set(&[1]), Timestamp(10));
        assert!(cache.says_again(device, &set(&[1]), Timestamp(20)));
        assert!(!cache.says_again(device, &set(&[1, 2]), Timestamp(30)));
        assert!(!cache.says_again(DeviceId(2), &set(&[1]), Timestamp(30)));
    }

    #[test]
    fn only_what_is_said_afterwards_speaks_against_the_results() {
        let cache = ShownCache::default();
        let device = DeviceId(1);
        cache.keep(device, set(&[1]), Timestamp(10));
        assert!(
            !cache.shows_others(device, &set(&[2]), Timestamp(11)),
            "it was said before the download ended"
        );
        cache.says_again(device, &set(&[1]), Timestamp(12));
        assert!(cache.shows_others(device, &set(&[2]), Timestamp(11)));
        assert!(!cache.shows_others(device, &set(&[1]), Timestamp(11)), "it shows what it should");
    }
}
