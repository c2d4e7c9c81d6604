//! When devices were last heard and whether they are connected, on its way to the registry: in memory first, written in bulk every
//! few seconds and at the stop. What is lost in a crash is a few seconds of `last_seen_at`; who is connected is asked anew at every
//! start anyway.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::model::{Device, DeviceTouch};
use argosy_domain::ports::PortResult;
use argosy_proto::DeviceId;
use parking_lot::Mutex;

use crate::{Engine, Shutdown};

/// How often it is looked whether somebody came or went.
const LOOK: Duration = Duration::from_millis(250);
/// After so many looks what was heard is written even if nobody came or went.
const LOOKS: u32 = 20;
/// Rows of one transaction: few, so that nobody waits long for the database.
const CHUNK: usize = 500;
/// Parts of the map, so that connections do not wait for each other.
const PARTS: usize = 16;

/// What is not in the registry yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    seen_at: Timestamp,
    online: Option<(bool, Timestamp)>,
}

/// The memory. Bounded by the number of devices.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    parts: [Mutex<Part>; PARTS],
}

#[derive(Debug, Default)]
struct Part {
    waiting: HashMap<DeviceId, Word>,
    /// Being written.
    leaving: HashMap<DeviceId, Word>,
}

impl Heard {
    fn part(&self, device: DeviceId) -> &Mutex<Part> {
        &self.parts[usize::try_from(device.0.rem_euclid(PARTS as i64)).unwrap_or(0)]
    }

    /// A device was heard.
    pub(crate) fn seen(&self, device: DeviceId, at: Timestamp) {
        let mut part = self.part(device).lock();
        let word = part.waiting.entry(device).or_insert(Word { seen_at: at, online: None });
        word.seen_at = word.seen_at.max(at);
    }

    /// A device came or went.
    pub(crate) fn online(&self, device: DeviceId, online: bool, at: Timestamp) {
        let mut part = self.part(device).lock();
        let word = part.waiting.entry(device).or_insert(Word { seen_at: at, online: None });
        word.seen_at = word.seen_at.max(at);
        word.online = Some((online, at));
    }

    fn somebody_moved(&self) -> bool {
        self.parts.iter().any(|part| part.lock().waiting.values().any(|word| word.online.is_some()))
    }

    /// Puts what the registry does not have yet over what it has.
    pub(crate) fn overlay(&self, device: &mut Device) {
        let part = self.part(device.id).lock();
        for word in [part.leaving.get(&device.id), part.waiting.get(&device.id)].into_iter().flatten() {
            device.last_seen_at = device.last_seen_at.max(Some(word.seen_at));
            if let Some((online, at)) = word.online {
                if device.online != online {
                    device.online_changed_at = Some(at);
                }
                device.online = online;
            }
        }
    }

    /// Takes everything; it stays visible to [`Heard::overlay`] until [`Heard::written`].
    fn take(&self) -> Vec<(DeviceId, Word)> {
        let mut all = Vec::new();
        for part in &self.parts {
            let mut part = part.lock();
            part.leaving = std::mem::take(&mut part.waiting);
            all.extend(part.leaving.iter().map(|(id, word)| (*id, *word)));
        }
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    fn written(&self) {
        for part in &self.parts {
            part.lock().leaving = HashMap::new();
        }
    }

    /// Takes back what could not be written.
    fn keep(&self) {
        for part in &self.parts {
            let mut part = part.lock();
            for (device, old) in std::mem::take(&mut part.leaving) {
                let word = part.waiting.entry(device).or_insert(old);
                word.seen_at = word.seen_at.max(old.seen_at);
                word.online = word.online.or(old.online);
            }
        }
    }
}

/// The task.
pub(crate) async fn run(engine: Arc<Engine>, shutdown: Shutdown) {
    let mut looks = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = shutdown.soft() => return,
        }
        looks += 1;
        if looks < LOOKS && !engine.heard.somebody_moved() {
            continue;
        }
        looks = 0;
        if let Err(error) = engine.write_heard().await {
            tracing::warn!(error = %crate::dispatch::chain(&error), "who is connected and was heard could not be written; it is tried again");
        }
    }
}

impl Engine {
    /// Writes what was heard to the registry. One at a time; the ingest task does the last one.
    pub(crate) async fn write_heard(&self) -> PortResult<()> {
        let _one = self.writing_heard.lock().await;
        let words = self.heard.take();
        let result = self.write_words(&words).await;
        match result {
            Ok(()) => self.heard.written(),
            Err(_) => self.heard.keep(),
        }
        result
    }

    async fn write_words(&self, words: &[(DeviceId, Word)]) -> PortResult<()> {
        for chunk in words.chunks(CHUNK) {
            let touches: Vec<DeviceTouch> = chunk
                .iter()
                .map(|(device, word)| DeviceTouch {
                    online: word.online.map(|(online, _)| online),
                    online_at: word.online.map(|(_, at)| at),
                    ..DeviceTouch::seen(*device, word.seen_at)
                })
                .collect();
            let mut work = self.ports.registry.begin("heard").await?;
            work.touch_devices(&touches).await?;
            work.commit().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: DeviceId = DeviceId(1);

    #[test]
    fn what_could_not_be_written_comes_again_under_what_is_newer() {
        let heard = Heard::default();
        heard.online(ONE, true, Timestamp(5));
        assert!(heard.somebody_moved());
        assert_eq!(heard.take().len(), 1);
        assert!(!heard.somebody_moved());
        heard.seen(ONE, Timestamp(9));
        heard.keep();
        assert_eq!(heard.take(), [(ONE, Word { seen_at: Timestamp(9), online: Some((true, Timestamp(5))) })]);
        heard.written();
        assert_eq!(heard.take(), []);
    }
}
