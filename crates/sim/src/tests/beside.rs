//! What devices do beside firmware: content, registration by code, renewal, and what they say of themselves.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use argosy_agent_core::Backoff;
use argosy_proto::message::{
    AuthKey, CertAck, CertStatus, ContentFile, FileInfo, RegistAck, RegistStatus, ResultStatus, SignedUrl,
    UpdateAdvertisement,
};
use argosy_proto::{ArtifactId, CommandId, DeviceTime, DownMessage, UpMessage};
use tempfile::TempDir;
use tokio::time::timeout;

use super::broker::{Authority, Mosquitto, Server, cancel, key};
use super::downloads::{Downloads, Faults};
use crate::clock::WallClock;
use crate::counters::Counters;
use crate::hardware::sha256;
use crate::{Features, Fleet, FleetConfig, FleetHandle, IdentityStore, Mode, Registering, Renewing, Shares};

const LIMIT: Duration = Duration::from_secs(60);
/// The clock of the devices.
const NOW: u64 = 1_750_000_000_000;

struct World {
    authority: Authority,
    mosquitto: Mosquitto,
    server: Server,
    folder: TempDir,
    files: Vec<Vec<u8>>,
    downloads: Downloads,
}

impl World {
    async fn new(faults: Faults) -> Self {
        let authority = Authority::new();
        let mosquitto = Mosquitto::start(&authority);
        let server = Server::connect(&mosquitto).await;
        let files: Vec<Vec<u8>> = [260_000, 90_000, 130_000_usize]
            .iter()
            .map(|size| {
                (0..*size).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8 ^ *size as u8).collect()
            })
            .collect();
        let downloads = Downloads::start_many(Some(&authority), files.clone(), faults).await;
        let folder = tempfile::tempdir().expect("a folder");
        Self { authority, mosquitto, server, folder, files, downloads }
    }

    fn config(&self, features: Features) -> FleetConfig {
        FleetConfig {
            broker: format!("mqtts://localhost:{}", self.mosquitto.tls.port()),
            broker_address: Some(self.mosquitto.tls),
            chunk: 100_000,
            reconnect: Backoff { first_ms: 20, max_ms: 200 },
            retry: Backoff { first_ms: 20, max_ms: 200 },
            status_every: None,
            features,
            ..FleetConfig::default()
        }
    }

    fn identities(&self) -> IdentityStore {
        self.authority.identities(self.folder.path(), &[key("7")])
    }

    async fn start(&self, config: FleetConfig) -> FleetHandle {
        self.start_with(config, &self.identities()).await
    }

    async fn start_with(&self, config: FleetConfig, identities: &IdentityStore) -> FleetHandle {
        Fleet::start(config, WallClock::starting_at(NOW), vec![key("7")], identities).await.expect("a fleet")
    }

    /// A request to show these of the files (counted from 1), with artifact ids 100 above.
    fn show(&mut self, command: &str, files: &[usize]) {
        let content = |number: &usize| {
            let bytes = &self.files[number - 1];
            let url = format!("https://localhost:{}/files/{number}?sig=abc", self.downloads.address.port());
            let id = ArtifactId(100 + *number as i64);
            ContentFile {
                signed_url: SignedUrl::new(url, 60),
                file_info: FileInfo { id, file_hash: sha256(bytes), size: bytes.len() as u64 },
            }
        };
        let contents: Vec<_> = files.iter().map(content).collect();
        let request = UpdateAdvertisement {
            command_id: CommandId::new(command).expect("a command"),
            total_size: contents.iter().map(|file| file.file_info.size).sum(),
            contents,
            timestamp: DeviceTime::NO_CLOCK,
        };
        self.server.tell(&key("7"), &DownMessage::UpdateAdvertisement(request));
    }

    /// Hears until a message is as wanted; everything heard.
    async fn until(&mut self, wanted: impl Fn(&UpMessage) -> bool) -> Vec<UpMessage> {
        let mut heard = Vec::new();
        loop {
            let (from, message) = self.server.hear().await;
            assert_eq!(from, key("7"));
            heard.push(message);
            if heard.last().is_some_and(&wanted) {
                return heard;
            }
        }
    }
}

fn hello(message: &UpMessage) -> bool {
    matches!(message, UpMessage::Hello(_))
}

fn status(message: &UpMessage) -> bool {
    matches!(message, UpMessage::StatusSystem(_))
}

fn results(heard: &[UpMessage]) -> Vec<ResultStatus> {
    let result = |message: &UpMessage| match message {
        UpMessage::Result(result) => Some(result.status),
        _ => None,
    };
    heard.iter().filter_map(result).collect()
}

