//! A server without its doors, and a fleet that speaks the device protocol to it.

use std::sync::Arc;
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::model::{
    DeploymentPolicy, Device, DeviceFilter, DeviceUpdate, Event, Fact, FirmwareState, ImageFacts,
    ImageFormat, NewFirmware, NewProduct, UpdateState,
};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{
    ConnectionNumber, DeviceEvents, Door, InboundMessage, PortResult, Registry, UnitOfWork, UpdateFilter,
};
use argosy_domain::testing::{
    FakeAuthority, FakeBlobStore, FakeClock, FakeContentMaker, FakeJournal, FakeLink, FakeRegistry,
    FakeSeries, SeededEntropy,
};
use argosy_engine::{
    Actor, DeploymentChoice, DeploymentRequest, DeploymentSummary, DeviceRequest, DownloadLinks, Engine,
    EngineConfig, FirmwareChoice, Ports, Supervisor,
};
use argosy_proto::message::{
    AckStatus, BootInfo, Hello, Progress, ResultStatus, UpdateAck, UpdateFirmware, UpdateResult, capability,
};
use argosy_proto::{
    DeploymentId, DeviceId, DeviceKey, DownMessage, FirmwareId, FirmwareVersion, ProductId, Sha256Hash,
    UpMessage, decode_down, parse_down,
};

pub(crate) const START: Timestamp = Timestamp(1_800_000_000_000);

/// Addresses that say for whom they are.
struct PlainLinks;

impl DownloadLinks for PlainLinks {
    fn for_device(
        &self,
        _: Door,
        hash: &Sha256Hash,
        file_name: &str,
        key: &DeviceKey,
        deployment: DeploymentId,
        _: Timestamp,
    ) -> Option<String> {
        Some(format!("https://argosy.test/d/{hash}/{file_name}?for={key}&deployment={deployment}"))
    }
}

pub(crate) struct Fleet {
    pub(crate) engine: Arc<Engine>,
    pub(crate) registry: Arc<FakeRegistry>,
    pub(crate) series: Arc<FakeSeries>,
    pub(crate) link: Arc<FakeLink>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) authority: Arc<FakeAuthority>,
    pub(crate) journal: FakeJournal,
    pub(crate) product: ProductId,
    supervisor: Supervisor,
    pub(crate) actor: Actor,
}

pub(crate) fn key(n: usize) -> DeviceKey {
    DeviceKey::new(format!("{n}")).expect("a key")
}

pub(crate) fn hash(n: u8) -> Sha256Hash {
    Sha256Hash([n; 32])
}

impl Fleet {
    /// A started server with one product and `devices` devices, keys `1`…, all offline.
    pub(crate) async fn of(devices: usize) -> Self {
        let registry = Arc::new(FakeRegistry::default());
        let clock = Arc::new(FakeClock::at(START));
        let series = Arc::new(FakeSeries::default());
        let identity = (Arc::new(FakeAuthority::default()), FakeJournal::default());
        let mut fleet = Self::start_on(registry, series, clock, identity, ProductId(0)).await;
        let spec = NewProduct {
            name: "kiosk".into(),
            chip: "esp32s3".into(),
            image_format: ImageFormat::Raw,
            slot_size: 1 << 20,
            display: None,
        };
        fleet.product = fleet.engine.create_product(&fleet.actor, spec).await.expect("a product").id;
        for chunk in (1..=devices).collect::<Vec<_>>().chunks(500) {
            let requests = chunk
                .iter()
                .map(|n| DeviceRequest {
                    key: key(*n),
                    name: None,
                    csr: None,
                    attributes: Default::default(),
                    unregistered: false,
                })
                .collect();
            fleet
                .engine
                .enroll_devices(&fleet.actor, fleet.product, None, None, requests)
                .await
                .expect("devices");
        }
        fleet
    }

