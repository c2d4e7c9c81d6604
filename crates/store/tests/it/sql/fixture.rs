//! Rows that the tests need.

use argosy_domain::Timestamp;
use argosy_domain::model::{
    DeploymentPayload, DeploymentPolicy, DeviceFilter, DeviceState, DeviceUpdate, FirmwareState, ImageFacts,
    ImageFormat, NewDeployment, NewDevice, NewFirmware, NewProduct,
};
use argosy_domain::ports::{Registry, UnitOfWork};
use argosy_proto::{DeploymentId, DeviceId, DeviceKey, GroupId, ProductId, RegionId, Sha256Hash, UserId};

pub(crate) const NOW: Timestamp = Timestamp(1_767_225_600_000);
pub(crate) const SIZE: i64 = 1_572_864;

pub(crate) fn product(name: &str) -> NewProduct {
    NewProduct {
        name: name.to_owned(),
        chip: "esp32s3".to_owned(),
        image_format: ImageFormat::Raw,
        slot_size: 3 << 20,
        display: None,
    }
}

pub(crate) fn key(number: usize) -> DeviceKey {
    DeviceKey::new(format!("vm-{number:07}")).expect("a key")
}

pub(crate) fn device(number: usize, product: ProductId) -> NewDevice {
    NewDevice {
        key: key(number),
        name: format!("자판기 {number} lobby"),
        product,
        group: None,
        region: None,
        attributes: [].into(),
        state: DeviceState::Active,
    }
}

pub(crate) fn placed(
    number: usize,
    product: ProductId,
    groups: &[GroupId],
    regions: &[RegionId],
) -> NewDevice {
    NewDevice {
        group: groups.get(number % groups.len().max(1)).copied(),
        region: regions.get(number / 7 % regions.len().max(1)).copied(),
        ..device(number, product)
    }
}

pub(crate) async fn begin(registry: &dyn Registry) -> Box<dyn UnitOfWork> {
    registry.begin("test").await.expect("a unit of work begins")
}

/// A product and a deployment of a firmware for it, in an open unit of work.
pub(crate) async fn deployment(unit: &mut dyn UnitOfWork, number: u8) -> (ProductId, DeploymentId) {
    let product = unit.insert_product(&product(&format!("boiler {number}")), NOW).await.expect("product");
    let artifact = unit.insert_artifact(&Sha256Hash([number; 32]), SIZE, NOW).await.expect("artifact");
    let firmware = NewFirmware {
        product,
        version: "1.0.0".to_owned(),
        file_name: "boiler.bin".to_owned(),
        artifact,
        release_notes: String::new(),
        facts: ImageFacts {
            format: ImageFormat::Raw,
            chip: None,
            project: None,
            app_version: None,
            idf_version: None,
            segments: None,
        },
        state: FirmwareState::Released,
    };
    let firmware = unit.insert_firmware(&firmware, NOW).await.expect("firmware");
    let new = NewDeployment {
        name: "spring".to_owned(),
        payload: DeploymentPayload::Firmware(firmware),
        target: DeviceFilter::default(),
        policy: DeploymentPolicy::default(),
        created_by: UserId(1),
    };
    (product, unit.insert_deployment(&new, NOW).await.expect("deployment"))
}

pub(crate) fn planned(deployment: DeploymentId, devices: &[DeviceId], first: usize) -> Vec<DeviceUpdate> {
    devices
        .iter()
        .enumerate()
        .map(|(i, device)| DeviceUpdate::planned(deployment, *device, key(first + i), SIZE))
        .collect()
}