/// What the last status says is shown.
fn shown(heard: &[UpMessage]) -> Vec<i64> {
    let shown = |message: &UpMessage| match message {
        UpMessage::StatusSystem(status) => status.advertisements.clone(),
        _ => None,
    };
    let last = heard.iter().rev().find_map(shown).expect("a status");
    last.iter().map(|file| file.id.get()).collect()
}

async fn settled(fleet: &FleetHandle, done: impl Fn(&Counters) -> bool) {
    timeout(LIMIT, fleet.counters().until(done)).await.expect("in time");
}

#[tokio::test]
async fn a_set_is_shown_when_all_of_it_is_verified_and_survives_restarts() {
    let mut world = World::new(Faults { busy: 2, ..Faults::default() }).await;
    let fleet = world.start(world.config(Features::default())).await;
    world.until(hello).await;
    world.show("AD-1-7-1", &[2, 1, 3]);
    let heard = world.until(status).await;
    assert!(matches!(&heard[0], UpMessage::UpdateAck(ack) if ack.command_id.to_string() == "AD-1-7-1"));
    assert_eq!(results(&heard), [ResultStatus::Success]);
    let before_result = heard.iter().rev().find_map(|message| match message {
        UpMessage::Progress(progress) => {
            Some((progress.progress, progress.downloaded_bytes, progress.total_bytes))
        }
        _ => None,
    });
    assert_eq!(before_result, Some((100, Some(480_000), Some(480_000))));
    assert_eq!(shown(&heard), [102, 101, 103], "in the order of the request");

    // The same files in another set are not fetched again.
    let asked = world.downloads.requests.load(Relaxed);
    world.show("AD-2-7-1", &[3, 2]);
    assert_eq!(shown(&world.until(status).await), [103, 102]);
    assert_eq!(world.downloads.requests.load(Relaxed), asked);

    // Nor are they after a restart: what is shown is in flash.
    let url = format!("https://localhost:{}/files/1?sig=abc", world.downloads.address.port());
    let (hash, size) = (sha256(&world.files[0]), world.files[0].len());
    world.server.tell(&key("7"), &super::broker::request("FW-1-7-1", &url, hash, size));
    world.until(hello).await;
    let asked = world.downloads.requests.load(Relaxed);
    world.show("AD-3-7-1", &[2, 3]);
    assert_eq!(shown(&world.until(status).await), [102, 103]);
    assert_eq!(world.downloads.requests.load(Relaxed), asked);

    // And nothing at all.
    world.show("AD-4-7-1", &[]);
    assert_eq!(shown(&world.until(status).await), [0_i64; 0]);
    settled(&fleet, |counters| counters.content_shown.load(Relaxed) == 4).await;
    let report = fleet.stop().await;
    assert_eq!((report.content_failed, report.content_bytes, report.failed), (0, 480_000, 0));
}

#[tokio::test]
async fn a_board_tells_of_every_file_and_ignores_a_second_request() {
    let mut world = World::new(Faults::default()).await;
    let config = FleetConfig {
        mode: Mode::Legacy,
        pause: Duration::from_millis(20),
        status_every: Some(Duration::from_millis(50)),
        ..world.config(Features::default())
    };
    let fleet = world.start(config).await;
    world.until(status).await;
    world.show("AD-1-7-1", &[1, 2, 3]);
    world.show("AD-2-7-1", &[3]);
    let heard = world.until(|message| {
        matches!(message, UpMessage::StatusSystem(s) if s.advertisements.as_ref().is_some_and(|a| a.len() == 3))
    });
    let heard = heard.await;
    assert_eq!(results(&heard), [ResultStatus::Success; 3]);
    let commands: Vec<_> = heard.iter().filter_map(|m| m.command_id().map(|c| c.to_string())).collect();
    assert!(commands.iter().all(|command| command == "AD-1-7-1"), "{commands:?}");
    assert!(!heard.iter().any(hello));
    drop(fleet);
}

#[tokio::test]
async fn a_file_that_is_refused_fails_the_set_and_what_was_shown_stays() {
    let mut world = World::new(Faults { status: Some(403), ..Faults::default() }).await;
    let fleet = world.start(world.config(Features::default())).await;
    world.until(hello).await;
    world.show("AD-1-7-1", &[1, 2]);
    let heard = world.until(|message| matches!(message, UpMessage::Result(_))).await;
    assert_eq!(results(&heard), [ResultStatus::Error]);
    settled(&fleet, |counters| counters.content_failed.load(Relaxed) == 1).await;
    assert_eq!(fleet.stop().await.content_shown, 0);
}

