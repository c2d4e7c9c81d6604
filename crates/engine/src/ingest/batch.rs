//! One group commit of transitions: read what the messages touch, apply them in order in memory, write it in bulk, commit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use argosy_domain::Timestamp;
use argosy_domain::model::{DeviceTouch, DeviceUpdate, FirmwareChange, SeriesRow, ShownFiles, UpdateEvent};
use argosy_domain::ports::{DeviceBrief, Door, InboundMessage, PortErrorKind, PortResult, UnitOfWork};
use argosy_proto::message::{AckStatus, HelloAck, HelloLimits};
use argosy_proto::{
    CommandId, DeploymentId, DeviceId, DeviceKey, DeviceTime, DownMessage, UpMessage, UpdateCommandId,
    message,
};

use super::content::ShownBatch;
use super::rows;
use super::transitions::{Item, Work};
use crate::dispatch::DeploymentFacts;
use crate::metrics::add;
use crate::{Change, Engine};

/// What is to be done once the batch is durable.
#[derive(Default)]
pub(crate) struct AfterCommit {
    pub(super) touched: BTreeSet<DeviceId>,
    pub(super) changed: BTreeMap<DeploymentId, BTreeSet<DeviceId>>,
    pub(super) hello_acks: Vec<DeviceKey>,
    /// Devices for which something may be dispatched now: just connected, or just done with another update.
    pub(super) ready: Vec<DeviceId>,
    pub(super) slots_freed: bool,
    /// What devices said they show, where it differs from what was known.
    pub(super) said: BTreeMap<DeviceId, (ShownFiles, Timestamp)>,
    /// How long the batch kept others from writing.
    pub(super) held: Duration,
}

pub(super) type UpdateKey = (DeploymentId, DeviceId);

/// The batch in memory.
pub(super) struct Batch<'a> {
    pub(super) engine: &'a Engine,
    pub(super) ids: HashMap<DeviceKey, DeviceId>,
    pub(super) briefs: HashMap<DeviceId, DeviceBrief>,
    pub(super) updates_of: HashMap<DeviceId, Vec<UpdateKey>>,
    pub(super) updates: HashMap<UpdateKey, (DeviceUpdate, i64)>,
    pub(super) facts: HashMap<DeploymentId, Arc<DeploymentFacts>>,
    pub(super) touches: BTreeMap<DeviceId, DeviceTouch>,
    pub(super) history: Vec<FirmwareChange>,
    /// What the messages say as facts.
    pub(super) rows: Vec<SeriesRow>,
    pub(super) shown: ShownBatch,
    pub(super) after: AfterCommit,
}

impl Engine {
    pub(super) async fn commit_batch(&self, items: &[Item]) -> PortResult<AfterCommit> {
        let generation = self.briefs.generation();
        let mut work = self.ports.registry.begin("ingest").await?;
        let began = Instant::now();
        let mut batch = Batch::load(self, &mut *work, items).await?;
        for item in items {
            batch.apply(item);
        }
        let rows = std::mem::take(&mut batch.rows);
        let known: Vec<Arc<DeviceBrief>> = batch.briefs.values().cloned().map(Arc::new).collect();
        // Both at once. A group that is committed only in part comes again: facts are kept at least once, transitions are idempotent.
        let commit = async {
            let mut after = batch.write(&mut *work).await?;
            work.commit().await?;
            after.held = began.elapsed();
            Ok(after)
        };
        let (committed, stored) = tokio::join!(commit, self.fact_queue.durable(rows));
        let after = committed?;
        self.briefs.put(known, generation);
        match stored {
            Ok(()) => {}
            // The registry has what decides. Without space for facts devices are updated all the same.
            Err(error) if error.kind == PortErrorKind::Full => add(&self.metrics.facts_dropped_total, 1),
            Err(error) => return Err(error),
        }
        add(&self.metrics.ingest_commits_total, 1);
        Ok(after)
    }

