//! One group commit: read what the messages touch, apply them in order in memory, write it in bulk, commit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use argosy_domain::Timestamp;
use argosy_domain::model::{DeviceTouch, DeviceUpdate, FirmwareChange, InboxKind, InboxRow, UpdateEvent};
use argosy_domain::ports::{DeviceBrief, Door, InboundMessage, PortResult, UnitOfWork};
use argosy_proto::message::{AckStatus, HelloAck, HelloLimits, ResultStatus};
use argosy_proto::{
    CommandId, DeploymentId, DeviceId, DeviceKey, DeviceTime, DownMessage, InboxId, UpMessage,
    UpdateCommandId, UpdateKind, decode_up, message, parse_up,
};

use super::{Item, Work};
use crate::dispatch::DeploymentFacts;
use crate::metrics::add;
use crate::{Change, Engine};

/// The longest topic kept with an inbox row, in characters.
const MAX_TOPIC: usize = 256;

/// What is to be done once the batch is durable.
#[derive(Default)]
pub(crate) struct AfterCommit {
    pub(super) touched: BTreeSet<DeviceId>,
    pub(super) changed: BTreeMap<DeploymentId, BTreeSet<DeviceId>>,
    pub(super) hello_acks: Vec<DeviceKey>,
    /// Devices for which something may be dispatched now: just connected, or just done with another update.
    pub(super) ready: Vec<DeviceId>,
    pub(super) slots_freed: bool,
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
    pub(super) inbox: Vec<InboxRow>,
    pub(super) after: AfterCommit,
}

impl Engine {
    pub(super) async fn commit_batch(&self, items: &[Item]) -> PortResult<AfterCommit> {
        let decoded: Vec<Decoded<'_>> = items.iter().map(decode).collect();
        let mut work = self.ports.registry.begin("ingest").await?;
        let began = Instant::now();
        let mut batch = Batch::load(self, &mut *work, &decoded).await?;
        for item in &decoded {
            batch.apply(item);
        }
        let mut after = batch.write(&mut *work).await?;
        work.commit().await?;
        after.held = began.elapsed();
        add(&self.metrics.ingest_commits_total, 1);
        Ok(after)
    }