#[tokio::test]
async fn a_content_request_is_cancelled_by_its_own_command() {
    let mut world = World::new(Faults::default()).await;
    let shares = Shares { slow: 1.0, ..Shares::default() };
    let config = FleetConfig { shares, slow_rate: 20_000, ..world.config(Features::default()) };
    let fleet = world.start(config).await;
    world.until(hello).await;
    world.show("AD-1-7-1", &[1, 2]);
    world.until(|message| matches!(message, UpMessage::UpdateAck(_))).await;
    world.server.tell(&key("7"), &cancel("AD-1-7-1"));
    let heard = world.until(|message| matches!(message, UpMessage::CancelAck(_))).await;
    assert!(matches!(heard.last(), Some(UpMessage::CancelAck(ack)) if ack.status == "CANCELED"));
    drop(fleet);
}

fn regist_ack(status: RegistStatus, retry_after_s: Option<u32>) -> DownMessage {
    DownMessage::RegistAck(RegistAck {
        status,
        timestamp: DeviceTime::NO_CLOCK,
        message: None,
        retry_after_s,
    })
}

#[tokio::test]
async fn an_unregistered_device_sends_its_code_and_nothing_else_until_it_is_taken() {
    let mut world = World::new(Faults::default()).await;
    let registering = Registering {
        code: Some(AuthKey::new("123456")),
        tries: 5,
        resend: Some(Backoff { first_ms: 100, max_ms: 200 }),
        ..Registering::default()
    };
    assert!(!format!("{registering:?}").contains("123456"));
    let features = Features {
        registration: Some(registering),
        sales_every: Some(Duration::from_millis(10)),
        ..Features::default()
    };
    let config = FleetConfig { status_every: Some(Duration::from_millis(10)), ..world.config(features) };
    let fleet = world.start(config).await;
    let regist = |message: &UpMessage| matches!(message, UpMessage::Regist(_));
    // Twice: the first answer is lost. Then wrong, locked for a moment, and at last right.
    for answer in [None, Some((RegistStatus::AuthFailed, None)), Some((RegistStatus::Locked, Some(0)))] {
        let heard = world.until(regist).await;
        assert!(heard.iter().all(regist), "{heard:?}");
        let Some(UpMessage::Regist(said)) = heard.last() else { panic!("{heard:?}") };
        assert_eq!((said.auth_key.expose(), said.device_name.as_str()), ("123456", "sim 7"));
        if let Some((status, wait)) = answer {
            world.server.tell(&key("7"), &regist_ack(status, wait));
        }
    }
    world.until(regist).await;
    world.server.tell(&key("7"), &regist_ack(RegistStatus::Ok, None));
    let heard = world.until(hello).await;
    assert!(heard.iter().all(|message| hello(message) || regist(message)), "{heard:?}");
    world.until(|message| matches!(message, UpMessage::SalesData(_))).await;
    let report = fleet.stop().await;
    assert_eq!(report.registered, 1);
    assert_eq!(report.retries.get("registration: LOCKED"), Some(&1), "{:?}", report.retries);
}

