//! One group commit: read what the messages touch, apply them in order in memory, write it in bulk, commit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use argosy_domain::Timestamp;
use argosy_domain::model::{
    Applied, DeviceTouch, DeviceUpdate, FirmwareChange, FirmwareChangeKind, InboxKind, InboxRow, UpdateEvent,
    UpdateState,
};
use argosy_domain::ports::{DeviceBrief, Door, InboundMessage, PortResult, UnitOfWork};
use argosy_proto::message::{AckStatus, Hello, HelloAck, HelloLimits, ResultStatus, StatusSystem};
use argosy_proto::{
    CommandId, DeploymentId, DeviceId, DeviceKey, DeviceTime, DownMessage, HistoryId, InboxId, Sha256Hash,
    UpMessage, UpdateCommandId, UpdateKind, decode_up, message, parse_up,
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
    touched: BTreeSet<DeviceId>,
    changed: BTreeMap<DeploymentId, BTreeSet<DeviceId>>,
    hello_acks: Vec<DeviceKey>,
    /// Devices for which something may be dispatched now: just connected, or just done with another update.
    ready: Vec<DeviceId>,
    slots_freed: bool,
}

type UpdateKey = (DeploymentId, DeviceId);

/// The batch in memory.
struct Batch<'a> {
    engine: &'a Engine,
    ids: HashMap<DeviceKey, DeviceId>,
    briefs: HashMap<DeviceId, DeviceBrief>,
    updates_of: HashMap<DeviceId, Vec<UpdateKey>>,
    updates: HashMap<UpdateKey, (DeviceUpdate, i64)>,
    facts: HashMap<DeploymentId, Arc<DeploymentFacts>>,
    touches: BTreeMap<DeviceId, DeviceTouch>,
    history: Vec<FirmwareChange>,
    inbox: Vec<InboxRow>,
    after: AfterCommit,
}

impl Engine {
    pub(super) async fn commit_batch(&self, items: &[Item]) -> PortResult<AfterCommit> {
        let decoded: Vec<Decoded<'_>> = items.iter().map(decode).collect();
        let mut work = self.ports.registry.begin("ingest").await?;
        let mut batch = Batch::load(self, &mut *work, &decoded).await?;
        for item in &decoded {
            batch.apply(item);
        }
        let after = batch.write(&mut *work).await?;
        work.commit().await?;
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

fn firmware_command(id: &CommandId) -> Option<UpdateCommandId> {
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

    fn touch(&mut self, device: DeviceId, at: Timestamp) -> &mut DeviceTouch {
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

    /// Finds the update that a command names and moves it.
    fn on_command(
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
    fn move_update(&mut self, id: UpdateKey, event: &UpdateEvent, at: Timestamp) {
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
    fn now_runs(&mut self, device: DeviceId, deployment: DeploymentId, at: Timestamp) {
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

    fn on_status(&mut self, device: DeviceId, raw: &InboundMessage, status: &StatusSystem, at: Timestamp) {
        let text = String::from_utf8_lossy(&raw.payload).into_owned();
        let version = status.firmware_version.as_ref().map(|v| v.as_str().to_owned());
        self.touch(device, at).status = Some(text);
        self.reported(device, version, None, at);
    }

    fn on_hello(&mut self, device: DeviceId, raw: &InboundMessage, hello: &Hello, at: Timestamp) {
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
            let Some(deployed) = self.facts.get(&id.0).map(|f| f.hash) else { continue };
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
                (true, true) if image_hash == deployed => UpdateEvent::AlreadyRuns,
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

    /// What a device says it runs. A change that no deployment explains goes into its history as reported.
    fn reported(
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
        let explained =
            image.is_none() && self.engine.facts.version_of(brief.image_hash) == version && version.is_some();
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

    fn brief_of(&self, device: DeviceId) -> Option<&DeviceBrief> {
        self.briefs.get(&device)
    }

    fn set_brief(&mut self, device: DeviceId, change: impl FnOnce(&mut DeviceBrief)) {
        if let Some(brief) = self.briefs.get_mut(&device) {
            change(brief);
        }
    }

    fn keep(&mut self, raw: &InboundMessage, at: Timestamp) {
        self.inbox.push(inbox_row(raw, InboxKind::Message, None, raw.payload.to_vec(), at));
    }

    fn dead_letter(&mut self, raw: &InboundMessage, reason: String, at: Timestamp) {
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

fn confirms_boot(brief: &DeviceBrief) -> bool {
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
