//! What a device ran: one row a change, whoever tells of it.

use argosy_domain::model::FirmwareChangeKind;
use argosy_domain::page::PageRequest;
use argosy_domain::ports::Registry;
use argosy_proto::message::ResultStatus;

use crate::fleet::{Fleet, hash};

#[tokio::test]
async fn a_hello_that_repeats_what_a_deployment_brought_is_no_change() {
    let fleet = Fleet::of(1).await;
    fleet.connect(1).await;
    let firmware = fleet.firmware("2.0", hash(2)).await;
    fleet.deploy(firmware, Fleet::policy()).await;
    let request = fleet.wait_requests(1).await.remove(0).1;
    // It has not said yet that it confirms its boot: its word that the download is right ends the update.
    fleet.result(1, &request, ResultStatus::Success).await;
    fleet.hello(1, hash(2), "2.0", true).await;
    fleet.hello(1, hash(3), "3.0", true).await;
    let device = fleet.device(1).await;
    let mut read = fleet.registry.read().await.expect("a session");
    let history = read.firmware_history(device.id, &PageRequest::first(10)).await.expect("a history").items;
    let kinds: Vec<_> =
        history.iter().rev().map(|change| (change.kind, change.to_version.as_deref())).collect();
    assert_eq!(
        kinds,
        [(FirmwareChangeKind::Updated, Some("2.0")), (FirmwareChangeKind::Reported, Some("3.0"))]
    );
}
