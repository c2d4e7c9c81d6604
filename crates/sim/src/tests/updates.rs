//! Whole updates, with and without faults.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use argosy_agent_core::Backoff;
use argosy_proto::message::{AckStatus, ResultStatus};
use argosy_proto::{DeviceKey, Sha256Hash, UpMessage};
use tempfile::TempDir;
use tokio::time::timeout;

use super::broker::{Authority, Mosquitto, Server, cancel, key, request};
use super::downloads::{Downloads, Faults};
use crate::clock::WallClock;
use crate::device::factory_image;
use crate::hardware::sha256;
use crate::{Fleet, FleetConfig, FleetHandle, Mode, Report, Shares, device_keys};

const LIMIT: Duration = Duration::from_secs(60);
const SIZE: usize = 1_500_000;

/// Broker, downloads, identities, and a client that plays the server.
struct World {
    authority: Authority,
    mosquitto: Mosquitto,
    downloads: Downloads,
    server: Server,
    image: Vec<u8>,
    keys: Vec<DeviceKey>,
    folder: TempDir,
    /// What devices said, in order.
    said: Vec<(DeviceKey, UpMessage)>,
}

impl World {
    async fn new(devices: u64, faults: Faults) -> Self {
        let authority = Authority::new();
        let mosquitto = Mosquitto::start(&authority);
        let image: Vec<u8> = (0..SIZE as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let downloads = Downloads::start(Some(&authority), image.clone(), faults).await;
        let server = Server::connect(&mosquitto).await;
        let keys = device_keys("sim-", &format!("1..{devices}")).expect("keys");
        let folder = tempfile::tempdir().expect("a folder");
        Self { authority, mosquitto, downloads, server, image, keys, folder, said: Vec::new() }
    }

    fn config(&self) -> FleetConfig {
        FleetConfig {
            broker: format!("mqtts://localhost:{}", self.mosquitto.tls.port()),
            broker_address: Some(self.mosquitto.tls),
            chunk: 100_000,
            reconnect: Backoff { first_ms: 20, max_ms: 200 },
            retry: Backoff { first_ms: 20, max_ms: 200 },
            status_every: None,
            ..FleetConfig::default()
        }
    }

    async fn start(&self, config: FleetConfig) -> FleetHandle {
        let identities = self.authority.identities(self.folder.path(), &self.keys);
        let clock = WallClock::starting_at(1_750_000_000_000);
        Fleet::start(config, clock, self.keys.clone(), &identities).await.expect("a fleet")
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/files/1?sig=abc", self.downloads.address.port())
    }

    fn hash(&self) -> Sha256Hash {
        sha256(&self.image)
    }

    fn ask(&mut self, key: &DeviceKey, command: &str) {
        let message = request(command, &self.url(), self.hash(), self.image.len());
        self.server.tell(key, &message);
    }

    /// Hears messages until one is as wanted.
    async fn hear(&mut self, wanted: impl Fn(&UpMessage) -> bool) -> (DeviceKey, UpMessage) {
        loop {
            let (key, message) = self.server.hear().await;
            self.said.push((key.clone(), message.clone()));
            if wanted(&message) {
                return (key, message);
            }
        }
    }

    /// Asks every device to update when it says hello for the first time.
    async fn ask_all(&mut self) {
        let mut asked = Vec::new();
        while asked.len() < self.keys.len() {
            let (key, _) = self.hear(|message| matches!(message, UpMessage::Hello(_))).await;
            if !asked.contains(&key) {
                self.ask(&key, &format!("FW-1-{}-1", asked.len() + 1));
                asked.push(key);
            }
        }
    }

    async fn settle(&mut self, fleet: FleetHandle) -> Report {
        let World { server, said, .. } = self;
        let hear = async {
            loop {
                said.push(server.hear().await);
            }
        };
        tokio::select! {
            settled = timeout(LIMIT, fleet.until_settled()) => settled.expect("every update ends in time"),
            () = hear => {}
        }
        let report = fleet.stop().await;
        // What devices said may still be on its way to this client.
        self.server.mark();
        self.hear(|message| matches!(message, UpMessage::Test(_))).await;
        report
    }

    fn results(&self) -> Vec<ResultStatus> {
        let result = |message: &UpMessage| match message {
            UpMessage::Result(result) => Some(result.status),
            _ => None,
        };
        self.said.iter().filter_map(|(_, message)| result(message)).collect()
    }

    fn last_boot(&self) -> argosy_proto::message::BootInfo {
        let boot = |message: &UpMessage| match message {
            UpMessage::Hello(hello) => hello.boot.clone(),
            _ => None,
        };
        self.said.iter().rev().find_map(|(_, message)| boot(message)).expect("a hello with boot")
    }
}

fn hello(message: &UpMessage) -> bool {
    matches!(message, UpMessage::Hello(_))
}

#[tokio::test]
async fn a_device_updates_restarts_and_proves_the_new_image() {
    let mut world = World::new(1, Faults::default()).await;
    let fleet = world.start(world.config()).await;
    let (device, first) = world.hear(hello).await;
    let UpMessage::Hello(first) = first else { panic!("a hello") };
    let boot = first.boot.clone().expect("boot");
    assert!(first.can("boot-confirm") && boot.confirmed);
    assert_eq!(boot.image_hash, Some(factory_image("1.0.0").hash));
    world.ask(&device, "FW-7-1-1");
    let report = world.settle(fleet).await;

    assert!(matches!(&world.said[1].1, UpMessage::UpdateAck(ack) if ack.status == AckStatus::Acknowledged));
    assert_eq!(world.results(), [ResultStatus::Success, ResultStatus::Installed]);
    let boot = world.last_boot();
    assert_eq!((boot.image_hash, boot.confirmed), (Some(world.hash()), true));
    assert_eq!(boot.version.map(|v| v.to_string()).as_deref(), Some("2.0.0"));
    assert_eq!((report.succeeded, report.failed, report.requests), (1, 0, 1));
    assert_eq!((report.mqtt_connections, report.mqtt_handshakes), (2, 2));
    assert_eq!((report.http_connections, report.http_handshakes), (1, 1));
    assert_eq!((report.bytes_downloaded, report.bytes_verified), (SIZE as u64, SIZE as u64));
    assert_eq!(world.downloads.requests.load(Relaxed), 15, "ranges of 100,000 bytes");
    assert!(report.retries.is_empty(), "{:?}", report.retries);
    assert!(report.first_get_at_ms <= report.last_byte_at_ms && report.first_get_at_ms.is_some());
}

#[tokio::test]
async fn a_lost_link_costs_no_byte_twice() {
    let mut world = World::new(1, Faults::default()).await;
    let shares = Shares { drop_link: 1.0, ..Shares::default() };
    let fleet = world.start(FleetConfig { shares, ..world.config() }).await;
    world.ask_all().await;
    let report = world.settle(fleet).await;
    assert_eq!((report.succeeded, report.failed), (1, 0));
    assert_eq!((report.mqtt_connections, report.http_connections), (3, 2));
    assert_eq!(report.bytes_downloaded, SIZE as u64);
    assert_eq!(report.retries.get("broker: simulated cut"), Some(&1));
}

#[tokio::test]
async fn a_wrong_byte_is_noticed_and_the_image_fetched_again() {
    let mut world = World::new(1, Faults::default()).await;
    let shares = Shares { corrupt: 1.0, ..Shares::default() };
    let fleet = world.start(FleetConfig { shares, store_images: true, ..world.config() }).await;
    world.ask_all().await;
    let report = world.settle(fleet).await;
    assert_eq!((report.succeeded, report.corrupt_images), (1, 1));
    assert_eq!((report.bytes_downloaded, report.bytes_verified), (2 * SIZE as u64, SIZE as u64));
    assert_eq!(world.results(), [ResultStatus::Success, ResultStatus::Installed]);
}

#[tokio::test]
async fn an_image_that_crashes_is_rolled_back() {
    let mut world = World::new(1, Faults::default()).await;
    let shares = Shares { crash_new_image: 1.0, ..Shares::default() };
    let fleet = world.start(FleetConfig { shares, ..world.config() }).await;
    world.ask_all().await;
    let report = world.settle(fleet).await;
    assert_eq!((report.failed, report.rolled_back, report.crashes), (1, 1, 3));
    assert_eq!(report.failures.get("rolled back"), Some(&1));
    assert_eq!(world.results(), [ResultStatus::Success, ResultStatus::Installed, ResultStatus::RolledBack]);
    let boot = world.last_boot();
    assert_eq!(boot.image_hash, Some(factory_image("1.0.0").hash));
    assert_eq!(boot.rolled_back_from, Some(world.hash()));
}

#[tokio::test]
async fn a_fleet_with_every_fault_ends_as_it_must() {
    let mut world = World::new(40, Faults { busy: 3, ..Faults::default() }).await;
    let shares =
        Shares { offline_at_first: 0.25, drop_link: 0.5, corrupt: 0.25, crash_new_image: 0.1, slow: 0.1 };
    let config = FleetConfig {
        shares,
        offline_for: Duration::from_millis(300),
        slow_rate: 1_000_000,
        until_hash: Some(world.hash()),
        connect_rate: Some(500.0),
        downloads: Some(8),
        ..world.config()
    };
    let fleet = world.start(config).await;
    world.ask_all().await;
    let report = world.settle(fleet).await;
    assert_eq!((report.succeeded, report.failed, report.rolled_back), (36, 4, 4));
    assert_eq!((report.settled, report.at_target, report.corrupt_images), (40, 36, 10));
    assert_eq!(report.bytes_verified, 40 * SIZE as u64);
    assert_eq!(report.retries.get("broker: simulated cut"), Some(&20));
    // Of two requests asked for at a time both may be refused, and that is one failure.
    let busy = report.retries.get("download: server error or overload").copied().unwrap_or(0);
    assert!((2..=3).contains(&busy), "{busy}");
    assert_eq!(report.mqtt_connections, report.mqtt_handshakes);
    assert_eq!(report.http_connections, report.http_handshakes);
}

#[tokio::test]
async fn a_server_that_closes_after_every_range_is_served_by_new_connections() {
    let mut world = World::new(1, Faults { close: true, ..Faults::default() }).await;
    let fleet = world.start(world.config()).await;
    world.ask_all().await;
    let report = world.settle(fleet).await;
    assert_eq!((report.succeeded, report.http_connections), (1, 15));
    assert_eq!(report.bytes_downloaded, SIZE as u64);
}

#[tokio::test]
async fn a_refused_download_fails_with_its_status() {
    let mut world = World::new(1, Faults { status: Some(403), ..Faults::default() }).await;
    let fleet = world.start(world.config()).await;
    world.ask_all().await;
    let report = world.settle(fleet).await;
    assert_eq!(report.failures.get("download refused (403)"), Some(&1));
    assert_eq!(world.results(), [ResultStatus::Error]);
    assert_eq!(report.bytes_verified, 0);
}

#[tokio::test]
async fn an_expired_url_is_waited_out_and_the_next_one_goes_on_where_it_stopped() {
    let mut world = World::new(1, Faults { expired_at: Some(2), ..Faults::default() }).await;
    let config = FleetConfig { ahead: false, ..world.config() };
    let fleet = world.start(config).await;
    world.ask_all().await;
    world.hear(|message| matches!(message, UpMessage::UpdateAck(_))).await;
    let expired = async {
        while !fleet.report().retries.contains_key("download: the URL has expired") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(LIMIT, expired).await.expect("the URL expires");
    assert_eq!(world.results(), [], "the device says nothing of it");
    let device = world.keys[0].clone();
    world.ask(&device, "FW-1-1-2");
    let report = world.settle(fleet).await;
    assert_eq!((report.succeeded, report.failed), (1, 0), "{:?}", report.failures);
    assert_eq!(report.bytes_downloaded, world.image.len() as u64, "no byte twice");
    assert_eq!(world.results(), [ResultStatus::Success, ResultStatus::Installed]);
}

#[tokio::test]
async fn a_cancel_stops_a_slow_download() {
    let mut world = World::new(1, Faults::default()).await;
    let shares = Shares { slow: 1.0, ..Shares::default() };
    let config = FleetConfig { shares, slow_rate: 20_000, progress_every: Duration::ZERO, ..world.config() };
    let fleet = world.start(config).await;
    world.ask_all().await;
    world.hear(|message| matches!(message, UpMessage::UpdateAck(_))).await;
    let device = world.keys[0].clone();
    world.server.tell(&device, &cancel("FW-1-1-1"));
    let (_, ack) = world.hear(|message| matches!(message, UpMessage::CancelAck(_))).await;
    assert!(matches!(ack, UpMessage::CancelAck(ack) if ack.status == "CANCELED"));
    let report = fleet.stop().await;
    assert_eq!((report.succeeded, report.failed, report.bytes_verified), (0, 0, 0));
}

#[tokio::test]
async fn an_old_board_speaks_base_fields_over_plain_mqtt_and_ignores_a_second_request() {
    let mut world = World::new(1, Faults::default()).await;
    world.keys = vec![key("42")];
    let plain = Downloads::start(None, world.image.clone(), Faults::default()).await;
    let config = FleetConfig {
        broker: format!("mqtt://127.0.0.1:{}", world.mosquitto.plain.port()),
        broker_address: None,
        mode: Mode::Legacy,
        status_every: Some(Duration::from_millis(20)),
        pause: Duration::from_millis(5),
        ..world.config()
    };
    let fleet = world.start(config).await;
    let device = key("42");
    let (from, _) = world.hear(|message| matches!(message, UpMessage::StatusSystem(_))).await;
    assert_eq!(from, device);
    let url = format!("http://127.0.0.1:{}/files/1?sig=abc", plain.address.port());
    let (hash, size) = (world.hash(), world.image.len());
    world.server.tell(&device, &request("FW-A1", &url, hash, size));
    world.server.tell(&device, &request("FW-A2", &url, sha256(b"another"), 10));
    let report = world.settle(fleet).await;

    assert_eq!((report.succeeded, report.failed, report.requests), (1, 0, 1));
    assert_eq!((report.mqtt_handshakes, report.http_handshakes), (0, 0));
    assert_eq!(world.results(), [ResultStatus::Success]);
    assert!(!world.said.iter().any(|(_, message)| hello(message)));
    let commands: Vec<_> =
        world.said.iter().filter_map(|(_, m)| m.command_id().map(|c| c.to_string())).collect();
    assert!(commands.iter().all(|command| command == "FW-A1"), "{commands:?}");
}

#[tokio::test]
async fn a_broker_with_a_certificate_of_another_root_is_not_spoken_to() {
    let world = World::new(1, Faults::default()).await;
    let other = Authority::new();
    let mut identities = world.authority.identities(world.folder.path(), &world.keys);
    identities.trust(other.pem().into_bytes());
    let clock = WallClock::starting_at(1_750_000_000_000);
    let fleet = Fleet::start(world.config(), clock, world.keys.clone(), &identities).await.expect("a fleet");
    let refused = || fleet.report().retries.get("broker: tls handshake").copied().unwrap_or(0);
    timeout(LIMIT, async {
        while refused() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it tries again");
    assert_eq!(fleet.report().mqtt_connections, 0);
}

#[tokio::test]
async fn a_broker_that_wants_another_certificate_refuses_the_device() {
    let world = World::new(1, Faults::default()).await;
    let stranger = Authority::new();
    let mut identities = stranger.identities(world.folder.path(), &world.keys);
    identities.trust(world.authority.pem().into_bytes());
    let clock = WallClock::starting_at(1_750_000_000_000);
    let fleet = Fleet::start(world.config(), clock, world.keys.clone(), &identities).await.expect("a fleet");
    timeout(LIMIT, async {
        while fleet.report().retries.values().sum::<u64>() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it is refused");
    assert_eq!((fleet.report().mqtt_connections, fleet.report().online), (0, 0));
}
