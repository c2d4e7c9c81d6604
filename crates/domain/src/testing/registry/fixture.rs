//! Rows that the cases need before they can begin.

use argosy_proto::{
    ArtifactId, DeploymentId, DeviceId, DeviceKey, FirmwareId, GroupId, OutboxId, ProductId, RegionId,
    Sha256Hash, UserId,
};

use crate::Timestamp;
use crate::model::{
    DeploymentPayload, DeploymentPolicy, Device, DeviceFilter, DeviceState, DeviceUpdate, DisplayProfile,
    FirmwareState, ImageFacts, ImageFormat, NewDeployment, NewDevice, NewFirmware, NewProduct, OutboxKind,
    OutboxRow, Role,
};
use crate::page::{Page, PageRequest};
use crate::ports::{PortError, PortErrorKind, PortResult, ReadSession, Registry, UnitOfWork};

/// When everything in the cases happens, give or take.
pub(super) const NOW: Timestamp = Timestamp(1_767_225_600_123);
/// An id that no row has.
pub(super) const NOBODY: i64 = 999_999_999;
/// Size of the image in the fixture.
pub(super) const SIZE: i64 = 1_572_864;

/// Texts that have broken somebody's search, escaping or encoding.
pub(super) const HOSTILE: &[&str] = &[
    "100%_done",
    "under_score",
    "back\\slash",
    "O'Brien \"quoted\"",
    "보일러 자판기 1호",
    "boiler 🔥🚒 emoji",
    "semi;colon -- comment",
    "{\"json\": [1, null]}",
    "$1 ?1 :name @p0",
    "a\u{301} combining",
];

/// Begins a unit of work.
pub(super) async fn begin(registry: &dyn Registry) -> Box<dyn UnitOfWork> {
    registry.begin("contract").await.expect("a unit of work begins")
}

/// Opens a read session.
pub(super) async fn read(registry: &dyn Registry) -> Box<dyn ReadSession> {
    registry.read().await.expect("a read session opens")
}

/// A hash made from a number.
pub(super) fn hash(number: u8) -> Sha256Hash {
    Sha256Hash([number; 32])
}

/// A device key.
pub(super) fn key(text: &str) -> DeviceKey {
    DeviceKey::new(text).expect("a device key")
}

/// A product's data.
pub(super) fn product(name: &str) -> NewProduct {
    NewProduct {
        name: name.to_owned(),
        chip: "esp32s3".to_owned(),
        image_format: ImageFormat::EspIdf,
        slot_size: 3 << 20,
        display: Some(DisplayProfile {
            width: 1024,
            height: 600,
            color_depth: 16,
            swap_bytes: true,
            alpha: false,
        }),
    }
}

/// A device's data, of `product`, nowhere in particular.
pub(super) fn device(name: &str, product: ProductId) -> NewDevice {
    NewDevice {
        key: key(name),
        name: format!("device {name}"),
        product,
        group: None,
        region: None,
        attributes: [("floor".to_owned(), "3층".to_owned())].into(),
        state: DeviceState::Active,
    }
}

/// A firmware's data.
pub(super) fn firmware(product: ProductId, artifact: ArtifactId, version: &str) -> NewFirmware {
    NewFirmware {
        product,
        version: version.to_owned(),
        file_name: format!("boiler-{version}.bin"),
        artifact,
        release_notes: "첫 줄\nsecond line".to_owned(),
        facts: ImageFacts {
            format: ImageFormat::EspIdf,
            chip: Some("esp32s3".to_owned()),
            project: Some("boiler".to_owned()),
            app_version: Some(version.to_owned()),
            idf_version: Some("v5.4".to_owned()),
            segments: Some(6),
        },
        state: FirmwareState::Released,
    }
}

/// A deployment's data, for the devices that `target` selects.
pub(super) fn deployment(firmware: FirmwareId, target: DeviceFilter, created_by: UserId) -> NewDeployment {
    NewDeployment {
        name: "2026 봄 업데이트".to_owned(),
        payload: DeploymentPayload::Firmware(firmware),
        target,
        policy: DeploymentPolicy { expires_at: Some(Timestamp(NOW.0 + 86_400_000)), ..Default::default() },
        created_by,
    }
}

/// An outbox row.
pub(super) fn outbox_row(device: DeviceId, deployment: DeploymentId, command: &str) -> OutboxRow {
    OutboxRow {
        id: OutboxId(0),
        device,
        key: key("vm-1"),
        kind: OutboxKind::Update,
        deployment,
        command_id: command.to_owned(),
        created_at: NOW,
    }
}

/// A product with a released firmware, a group, a region and a user.
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    pub(super) user: UserId,
    pub(super) product: ProductId,
    pub(super) group: GroupId,
    pub(super) region: RegionId,
    pub(super) artifact: ArtifactId,
    pub(super) firmware: FirmwareId,
}