    /// Tells everybody who waits for what was committed. Nothing here may fail the batch: what is lost is told again by state.
    pub(super) async fn after_commit(&self, after: AfterCommit) {
        for (device, (files, at)) in after.said {
            self.shown.keep(device, files, at);
        }
        for (id, devices) in after.changed {
            self.feed.tell(Change::Deployment { id, devices: devices.into_iter().collect() });
        }
        if !after.touched.is_empty() {
            self.feed.tell(Change::Devices { ids: after.touched.into_iter().collect() });
        }
        let wake = after.slots_freed || !after.ready.is_empty();
        self.ready.add(after.ready);
        if wake {
            self.wake();
        }
        for key in after.hello_acks {
            self.answer_hello(&key).await;
        }
    }

    async fn answer_hello(&self, key: &DeviceKey) {
        let Some(link) = self.link() else { return };
        let answer = DownMessage::HelloAck(HelloAck {
            time: DeviceTime::from_unix_ms(self.now().as_millis()),
            reconnect_jitter_s: Some(self.config.reconnect_jitter_s),
            limits: Some(HelloLimits {
                max_payload_bytes: u32::try_from(message::limits::UP_PAYLOAD).ok(),
                max_messages_per_minute: None,
            }),
        });
        let Ok(payload) = answer.encode() else { return };
        if let Err(error) = link.publish(key, answer.topic().topic(key), payload.into(), 60).await {
            tracing::debug!(device = %key, %error, "hello of {key} was not answered");
        }
    }
}

pub(super) fn update_command(id: &CommandId) -> Option<UpdateCommandId> {
    id.update()
}

impl<'a> Batch<'a> {
    async fn load(engine: &'a Engine, work: &mut dyn UnitOfWork, items: &[Item]) -> PortResult<Self> {
        let keys: BTreeSet<DeviceKey> = items.iter().map(|i| i.key().clone()).collect();
        let keys: Vec<DeviceKey> = keys.into_iter().collect();
        let (mut ids, mut briefs) = (HashMap::new(), HashMap::new());
        for brief in work.device_briefs(&keys).await? {
            ids.insert(brief.key.clone(), brief.id);
            briefs.insert(brief.id, brief);
        }
        let (mut wanted, mut greeters) = (BTreeSet::new(), BTreeSet::new());
        let mut shown = ShownBatch::default();
        for item in items {
            let Work::Message(_, message) = &item.work else { continue };
            if let Some(command) = message.command_id().and_then(update_command) {
                wanted.insert((command.deployment, command.device));
            }
            if let (UpMessage::Hello(_), Some(id)) = (message.as_ref(), ids.get(item.key())) {
                greeters.insert(*id);
            }
            if let (UpMessage::StatusSystem(status), Some(id)) = (message.as_ref(), ids.get(item.key()))
                && shown.hears(engine, *id, status, item.at)
            {
                greeters.insert(*id);
            }
        }
        shown.load(work).await?;
        let wanted: Vec<UpdateKey> = wanted.into_iter().collect();
        let greeters: Vec<DeviceId> = greeters.into_iter().collect();
        let mut rows =
            if wanted.is_empty() { Vec::new() } else { work.device_updates_by_id(&wanted).await? };
        if !greeters.is_empty() {
            rows.extend(work.open_updates_of(&greeters).await?);
        }
        let updates: HashMap<UpdateKey, (DeviceUpdate, i64)> =
            rows.into_iter().map(|u| ((u.deployment, u.device), (u.clone(), u.revision))).collect();
        let mut updates_of: HashMap<DeviceId, Vec<UpdateKey>> = HashMap::new();
        for id in updates.keys() {
            updates_of.entry(id.1).or_default().push(*id);
        }
        let mut facts = HashMap::new();
        for deployment in updates.keys().map(|k| k.0).collect::<BTreeSet<_>>() {
            if let Some(found) = engine.facts.of(work, deployment).await? {
                facts.insert(deployment, found);
            }
        }
        Ok(Self {
            engine,
            ids,
            briefs,
            updates_of,
            updates,
            facts,
            touches: BTreeMap::new(),
            history: Vec::new(),
            rows: Vec::new(),
            shown,
            after: AfterCommit::default(),
        })
    }