#[tokio::test]
async fn a_person_gives_up_after_so_many_wrong_codes() {
    let mut world = World::new(Faults::default()).await;
    let resend = Some(Backoff { first_ms: 600_000, max_ms: 600_000 });
    let registering =
        Registering { code: Some(AuthKey::new("000000")), tries: 2, resend, ..Registering::default() };
    let features = Features { registration: Some(registering), ..Features::default() };
    let fleet = world.start(FleetConfig { status_every: None, ..world.config(features) }).await;
    for _ in 0..2 {
        world.until(|message| matches!(message, UpMessage::Regist(_))).await;
        world.server.tell(&key("7"), &regist_ack(RegistStatus::AuthFailed, None));
    }
    let refused = || fleet.report().retries.get("registration: AUTH_FAILED").copied().unwrap_or(0);
    timeout(LIMIT, async {
        while refused() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("both answers come");
    world.server.mark();
    let (from, message) = world.server.hear().await;
    assert_eq!((from, matches!(message, UpMessage::Test(_))), (key("marker"), true), "nothing more is said");
    drop(fleet);
}

/// A certificate that ends in the year 3000 is due, the new one (4096) is not.
fn renewing(key_first: bool) -> Features {
    let before = Duration::from_secs(1_014 * 31_557_600);
    let resend = Backoff { first_ms: 150, max_ms: 300 };
    Features { renewal: Some(Renewing { before, resend, key_first }), ..Features::default() }
}

impl World {
    fn due_identities(&self) -> IdentityStore {
        let mut store = self.identities();
        store.add(vec![(key("7"), self.authority.device_until("7", 3000))]).expect("stored");
        store
    }

    async fn csr(&mut self) -> String {
        let heard = self.until(|message| matches!(message, UpMessage::CertRequest(_))).await;
        match heard.last() {
            Some(UpMessage::CertRequest(request)) => request.csr.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn certify(&mut self, csr: &str) {
        let request = rcgen::CertificateSigningRequestParams::from_pem(csr).expect("a request");
        let ack = CertAck {
            status: CertStatus::Ok,
            root_ca: Some(self.authority.pem()),
            client_ca: Some(self.authority.sign(request)),
            message: None,
        };
        self.server.tell(&key("7"), &DownMessage::CertAck(ack));
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_in_the_order_of_the_boards() {
    let mut world = World::new(Faults::default()).await;
    let identities = world.due_identities();
    let fleet = world.start_with(world.config(renewing(true)), &identities).await;
    // Refused, then not answered, then answered: always the same request.
    let first = world.csr().await;
    let refusal =
        CertAck { status: CertStatus::Refused("BUSY".into()), root_ca: None, client_ca: None, message: None };
    world.server.tell(&key("7"), &DownMessage::CertAck(refusal));
    assert_eq!(world.csr().await, first);
    assert_eq!(world.csr().await, first);
    world.certify(&first);
    // It restarts, and comes back with the new certificate.
    world.until(hello).await;
    let renewed = fleet.take_renewed();
    let report = fleet.stop().await;
    assert_eq!((report.renewed, report.reboots, report.mqtt_handshakes), (1, 1, 2), "{:?}", report.retries);
    assert_eq!(renewed.len(), 1);
    renewed[0].1.certified(&key("7")).expect("usable").keys_match().expect("the certificate is for the key");
}

#[tokio::test]
async fn a_board_that_restarts_before_the_answer_is_shut_out_and_a_modern_one_is_not() {
    for key_first in [true, false] {
        let mut world = World::new(Faults::default()).await;
        let identities = world.due_identities();
        let fleet = world.start_with(world.config(renewing(key_first)), &identities).await;
        let first = world.csr().await;
        // A firmware update restarts it.
        let url = format!("https://localhost:{}/files/1?sig=abc", world.downloads.address.port());
        let (hash, size) = (sha256(&world.files[0]), world.files[0].len());
        world.server.tell(&key("7"), &super::broker::request("FW-1-7-1", &url, hash, size));
        if key_first {
            let lost = "renewal: restarted with a key that fits no certificate";
            timeout(LIMIT, async {
                while !fleet.report().retries.contains_key(lost) {
                    tokio::task::yield_now().await;
                }
            })
            .await
            .expect("it restarts");
            settled_offline(&fleet).await;
        } else {
            world.until(hello).await;
            assert_eq!(world.csr().await, first, "it goes on with the request that it made");
            world.certify(&first);
            settled(&fleet, |counters| counters.renewed.load(Relaxed) == 1).await;
        }
    }
}

/// The broker refuses it again and again.
async fn settled_offline(fleet: &FleetHandle) {
    let tries =
        || fleet.report().retries.iter().filter(|(why, _)| why.starts_with("broker:")).map(|(_, n)| n).sum();
    timeout(LIMIT, async {
        while std::convert::identity::<u64>(tries()) < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it tries");
    assert_eq!(fleet.report().online, 0);
}

#[tokio::test]
async fn habits_are_told_with_qos_0_where_a_fleet_knows_no_other() {
    let mut world = World::new(Faults::default()).await;
    let every = Some(Duration::from_millis(15));
    let features = Features {
        sales_every: every,
        errors_every: every,
        data_every: every,
        qos0: true,
        ..Features::default()
    };
    let config = FleetConfig {
        broker: format!("mqtt://127.0.0.1:{}", world.mosquitto.plain.port()),
        broker_address: None,
        mode: Mode::Legacy,
        ..world.config(features)
    };
    let fleet = world.start(config).await;
    world.until(|message| matches!(message, UpMessage::SalesData(_))).await;
    world.until(|message| matches!(message, UpMessage::StatusErrorLog(_))).await;
    let heard = world.until(|message| matches!(message, UpMessage::Data { .. })).await;
    assert!(
        matches!(heard.last(), Some(UpMessage::Data { stream, row }) if stream.as_str() == "sensors" && row.values.len() == 3)
    );
    let report = fleet.stop().await;
    assert!(report.told >= 3);
}