impl World {
    /// Makes them, committed. The artifact's hash is `hash(1)`, its size [`SIZE`].
    pub(super) async fn make(registry: &dyn Registry) -> Self {
        let mut unit = begin(registry).await;
        let user =
            unit.insert_user("operator", "$argon2id$x", Role::Operator, false, NOW).await.expect("user");
        let product_id = unit.insert_product(&product("boiler"), NOW).await.expect("product");
        let group = unit.insert_group("pilot", NOW).await.expect("group");
        let region = unit.insert_region("KR-11", "서울", NOW).await.expect("region");
        let artifact = unit.insert_artifact(&hash(1), SIZE, NOW).await.expect("artifact");
        let new = firmware(product_id, artifact, "1.0.0");
        let firmware = unit.insert_firmware(&new, NOW).await.expect("firmware");
        unit.commit().await.expect("commit");
        Self { user, product: product_id, group, region, artifact, firmware }
    }

    /// Registers devices `d0`, `d1`, … committed.
    pub(super) async fn devices(&self, registry: &dyn Registry, count: usize) -> Vec<DeviceId> {
        let new: Vec<_> = (0..count).map(|i| device(&format!("d{i}"), self.product)).collect();
        let mut unit = begin(registry).await;
        let ids = unit.insert_devices(&new, NOW).await.expect("devices");
        unit.commit().await.expect("commit");
        ids
    }

    /// Makes a deployment with a pending update for each of `devices`, committed.
    pub(super) async fn deployment(&self, registry: &dyn Registry, devices: &[DeviceId]) -> DeploymentId {
        let mut unit = begin(registry).await;
        let new = deployment(self.firmware, DeviceFilter::default(), self.user);
        let id = unit.insert_deployment(&new, NOW).await.expect("deployment");
        let updates: Vec<_> =
            devices.iter().map(|d| DeviceUpdate::planned(id, *d, key(&format!("k{d}")), SIZE)).collect();
        unit.insert_device_updates(&updates).await.expect("device updates");
        unit.commit().await.expect("commit");
        id
    }
}

/// Reads one device that must be there.
pub(super) async fn the_device(registry: &dyn Registry, id: DeviceId) -> Device {
    read(registry).await.device(id).await.expect("read").expect("the device is there")
}

/// Reads one device update that must be there.
pub(super) async fn the_update(
    registry: &dyn Registry,
    deployment: DeploymentId,
    device: DeviceId,
) -> DeviceUpdate {
    read(registry).await.device_update(deployment, device).await.expect("read").expect("the update is there")
}

/// The operation failed with this kind and, if given, on this constraint.
#[track_caller]
pub(super) fn failed<T>(result: PortResult<T>, kind: PortErrorKind, constraint: Option<&'static str>) {
    match result {
        Ok(_) => panic!("it went well, where {kind:?} on {constraint:?} is due"),
        Err(error) => {
            let PortError { operation, kind: was, constraint: on, .. } = &error;
            assert_eq!(*was, kind, "{operation}: {error:?}");
            if constraint.is_some() {
                assert_eq!(*on, constraint, "{operation}: {error:?}");
            }
        }
    }
}

/// The operation met a taken name or another state.
#[track_caller]
pub(super) fn conflicts<T>(result: PortResult<T>, constraint: &'static str) {
    failed(result, PortErrorKind::Conflict, Some(constraint));
}

/// The operation met a missing or still used reference.
#[track_caller]
pub(super) fn refers<T>(result: PortResult<T>, constraint: &'static str) {
    failed(result, PortErrorKind::Reference, Some(constraint));
}

/// Walks a list to its end in pages of `$limit`, checking that no page is longer than asked and no page but the last one ends it; gives
/// all rows. `$list` is an expression over a page request named by `$page`.
macro_rules! walk {
    ($limit:expr, |$page:ident| $list:expr) => {{
        let mut rows = Vec::new();
        let mut walker = $crate::testing::registry::fixture::Walker::new($limit);
        while let Some($page) = walker.request() {
            let page = $list.await.expect("a page");
            rows.extend(walker.took(page));
        }
        rows
    }};
}
pub(super) use walk;

/// Follows the cursors of one list.
#[derive(Debug)]
pub(super) struct Walker {
    next: Option<PageRequest>,
    limit: u32,
    pages: usize,
}

impl Walker {
    pub(super) fn new(limit: u32) -> Self {
        Self { next: Some(PageRequest::first(limit)), limit, pages: 0 }
    }

    pub(super) fn request(&self) -> Option<PageRequest> {
        self.next.clone()
    }

    #[track_caller]
    pub(super) fn took<T>(&mut self, page: Page<T>) -> Vec<T> {
        self.pages += 1;
        assert!(self.pages < 20_000, "the list never ends");
        assert!(
            self.pages == 1 || !page.items.is_empty(),
            "the page before was the last one, and did not say so"
        );
        let asked = self.next.take().map_or(self.limit, |r| r.bounded());
        assert!(page.items.len() <= asked as usize, "a page has more rows than asked for");
        if let Some(after) = page.next {
            assert_eq!(page.items.len(), asked as usize, "only the last page may be short");
            self.next = Some(PageRequest { limit: self.limit, after: Some(after) });
        }
        page.items
    }
}