    async fn start_on(
        registry: Arc<FakeRegistry>,
        series: Arc<FakeSeries>,
        clock: Arc<FakeClock>,
        (authority, journal): (Arc<FakeAuthority>, FakeJournal),
        product: ProductId,
    ) -> Self {
        let link = Arc::new(FakeLink::default());
        let ports = Ports {
            registry: registry.clone(),
            series: series.clone(),
            blobs: Arc::new(FakeBlobStore::default()),
            authority: authority.clone(),
            journal: Arc::new(journal.clone()),
            media: Arc::new(FakeContentMaker),
            links: Arc::new(PlainLinks),
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(7)),
        };
        let engine = Engine::new(EngineConfig::default(), ports);
        engine.attach_link(link.clone());
        let supervisor = Supervisor::new();
        engine.start(&supervisor).await.expect("a start");
        Self {
            engine,
            registry,
            series,
            link,
            clock,
            authority,
            journal,
            product,
            supervisor,
            actor: Actor::system(),
        }
    }

    /// Dead letters, oldest first: from whom, on which topic, why, and what was kept of them.
    pub(crate) fn dead_letters(&self) -> Vec<(DeviceKey, String, String, Vec<u8>)> {
        let events = self.events().into_iter().filter_map(|event| match event {
            Event::DeadLetter { key, topic, reason, payload } => Some((key, topic, reason, payload)),
            _ => None,
        });
        events.collect()
    }

    /// Everything that was kept as an event, oldest first.
    pub(crate) fn events(&self) -> Vec<Event> {
        let rows = self.series.all().into_iter().filter_map(|row| match row.fact {
            Fact::Event(event) => Some(event),
            _ => None,
        });
        rows.collect()
    }

    /// The server dies without a word and starts again on what is durable.
    pub(crate) async fn crash(self) -> Self {
        self.supervisor.stop();
        self.supervisor.finish(Duration::ZERO).await;
        let identity = (self.authority, self.journal);
        Self::start_on(self.registry, self.series, self.clock, identity, self.product).await
    }

    /// A released firmware.
    pub(crate) async fn firmware(&self, version: &str, hash: Sha256Hash) -> FirmwareId {
        let mut work = self.work().await;
        let artifact = work.insert_artifact(&hash, 1000, START).await.expect("an artifact");
        let facts = ImageFacts {
            format: ImageFormat::Raw,
            chip: None,
            project: None,
            app_version: None,
            idf_version: None,
            segments: None,
        };
        let new = NewFirmware {
            product: self.product,
            version: version.into(),
            file_name: "app.bin".into(),
            artifact,
            release_notes: String::new(),
            facts,
            state: FirmwareState::Released,
        };
        let id = work.insert_firmware(&new, START).await.expect("a firmware");
        work.commit().await.expect("a commit");
        id
    }

    pub(crate) async fn work(&self) -> Box<dyn UnitOfWork> {
        self.registry.begin("test").await.expect("a unit of work")
    }

    pub(crate) fn policy() -> DeploymentPolicy {
        DeploymentPolicy { max_in_flight: 100_000, rate_per_s: 100_000, ..DeploymentPolicy::default() }
    }

    pub(crate) async fn deploy(&self, firmware: FirmwareId, policy: DeploymentPolicy) -> DeploymentId {
        let request = DeploymentRequest {
            name: None,
            payload: DeploymentChoice::Firmware(FirmwareChoice::Id(firmware)),
            target: DeviceFilter::default(),
            policy,
        };
        self.engine.create_deployment(&self.actor, request).await.expect("a deployment").id
    }

    pub(crate) async fn summary(&self, id: DeploymentId) -> DeploymentSummary {
        self.engine.deployment_summary(id).await.expect("a summary")
    }

    pub(crate) async fn updates(&self, id: DeploymentId) -> Vec<DeviceUpdate> {
        let mut read = self.registry.read().await.expect("a session");
        read.device_updates(id, &UpdateFilter::default(), &PageRequest::first(1000))
            .await
            .expect("updates")
            .items
    }

    pub(crate) async fn device(&self, n: usize) -> Device {
        self.engine.device_by_key(&key(n)).await.expect("a device")
    }

    /// Rings the dispatcher until `done`; fails after ten seconds with how the deployment stands.
    pub(crate) async fn until(
        &self,
        id: DeploymentId,
        what: &str,
        done: impl Fn(&DeploymentSummary) -> bool,
    ) -> DeploymentSummary {
        for _ in 0..2000 {
            let summary = self.summary(id).await;
            if done(&summary) {
                return summary;
            }
            // The limiter lives on the engine's clock.
            self.clock.advance(Duration::from_millis(5));
            self.engine.wake();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never came: {what}; {:?}", self.summary(id).await.counts);
    }

    pub(crate) async fn connect(&self, n: usize) -> ConnectionNumber {
        let number = self.link.connect(&key(n), self.engine.now());
        self.engine.connected(&key(n), number).await;
        number
    }

    pub(crate) async fn disconnect(&self, n: usize, number: ConnectionNumber) {
        self.link.disconnect(&key(n));
        self.engine.disconnected(&key(n), number).await;
    }

    /// Sends a device's message and returns when it is durable.
    pub(crate) async fn say(&self, n: usize, message: UpMessage) {
        let topic = message.topic().topic(&key(n));
        self.say_raw(n, topic, message.encode().expect("a payload")).await;
    }

    pub(crate) async fn say_raw(&self, n: usize, topic: String, payload: Vec<u8>) {
        self.try_raw(n, topic, payload).await.expect("durable");
    }

    pub(crate) async fn try_raw(&self, n: usize, topic: String, payload: Vec<u8>) -> PortResult<()> {
        let message = InboundMessage {
            key: key(n),
            topic,
            payload: payload.into(),
            qos: 1,
            door: Door::Mtls,
            certificate: None,
        };
        self.engine.message(message).await
    }

    /// Firmware requests that were sent and not looked at yet.
    pub(crate) fn requests(&self) -> Vec<(DeviceKey, UpdateFirmware)> {
        let decoded = self.link.take_sent().into_iter().filter_map(|sent| {
            let (_, topic) = parse_down(&sent.topic).expect("a topic of ours");
            match decode_down(topic, &sent.payload).expect("a payload of ours") {
                DownMessage::UpdateFirmware(request) => Some((sent.key, request)),
                _ => None,
            }
        });
        decoded.collect()
    }

    /// Waits for `count` requests.
    pub(crate) async fn wait_requests(&self, count: usize) -> Vec<(DeviceKey, UpdateFirmware)> {
        let mut all = Vec::new();
        for _ in 0..2000 {
            all.extend(self.requests());
            if all.len() >= count {
                return all;
            }
            self.clock.advance(Duration::from_millis(5));
            self.engine.wake();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{} of {count} requests came", all.len());
    }

    pub(crate) async fn acknowledge(&self, n: usize, request: &UpdateFirmware) {
        let command_id = request.command_id.clone();
        self.say(
            n,
            UpMessage::UpdateAck(UpdateAck {
                command_id,
                status: AckStatus::Acknowledged,
                message: None,
                timestamp: None,
            }),
        )
        .await;
    }

    pub(crate) async fn progress(&self, n: usize, request: &UpdateFirmware, percent: u8) {
        let progress = Progress {
            command_id: request.command_id.clone(),
            progress: percent,
            downloaded_bytes: Some(request.content.file_info.size * u64::from(percent) / 100),
            total_bytes: Some(request.content.file_info.size),
            speed_kbps: None,
            timestamp: None,
        };
        self.say(n, UpMessage::Progress(progress)).await;
    }

    pub(crate) async fn result(&self, n: usize, request: &UpdateFirmware, status: ResultStatus) {
        let result = UpdateResult {
            command_id: request.command_id.clone(),
            status,
            message: None,
            checksum_verified: Some(true),
            download_ms: None,
            timestamp: None,
        };
        self.say(n, UpMessage::Result(result)).await;
    }

    pub(crate) async fn hello(&self, n: usize, image: Sha256Hash, version: &str, confirmed: bool) {
        let boot = BootInfo {
            slot: None,
            version: FirmwareVersion::new(version).ok(),
            image_hash: Some(image),
            confirmed,
            reset_reason: None,
            rolled_back_from: None,
        };
        let hello = Hello {
            protocol: 1,
            agent: None,
            capabilities: vec![capability::BOOT_CONFIRM.to_owned()],
            boot: Some(boot),
            command_id: None,
            timestamp: None,
        };
        self.say(n, UpMessage::Hello(hello)).await;
    }

    /// An old board does what it is asked, in base fields only.
    pub(crate) async fn obey(&self, key: &DeviceKey, request: &UpdateFirmware) {
        let n = key.as_str().parse().expect("a number");
        self.acknowledge(n, request).await;
        self.progress(n, request, 50).await;
        self.result(n, request, ResultStatus::Success).await;
    }
}

pub(crate) fn count(summary: &DeploymentSummary, state: UpdateState) -> u64 {
    summary.counts.of(state)
}

pub(crate) fn id_of(updates: &[DeviceUpdate], n: usize) -> DeviceId {
    updates.iter().find(|u| u.key == key(n)).expect("an update").device
}