    /// Tells everybody who waits for what was committed. Nothing here may fail the batch: what is lost is told again by state.
    pub(super) async fn after_commit(&self, after: AfterCommit) {
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

/// An item, decoded once.
struct Decoded<'a> {
    at: Timestamp,
    key: &'a DeviceKey,
    what: What<'a>,
}

enum What<'a> {
    Connected,
    Disconnected,
    Good(&'a InboundMessage, Box<UpMessage>),
    Bad(&'a InboundMessage, String),
}

fn decode(item: &Item) -> Decoded<'_> {
    let at = item.at;
    match &item.work {
        Work::Connected(key) => Decoded { at, key, what: What::Connected },
        Work::Disconnected(key) => Decoded { at, key, what: What::Disconnected },
        Work::Message(message) => {
            let what = match parse_up(&message.topic) {
                Err(error) => What::Bad(message, error.to_string()),
                Ok((key, _)) if key != message.key => {
                    What::Bad(message, "the topic is another device's".to_owned())
                }
                Ok((_, topic)) => match decode_up(&topic, &message.payload) {
                    Ok(decoded) => What::Good(message, Box::new(decoded)),
                    Err(error) => What::Bad(message, error.to_string()),
                },
            };
            Decoded { at, key: &message.key, what }
        }
    }
}

pub(super) fn firmware_command(id: &CommandId) -> Option<UpdateCommandId> {
    id.update().filter(|u| u.kind == UpdateKind::Firmware)
}

impl<'a> Batch<'a> {
    async fn load(engine: &'a Engine, work: &mut dyn UnitOfWork, items: &[Decoded<'_>]) -> PortResult<Self> {
        let keys: BTreeSet<DeviceKey> = items.iter().map(|i| i.key.clone()).collect();
        let keys: Vec<DeviceKey> = keys.into_iter().collect();
        let (mut ids, mut briefs) = (HashMap::new(), HashMap::new());
        for brief in work.device_briefs(&keys).await? {
            ids.insert(brief.key.clone(), brief.id);
            briefs.insert(brief.id, brief);
        }
        let (mut wanted, mut greeters) = (BTreeSet::new(), BTreeSet::new());
        for item in items {
            let What::Good(_, message) = &item.what else { continue };
            if let Some(command) = message.command_id().and_then(firmware_command) {
                wanted.insert((command.deployment, command.device));
            }
            if let (UpMessage::Hello(_), Some(id)) = (message.as_ref(), ids.get(item.key)) {
                greeters.insert(*id);
            }
        }
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
            inbox: Vec::new(),
            after: AfterCommit::default(),
        })
    }

    fn apply(&mut self, item: &Decoded<'_>) {
        let Some(device) = self.ids.get(item.key).copied() else {
            if let What::Good(message, _) | What::Bad(message, _) = &item.what {
                self.dead_letter(message, "the device is not registered".to_owned(), item.at);
            }
            return;
        };
        let at = item.at;
        self.touch(device, at);
        match &item.what {
            What::Connected => {
                self.touch(device, at).online = Some(true);
                self.after.ready.push(device);
            }
            What::Disconnected => self.touch(device, at).online = Some(false),
            What::Bad(message, reason) => self.dead_letter(message, reason.clone(), at),
            What::Good(message, decoded) => self.message(device, message, decoded, at),
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
                self.on_command(device, raw, &ack.command_id, |_, _| event, at);
            }
            UpMessage::Progress(progress) => {
                let percent = progress.progress.min(100);
                let bytes = progress.downloaded_bytes.and_then(|b| i64::try_from(b).ok());
                self.on_command(
                    device,
                    raw,
                    &progress.command_id,
                    |update, _| UpdateEvent::Progress {
                        percent,
                        downloaded_bytes: bytes.unwrap_or(update.total_bytes / 100 * i64::from(percent)),
                    },
                    at,
                );
            }
            UpMessage::Result(result) => {
                let why = result.message.clone();
                let status = result.status;
                let event = move |_: &DeviceUpdate, brief: &DeviceBrief| match status {
                    ResultStatus::Success => UpdateEvent::Downloaded { confirms_boot: confirms_boot(brief) },
                    ResultStatus::Installed => UpdateEvent::Installed,
                    ResultStatus::RolledBack => UpdateEvent::RolledBack { message: why },
                    ResultStatus::Error | ResultStatus::Failed => UpdateEvent::Failed { message: why },
                    ResultStatus::Timeout => UpdateEvent::TimedOut { message: why },
                };
                self.on_command(device, raw, &result.command_id, event, at);
            }
            UpMessage::StatusSystem(status) => self.on_status(device, raw, status, at),
            UpMessage::Hello(hello) => self.on_hello(device, raw, hello, at),
            UpMessage::Regist(_) => {
                self.dead_letter_without_payload(
                    raw,
                    "registration by code is not enabled on this server".to_owned(),
                    at,
                );
            }
            UpMessage::CertRequest(_) if raw.door == Door::Plain => {
                self.dead_letter_without_payload(
                    raw,
                    "certificates are not given over the plain listener".to_owned(),
                    at,
                );
            }
            UpMessage::CertRequest(_) => {
                self.dead_letter_without_payload(
                    raw,
                    "renewal over MQTT is not enabled on this server".to_owned(),
                    at,
                );
            }
            UpMessage::Test(test) => {
                tracing::info!(device = %raw.key, text = test.message, "test message of {}", raw.key);
                self.keep(raw, at);
            }
            UpMessage::CommandResponse(_) if raw.door == Door::Plain => {
                self.dead_letter(raw, "commands are not spoken over the plain listener".to_owned(), at);
            }
            UpMessage::CancelAck(_)
            | UpMessage::StatusErrorLog(_)
            | UpMessage::SalesData(_)
            | UpMessage::CommandResponse(_)
            | UpMessage::Data { .. } => self.keep(raw, at),
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

    fn keep(&mut self, raw: &InboundMessage, at: Timestamp) {
        self.inbox.push(inbox_row(raw, InboxKind::Message, None, raw.payload.to_vec(), at));
    }

    pub(super) fn dead_letter(&mut self, raw: &InboundMessage, reason: String, at: Timestamp) {
        let bytes = raw.payload.len().min(self.engine.config.ingest.dead_letter_bytes);
        self.push_dead_letter(raw, reason, raw.payload.slice(..bytes).to_vec(), at);
    }

    /// For payloads that hold a code or a certificate request.
    fn dead_letter_without_payload(&mut self, raw: &InboundMessage, reason: String, at: Timestamp) {
        self.push_dead_letter(raw, reason, Vec::new(), at);
    }

    fn push_dead_letter(&mut self, raw: &InboundMessage, reason: String, payload: Vec<u8>, at: Timestamp) {
        add(&self.engine.metrics.dead_letters_total, 1);
        if self.engine.facts.may_log(&raw.key, at) {
            let topic: String = raw.topic.chars().take(MAX_TOPIC).collect();
            tracing::warn!(device = %raw.key, topic, reason, "device {} sent a message that is not understood: {reason}", raw.key);
        }
        self.inbox.push(inbox_row(raw, InboxKind::DeadLetter, Some(reason), payload, at));
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
        if !self.inbox.is_empty() {
            work.insert_inbox(&self.inbox).await?;
        }
        Ok(self.after)
    }
}

pub(super) fn confirms_boot(brief: &DeviceBrief) -> bool {
    brief.capabilities.iter().any(|c| c == message::capability::BOOT_CONFIRM)
}

fn inbox_row(
    raw: &InboundMessage,
    kind: InboxKind,
    reason: Option<String>,
    payload: Vec<u8>,
    at: Timestamp,
) -> InboxRow {
    InboxRow {
        id: InboxId(0),
        key: raw.key.clone(),
        topic: raw.topic.chars().take(MAX_TOPIC).collect(),
        kind,
        reason,
        payload,
        received_at: at,
    }
}