    fn apply(&mut self, item: &Item) {
        let at = item.at;
        let Some(device) = self.ids.get(item.key()).copied() else {
            if let Work::Message(raw, _) = &item.work {
                self.dead_letter(raw, "the device is not registered".to_owned(), at);
            }
            return;
        };
        match &item.work {
            Work::Connected(_) => {
                self.presence(device, true, at);
                self.after.ready.push(device);
            }
            Work::Disconnected(_) => self.presence(device, false, at),
            Work::Message(raw, decoded) => self.message(device, raw, decoded, at),
        }
    }

    fn presence(&mut self, device: DeviceId, online: bool, at: Timestamp) {
        self.after.touched.insert(device);
        self.engine.heard.online(device, online, at);
        if !self.engine.fact_queue.offer(rows::presence(device, online, at)) {
            add(&self.engine.metrics.facts_dropped_total, 1);
        }
    }

    pub(super) fn touch(&mut self, device: DeviceId, at: Timestamp) -> &mut DeviceTouch {
        self.after.touched.insert(device);
        let touch = self.touches.entry(device).or_insert_with(|| DeviceTouch::seen(device, at));
        touch.seen_at = touch.seen_at.max(at);
        touch
    }

    fn message(&mut self, device: DeviceId, raw: &InboundMessage, message: &UpMessage, at: Timestamp) {
        match message {
            UpMessage::UpdateAck(ack) => {
                let event = match ack.status {
                    AckStatus::Acknowledged => UpdateEvent::Acknowledged,
                    AckStatus::Rejected => UpdateEvent::Rejected { message: ack.message.clone() },
                };
                self.on_command(device, raw, message, &ack.command_id, |_, _| Some(event), at);
            }
            UpMessage::Progress(progress) => {
                self.on_progress(device, raw, message, progress, at);
            }
            UpMessage::Result(result) => {
                self.on_result(device, raw, message, result, at);
            }
            UpMessage::StatusSystem(status) => self.on_status(device, status, at),
            UpMessage::Hello(hello) => self.on_hello(device, raw, hello, at),
            UpMessage::Regist(_) => {
                self.dead_letter(raw, "the registration could not be judged".to_owned(), at);
            }
            UpMessage::CertRequest(_) if raw.door == Door::Plain => {
                self.dead_letter(raw, "certificates are not given over the plain listener".to_owned(), at);
            }
            UpMessage::CertRequest(_) => {
                self.dead_letter(
                    raw,
                    "the request for a certificate is not understood, or came without one".to_owned(),
                    at,
                );
            }
            // Facts take the other lane.
            UpMessage::Test(_)
            | UpMessage::CancelAck(_)
            | UpMessage::StatusErrorLog(_)
            | UpMessage::SalesData(_)
            | UpMessage::CommandResponse(_)
            | UpMessage::Data { .. } => {}
        }
    }

    pub(super) fn brief_of(&self, device: DeviceId) -> Option<&DeviceBrief> {
        self.briefs.get(&device)
    }

    pub(super) fn set_brief(&mut self, device: DeviceId, change: impl FnOnce(&mut DeviceBrief)) {
        if let Some(brief) = self.briefs.get_mut(&device) {
            change(brief);
        }
    }

    pub(super) fn dead_letter(&mut self, raw: &InboundMessage, reason: String, at: Timestamp) {
        let device = self.ids.get(&raw.key).copied().unwrap_or(DeviceId(0));
        self.rows.push(self.engine.dead_letter(device, raw, reason, at));
    }

    async fn write(self, work: &mut dyn UnitOfWork) -> PortResult<AfterCommit> {
        let saves: Vec<(DeviceUpdate, i64)> =
            self.updates.into_values().filter(|(u, read)| u.revision != *read).collect();
        if !saves.is_empty() {
            work.save_device_updates(&saves).await?;
        }
        if !self.touches.is_empty() {
            let touches: Vec<DeviceTouch> = self.touches.into_values().collect();
            work.touch_devices(&touches).await?;
        }
        if !self.history.is_empty() {
            work.insert_firmware_changes(&self.history).await?;
        }
        let mut after = self.after;
        after.said = self.shown.write(self.engine, work).await?;
        Ok(after)
    }
}

pub(super) fn confirms_boot(brief: &DeviceBrief) -> bool {
    brief.capabilities.iter().any(|c| c == message::capability::BOOT_CONFIRM)
}
