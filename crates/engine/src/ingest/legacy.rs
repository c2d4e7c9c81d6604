//! The inbox of an earlier version, which had no series store: at the first start after the upgrade its rows become facts. Killed in
//! between, the next start goes on; a row may then be there twice, and none is lost.

use argosy_domain::model::{Event, Fact, InboxKind, InboxRow, SeriesRow};
use argosy_domain::ports::{Door, InboundMessage, PortResult};
use argosy_proto::{DeviceId, DeviceKey};
use std::collections::{BTreeSet, HashMap};

use super::{rows, sort};
use crate::Engine;

/// Rows moved at a time.
const CHUNK: u32 = 1_000;

impl Engine {
    /// Moves the old inbox into the series store, and removes it. Before anything else writes facts.
    pub(crate) async fn drain_old_inbox(&self) -> PortResult<()> {
        let mut moved = 0_usize;
        loop {
            let mut read = self.ports.registry.read().await?;
            let old = read.old_inbox(CHUNK).await?;
            let Some(last) = old.last().map(|row| row.id) else { break };
            let keys: BTreeSet<DeviceKey> = old.iter().map(|row| row.key.clone()).collect();
            let keys: Vec<DeviceKey> = keys.into_iter().collect();
            let briefs = read.device_briefs(&keys).await?;
            drop(read);
            let ids: HashMap<DeviceKey, DeviceId> = briefs.into_iter().map(|b| (b.key, b.id)).collect();
            moved += old.len();
            let facts = old.into_iter().map(|row| {
                let device = ids.get(&row.key).copied().unwrap_or(DeviceId(0));
                fact(device, row)
            });
            self.ports.series.append(facts.collect()).await?;
            let mut work = self.ports.registry.begin("drain inbox").await?;
            work.drained_old_inbox(last).await?;
            work.commit().await?;
        }
        let mut work = self.ports.registry.begin("drop inbox").await?;
        let dropped = work.drop_old_inbox().await?;
        work.commit().await?;
        if dropped && moved > 0 {
            tracing::info!(
                rows = moved,
                "moved {moved} messages of the earlier version's inbox into the series store"
            );
        }
        Ok(())
    }
}

fn fact(device: DeviceId, row: InboxRow) -> SeriesRow {
    let at = row.received_at;
    let message = InboundMessage {
        key: row.key,
        topic: row.topic,
        payload: row.payload.into(),
        qos: 1,
        door: Door::Mtls,
        certificate: None,
    };
    let reason = match row.kind {
        InboxKind::DeadLetter => row.reason.unwrap_or_default(),
        InboxKind::Message if device == DeviceId(0) => "the device is not registered".to_owned(),
        InboxKind::Message => match sort::decode(&message) {
            Ok(decoded) => match rows::fact_of(device, decoded, at) {
                Some(fact) => return fact,
                None => "it was kept by an earlier version".to_owned(),
            },
            Err(reason) => reason,
        },
    };
    let event = Event::DeadLetter {
        key: message.key,
        topic: message.topic,
        reason,
        payload: message.payload.to_vec(),
    };
    SeriesRow { device, at, device_time: None, fact: Fact::Event(event) }
}
